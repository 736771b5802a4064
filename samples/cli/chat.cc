// raison chat: a conversation, and a look into how each answer came about: its steps, the
// alternatives at each place, and going back to a step to take another way.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "samples/cli/arguments.h"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/interrupt.h"
#include "samples/cli/live_view.h"
#include "samples/cli/model_arguments.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

// Enough to see what else was possible, few enough for a line.
constexpr int32_t kAlternatives = 4;
constexpr size_t kPlacesOfWhy = 8;
constexpr size_t kStepPreview = 60;  // columns
constexpr size_t kMostLine = size_t{16} << 20;

constexpr char kCommandsHelp[] =
    "/steps            the steps of the last answer\n"
    "/why N            step N: where the model wavered, and between which tokens\n"
    "/rewind N [TEXT]  back to the beginning of step N and on from there; TEXT is put in first\n"
    "/think N          at most N tokens of thinking from now on; /think off: none; /think auto\n"
    "/new              forget the conversation\n"
    "/help             this\n"
    "/quit             (or Ctrl-D)\n";

// Lines of standard input.
class LineReader {
 public:
  // nullopt: the end. Throws Interrupted for Ctrl-C.
  std::optional<std::string> Next() {
    for (;;) {
      const size_t end = buffer_.find('\n');
      if (end != std::string::npos) return Take(end, 1);
      char chunk[4096];
      const long n = Interrupt::Read(chunk, sizeof chunk);
      if (n > 0 && buffer_.size() < kMostLine) {
        buffer_.append(chunk, static_cast<size_t>(n));
      } else {
        if (buffer_.empty()) return std::nullopt;
        return Take(buffer_.size(), 0);
      }
    }
  }

 private:
  std::string Take(size_t end, size_t newline) {
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + newline);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return line;
  }
  std::string buffer_;
};

std::string OneLine(const std::string& text, size_t columns) {
  std::string out;
  size_t used = 0;
  const std::string harmless = Harmless(text);
  for (size_t at = 0; at < harmless.size();) {
    const size_t begin = at;
    const char32_t c = NextCodePoint(harmless, &at);
    used += static_cast<size_t>(Columns(c));
    if (used > columns) return out + "\xE2\x80\xA6";
    out += c == '\n' || c == '\t' ? std::string(" ") : harmless.substr(begin, at - begin);
  }
  return out;
}

std::string QuotedToken(const std::string& text) {
  std::string out = "\"";
  for (char c : Harmless(text)) out += c == '\n' ? std::string("\\n") : std::string(1, c);
  return out + "\"";
}

class Conversation {
 public:
  Conversation(const Model& model, const RequestArguments& request)
      : model_(model), session_(model), options_(request.options), system_(request.system) {
    if (options_.alternatives == RSN_UNSET) options_.alternatives = kAlternatives;
    Forget();
  }

  void Say(const std::string& text) {
    const size_t before = messages_.Size();
    messages_.Add(RSN_ROLE_USER, text);
    try {
      session_.Prompt(messages_, options_);
    } catch (const Error&) {
      messages_.Truncate(before);
      throw;
    }
    answered_ = false;
    prompted_ = true;
    Answer();
  }

  // false: quit.
  bool Command(const std::string& line) {
    std::istringstream in(line);
    std::string name, rest;
    in >> name;
    std::getline(in >> std::ws, rest);
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      Print(kCommandsHelp);
    } else if (name == "/steps") {
      Steps();
    } else if (name == "/why") {
      Why(StepNumber(rest));
    } else if (name == "/rewind") {
      const size_t space = rest.find(' ');
      Rewind(StepNumber(rest.substr(0, space)),
             space == std::string::npos ? "" : rest.substr(space + 1));
    } else if (name == "/think") {
      Think(rest);
    } else if (name == "/new") {
      Forget();
    } else {
      throw UsageError("there is no " + name + "; /help lists what there is");
    }
    return true;
  }

 private:
  void Forget() {
    messages_ = Messages();
    if (!system_.empty()) messages_.Add(RSN_ROLE_SYSTEM, system_);
    prompted_ = answered_ = false;
  }

  // Draws the running request and keeps its answer in the conversation.
  void Answer() {
    Event done;
    if (OutputIsTerminal()) {
      LiveView view(session_);
      done = Drive(session_, [&](const Event& event) { view.Show(event); });
    } else {
      AnswerOnly answer;
      done = Drive(session_, [&](const Event& event) { answer.Show(event); });
    }
    Interrupt::Clear();
    ExplainDone(session_, done);
    const std::string text = session_.Text(RSN_CHANNEL_ANSWER);
    ExplainDecline(model_.Info(), text);
    messages_.Add(RSN_ROLE_ASSISTANT, text, session_.Text(RSN_CHANNEL_THINKING));
    answered_ = true;
  }

  size_t StepNumber(const std::string& text) const {
    if (!prompted_) throw UsageError("nothing has been asked yet");
    size_t number = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    const size_t count = session_.StepCount();
    if (error != std::errc() || at != end || number < 1 || number > count) {
      throw UsageError("\"" + text + "\" is not a step; there are " + std::to_string(count));
    }
    return number - 1;
  }

  void Steps() const {
    if (!prompted_) throw UsageError("nothing has been asked yet");
    std::string out;
    for (size_t i = 0; i < session_.StepCount(); ++i) {
      const Step step = session_.Step(i);
      out += Format("%3d %4.0f%% %4lld tokens %s ", step.index + 1,
                    static_cast<double>(100 * step.confidence),
                    static_cast<long long>(step.end - step.begin),
                    (step.flags & RSN_STEP_DISCARDED) != 0 ? "left" : "    ") +
             OneLine(step.text, kStepPreview) + "\n";
    }
    Print(out.empty() ? "The last answer came without thinking.\n" : out);
  }

  void Why(size_t index) const {
    const Step step = session_.Step(index);
    if ((step.flags & RSN_STEP_DISCARDED) != 0) {
      throw UsageError("a rewind left that step; its tokens are gone, its text is: " +
                       OneLine(step.text, kStepPreview));
    }
    std::vector<Token> tokens;
    for (int64_t at = step.begin; at < step.end; ++at) tokens.push_back(session_.Token(at));
    std::stable_sort(tokens.begin(), tokens.end(),
                     [](const Token& a, const Token& b) { return a.entropy > b.entropy; });
    std::string out = Format(
        "step %d: confidence %.3f, mean entropy %.3f nats, least sure token %.3f\n", step.index + 1,
        static_cast<double>(step.confidence), static_cast<double>(step.mean_entropy),
        std::exp(static_cast<double>(step.lowest_logprob)));
    for (size_t i = 0; i < std::min(kPlacesOfWhy, tokens.size()); ++i) {
      const Token& token = tokens[i];
      out += Format("  at %-5lld entropy %.3f  ", static_cast<long long>(token.position),
                    static_cast<double>(token.entropy));
      out += QuotedToken(token.text) + Format(" %.1f%%", Percent(token.logprob)) + "  of";
      for (size_t k = 0; k < token.alternatives.size(); ++k) {
        out += " " + QuotedToken(model_.TokenText(token.alternatives[k])) +
               Format(" %.1f%%", Percent(token.alternative_logprobs[k]));
      }
      out += "\n";
    }
    Print(out);
  }
  static double Percent(float logprob) { return 100 * std::exp(static_cast<double>(logprob)); }

  void Rewind(size_t index, const std::string& text) {
    const Step step = session_.Step(index);
    if ((step.flags & RSN_STEP_DISCARDED) != 0) throw UsageError("a rewind left that step before");
    // At temperature 0 something has to change, or it would say the same again.
    GenerateOptions options = options_;
    options.exclude_first_token = text.empty() && !(session_.EffectiveOptions().temperature > 0);
    session_.Rewind(step.rewind, options);
    if (!text.empty()) session_.Inject(text);
    if (answered_) messages_.Truncate(messages_.Size() - 1);
    answered_ = false;
    Answer();
  }

  void Think(const std::string& text) {
    if (text == "off") {
      options_.thinking = RSN_THINKING_OFF;
      return;
    }
    if (text == "auto") {
      options_.thinking = RSN_THINKING_AUTO;
      options_.think_budget_hard = RSN_UNSET;
      return;
    }
    int32_t budget = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, budget);
    if (error != std::errc() || at != end || budget < 0) {
      throw UsageError("/think takes a number of tokens, off or auto");
    }
    options_.thinking = RSN_THINKING_AUTO;
    options_.think_budget_hard = budget;
  }

  Model model_;
  Session session_;
  Messages messages_;
  GenerateOptions options_;
  std::string system_;
  bool prompted_ = false;  // steps are there to look at
  bool answered_ = false;  // the last message is the assistant's
};

}  // namespace

int Chat(const Words& words) {
  ModelArguments model_arguments;
  RequestArguments request;
  Arguments arguments("chat", "[OPTIONS]",
                      "A conversation with a model. Lines that begin with / are commands:");
  request.AddTo(arguments);
  model_arguments.AddTo(arguments);
  arguments.Example("raison chat --model r1-7b.gguf --think-budget 2000", "with another model");
  arguments.Example("printf 'What is 17 * 23?\\n/steps\\n/why 1\\n' | raison chat",
                    "from a script");
  if (!arguments.Parse(words)) {
    std::string help = arguments.Help();
    const std::string about = "are commands:\n";
    help.insert(help.find(about) + about.size(), std::string("\n") + kCommandsHelp);
    Print(help);
    return kOk;
  }
  request.Finish();
  const Model model = LoadModel(model_arguments);
  request.Check(model);
  Conversation conversation(model, request);
  LineReader lines;
  const bool prompt = InputIsTerminal() && OutputIsTerminal();
  if (prompt) Print(Harmless(model.Info().name) + "; /help lists commands, Ctrl-D leaves\n");
  bool failed = false;
  for (;;) {
    if (prompt) Print("\n> ");
    const std::optional<std::string> line = lines.Next();
    if (!line.has_value()) break;
    if (line->find_first_not_of(" \t") == std::string::npos) continue;
    // A mistake in one line ends that line, not the conversation.
    try {
      if ((*line)[0] != '/') {
        conversation.Say(*line);
      } else if (!conversation.Command(*line)) {
        return failed ? kFailure : kOk;
      }
    } catch (const UsageError& error) {
      Warn(error.what());
      failed = failed || !prompt;
    } catch (const Error& error) {
      Warn(error.what());
      failed = failed || !prompt;
    }
  }
  if (prompt) Print("\n");
  return failed ? kFailure : kOk;
}

}  // namespace raison::cli
