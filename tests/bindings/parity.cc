// The C++ driver of tests/bindings/cases.txt: prints, through raison.hpp, what the C driver prints.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <raison/raison.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using raison::Event;
using raison::GenerateOptions;
using raison::Messages;
using raison::Model;
using raison::Session;

struct Closed {};
struct Mine {};

std::string Unescape(const std::string& text) {
  std::string to;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      c = text[++i];
      c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c == '0' ? '\0' : c;
    }
    to += c;
  }
  return to;
}

std::string Escape(const std::string& text) {
  std::string to;
  for (const char c : text) {
    switch (c) {
      case '\\':
        to += "\\\\";
        break;
      case '\n':
        to += "\\n";
        break;
      case '\r':
        to += "\\r";
        break;
      case '\t':
        to += "\\t";
        break;
      case '\0':
        to += "\\0";
        break;
      default:
        to += c;
    }
  }
  return to;
}

std::string Hex(const std::string& bytes) {
  std::string to;
  for (const char c : bytes) {
    to += "0123456789abcdef"[(c >> 4) & 15];
    to += "0123456789abcdef"[c & 15];
  }
  return to;
}

// The machine's own numbers.
std::string WithoutTimes(const std::string& json) {
  static const std::regex times("\"(microseconds|begin_seconds|end_seconds)\":[^,}]*");
  return std::regex_replace(json, times, "\"$1\":0");
}

bool IsMode(const std::string& text) { return text == "auto" || text == "on" || text == "off"; }

struct Line {
  std::string verb;
  std::vector<std::pair<std::string, std::string>> pairs;

  std::optional<std::string> Find(const std::string& key) const {
    for (const auto& [name, value] : pairs)
      if (name == key) return value;
    return std::nullopt;
  }
  std::string Text(const std::string& key, const std::string& otherwise = "") const {
    return Find(key).value_or(otherwise);
  }
  int64_t Number(const std::string& key, int64_t otherwise = 0) const {
    const auto value = Find(key);
    return value ? std::stoll(*value) : otherwise;
  }
  uint32_t Flags() const {
    return (Number("special") ? RSN_TOKENIZE_SPECIAL : 0) | (Number("bos") ? RSN_TOKENIZE_BOS : 0);
  }
};

bool ReadOption(const std::string& key, const std::string& value, GenerateOptions& o) {
  const std::map<std::string, int32_t*> integers = {{"max_tokens", &o.max_tokens},
                                                    {"branch", &o.branch},
                                                    {"top_k", &o.top_k},
                                                    {"penalty_last_n", &o.penalty_last_n},
                                                    {"think_budget_soft", &o.think_budget_soft},
                                                    {"think_budget_hard", &o.think_budget_hard},
                                                    {"think_minimum", &o.think_minimum},
                                                    {"answer_reserve", &o.answer_reserve},
                                                    {"alternatives", &o.alternatives}};
  const std::map<std::string, float*> numbers = {{"temperature", &o.temperature},
                                                 {"top_p", &o.top_p},
                                                 {"min_p", &o.min_p},
                                                 {"repetition_penalty", &o.repetition_penalty},
                                                 {"presence_penalty", &o.presence_penalty},
                                                 {"frequency_penalty", &o.frequency_penalty}};
  if (const auto at = integers.find(key); at != integers.end()) {
    *at->second = std::stoi(value);
  } else if (const auto at = numbers.find(key); at != numbers.end()) {
    *at->second = std::stof(value);
  } else if (key == "seed") {
    o.seed = std::stoull(value);
  } else if (key == "thinking" && IsMode(value)) {
    o.thinking =
        value == "on" ? RSN_THINKING_ON : (value == "off" ? RSN_THINKING_OFF : RSN_THINKING_AUTO);
  } else if (key == "release") {
    o.release = RSN_RELEASE_STEP;
  } else if (key == "experts") {
    o.trace |= RSN_TRACE_EXPERTS;
  } else if (key == "trace_prompt") {
    o.trace |= RSN_TRACE_PROMPT;
  } else if (key == "exclude_first_token") {
    o.exclude_first_token = true;
  } else if (key == "continue_last") {
    o.continue_last = true;
  } else if (key == "continuation") {
    o.continuation = value;
  } else if (key == "template_arguments") {
    o.template_arguments = value;
  } else if (key == "stop") {
    o.stop.push_back(value);
  } else if (key == "logit_bias") {
    o.logit_bias_tokens.push_back(std::stoi(value));
    o.logit_bias.push_back(std::stof(value.substr(value.find(':') + 1)));
  } else {
    return false;
  }
  return true;
}

struct Options {
  GenerateOptions values;
  bool any = false;
  explicit Options(const Line& line) {
    values.wait_ms = 60000;
    for (const auto& [key, value] : line.pairs) any |= ReadOption(key, value, values);
  }
};

Messages ReadMessages(const Line& line) {
  static const std::vector<std::string> roles = {"system", "user", "assistant", "tool"};
  Messages messages;
  std::optional<std::string> thinking;
  for (const auto& [key, value] : line.pairs) {
    if (key == "thinking" && !IsMode(value)) thinking = value;
    const auto role = std::find(roles.begin(), roles.end(), key);
    if (role == roles.end()) continue;
    const int32_t number = static_cast<int32_t>(role - roles.begin());
    if (thinking) {
      messages.Add(number, value, *thinking);
    } else {
      messages.Add(number, value);
    }
    thinking.reset();
  }
  return messages;
}

int32_t KindOf(const std::string& name) {
  static const std::vector<std::string> kinds = {"none",       "progress", "token",
                                                 "step_begin", "step_end", "think_begin",
                                                 "think_end",  "notice",   "done"};
  return static_cast<int32_t>(std::find(kinds.begin(), kinds.end(), name) - kinds.begin());
}

class Driver {
 public:
  void Run(std::istream& table) {
    std::string raw;
    while (std::getline(table, raw)) {
      if (raw.empty() || raw[0] == '#') continue;
      Line line;
      std::istringstream parts(raw);
      std::getline(parts, line.verb, '\t');
      if (line.verb == "want") continue;
      std::string part;
      if (line.verb == "case") {
        std::getline(parts, part);
        model_.reset();
        sessions_.clear();
        current_ = "a";
        std::cout << "case " << part << '\n';
        continue;
      }
      while (std::getline(parts, part, '\t')) {
        const size_t equals = part.find('=');
        line.pairs.emplace_back(part.substr(0, equals), Unescape(part.substr(equals + 1)));
      }
      std::cout << "> " << line.verb << '\n';
      try {
        if (Do(line)) std::cout << "ok\n";
      } catch (const Closed&) {
        std::cout << "closed\n";
      } catch (const raison::Error& error) {
        std::cout << "error " << raison::StatusName(error.status()) << '\n';
      }
    }
  }

 private:
  Model& TheModel() {
    if (!model_) throw Closed();
    return *model_;
  }
  Session& TheSession() {
    const auto at = sessions_.find(current_);
    if (at == sessions_.end()) throw Closed();
    return at->second;
  }
  void Keep(const std::string& name, Session session) {
    sessions_.insert_or_assign(name, std::move(session));
  }

  // True: nothing was printed, it is "ok".
  bool Do(const Line& line) {
    const std::string& verb = line.verb;
    if (verb == "load") {
      Load(line);
    } else if (verb == "session") {
      const raison::SessionOptions options{static_cast<uint32_t>(line.Number("context_length"))};
      current_ = line.Text("name", "a");
      Keep(current_, Session(TheModel(), options));
    } else if (verb == "use") {
      current_ = line.Text("name", "a");
    } else if (verb == "close") {
      if (line.Text("what") == "model") {
        model_.reset();
      } else {
        sessions_.erase(line.Text("name", current_));
      }
    } else if (verb == "ask") {
      TheSession().Ask(line.Text("text"), Options(line).values);
    } else if (verb == "prompt") {
      TheSession().Prompt(ReadMessages(line), Options(line).values);
    } else if (verb == "prompt_text") {
      TheSession().PromptText(line.Text("text"), line.Flags(), Options(line).values);
    } else if (verb == "end_thinking") {
      TheSession().EndThinking();
    } else if (verb == "stop") {
      TheSession().Stop();
    } else if (verb == "cancel") {
      TheSession().Cancel();
    } else if (verb == "inject") {
      TheSession().Inject(line.Text("text"));
    } else if (verb == "rewind") {
      Session& session = TheSession();
      const int64_t position = line.Find("step")
                                   ? session.Step(static_cast<size_t>(line.Number("step"))).rewind
                                   : line.Number("position");
      const Options options(line);
      options.any ? session.Rewind(position, options.values) : session.Rewind(position);
    } else if (verb == "fork") {
      const Options options(line);
      Keep(line.Text("name"),
           options.any ? TheSession().Fork(options.values) : TheSession().Fork());
    } else {
      Tell(line);
      return false;
    }
    return true;
  }

  void Tell(const Line& line) {
    const std::string& verb = line.verb;
    if (verb == "info") {
      const raison::ModelInfo i = TheModel().Info();
      std::cout << "info " << i.architecture << ' ' << i.name << ' ' << i.parameters << ' '
                << i.vocabulary << ' ' << i.layers << ' ' << i.experts << ' ' << i.tensors << '\n';
    } else if (verb == "tokenize") {
      const std::vector<int32_t> tokens = TheModel().Tokenize(line.Text("text"), line.Flags());
      std::cout << "tokens";
      for (const int32_t t : tokens) std::cout << ' ' << t;
      std::cout << '\n';
    } else if (verb == "detokenize") {
      std::vector<int32_t> tokens;
      std::istringstream list(line.Text("tokens"));
      for (std::string token; std::getline(list, token, ',');) tokens.push_back(std::stoi(token));
      const uint32_t flags = line.Number("special") ? RSN_DETOKENIZE_SPECIAL : 0;
      const std::string bytes = TheModel().Detokenize(tokens, flags);
      std::cout << "bytes " << Hex(bytes) << '\n';
    } else if (verb == "token_text") {
      const int32_t token = static_cast<int32_t>(line.Number("token"));
      const std::string bytes = TheModel().TokenText(token);
      std::cout << "bytes " << Hex(bytes) << '\n';
    } else if (verb == "render") {
      const std::string text = TheModel().Render(ReadMessages(line), Options(line).values);
      std::cout << "text " << Escape(text) << '\n';
    } else if (verb == "threads") {
      Threads(line);
    } else if (verb == "together") {
      Together(line);
    } else {
      TellSession(line, TheSession());
    }
  }

  void TellSession(const Line& line, Session& session) {
    const std::string& verb = line.verb;
    if (verb == "events") {
      Events(line, session);
    } else if (verb == "run") {
      Callback(line, session);
    } else if (verb == "steps") {
      for (size_t i = 0; i < session.StepCount(); ++i) {
        std::cout << WithoutTimes(ToJson(session.Step(i))) << '\n';
      }
    } else if (verb == "text") {
      const bool thinking = line.Text("channel") == "thinking";
      const std::string text = session.Text(thinking ? RSN_CHANNEL_THINKING : RSN_CHANNEL_ANSWER);
      std::cout << "text " << Escape(text) << '\n';
    } else if (verb == "answer") {
      const raison::Answer answer = session.Answer();
      std::cout << "answer " << answer.step << ' ' << Escape(answer.text) << '\n';
    } else if (verb == "usage") {
      const raison::Usage u = session.Usage();
      std::cout << "usage " << u.prompt_tokens << ' ' << u.cached_tokens << ' ' << u.thinking_tokens
                << ' ' << u.answer_tokens << ' ' << u.forced_tokens << ' ' << u.discarded_tokens
                << '\n';
    } else if (verb == "position") {
      const int64_t position = session.Position();
      std::cout << "position " << position << '\n';
    } else if (verb == "running") {
      const bool running = session.Running();
      std::cout << "running " << running << '\n';
    } else if (verb == "tokens") {
      for (int64_t i = 0; i < session.Position(); ++i) {
        const raison::Token t = session.Token(i);
        std::cout << "token " << t.position << ' ' << t.token << ' ' << t.step << ' ' << t.channel
                  << ' ' << t.source << ' ' << t.rank << ' ' << t.branch << ' ' << Hex(t.text)
                  << '\n';
      }
    } else if (verb == "options") {
      const GenerateOptions o = session.EffectiveOptions();
      std::cout << "options " << o.seed;
      for (const int32_t n :
           {o.branch, o.max_tokens, o.top_k, o.alternatives, o.think_budget_soft,
            o.think_budget_hard, o.think_minimum, o.answer_reserve, o.thinking, o.release}) {
        std::cout << ' ' << n;
      }
      for (const std::string& text : o.stop) std::cout << ' ' << Escape(text);
      std::cout << '\n';
    } else if (verb == "experts") {
      const size_t index = static_cast<size_t>(line.Number("index"));
      const std::vector<uint32_t> counts = session.StepExperts(index);
      std::cout << "experts";
      for (const uint32_t n : counts) std::cout << ' ' << n;
      std::cout << '\n';
    } else if (verb == "logits") {
      const std::vector<float> row = session.Logits();
      std::cout << "logits " << row.size() << ' '
                << std::max_element(row.begin(), row.end()) - row.begin() << '\n';
    } else {
      std::cerr << "unknown verb '" << verb << "'\n";
    }
  }

  void Load(const Line& line) {
    raison::ModelOptions options;
    options.device = line.Text("device");
    options.chat_template = line.Text("chat_template");
    options.context_length = static_cast<uint32_t>(line.Number("context_length"));
    options.kv_bytes = static_cast<uint64_t>(line.Number("kv_bytes"));
    const std::string mode = line.Text("load", "map");
    options.load =
        mode == "copy" ? RSN_LOAD_COPY : (mode == "header" ? RSN_LOAD_HEADER : RSN_LOAD_MAP);
    model_.reset();
    if (const auto hex = line.Find("bytes")) {
      std::string bytes;
      for (size_t i = 0; i + 1 < hex->size(); i += 2) {
        bytes += static_cast<char>(std::stoi(hex->substr(i, 2), nullptr, 16));
      }
      model_.emplace(Model::FromBytes(bytes, options));
    } else {
      model_.emplace(line.Text("path"), options);
    }
  }

  static void Say(const Event& event) {
    if (event.kind != RSN_EVENT_PROGRESS) std::cout << WithoutTimes(ToJson(event)) << '\n';
  }

  static void Events(const Line& line, Session& session) {
    const int32_t until = KindOf(line.Text("until", "done"));
    int64_t count = line.Number("count", 1);
    for (const Event& event : session.Events()) {
      Say(event);
      if (event.kind == until && --count == 0) break;
    }
  }

  static void Callback(const Line& line, Session& session) {
    const int32_t at = KindOf(line.Text("at"));
    int64_t left = line.Number("nth", 1);
    const std::string verdict = line.Text("verdict");
    try {
      session.Run([&](Session& running, const Event& event) -> int32_t {
        Say(event);
        if (event.kind != at || --left != 0) return RSN_CONTINUE;
        if (verdict == "throw") throw Mine();
        if (verdict == "cancel") std::thread([&] { running.Cancel(); }).join();
        return verdict == "end_thinking" ? RSN_END_THINKING
                                         : (verdict == "stop" ? RSN_STOP : RSN_CONTINUE);
      });
      std::cout << "answer " << Escape(session.Text(RSN_CHANNEL_ANSWER)) << '\n';
    } catch (const Mine&) {
      std::cout << "thrown\n";
    }
  }

  void Threads(const Line& line) {
    std::vector<std::string> answers(static_cast<size_t>(line.Number("count")));
    std::vector<std::thread> threads;
    const Model model = TheModel();
    for (std::string& answer : answers) {
      threads.emplace_back([&line, &model, &answer] {
        Session session(model);
        session.Ask(line.Text("text"), Options(line).values);
        answer = session.Run();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& answer : answers) std::cout << "thread " << Escape(answer) << '\n';
  }

  void Together(const Line& line) {
    raison::Sessions group;
    for (const auto& [key, value] : line.pairs) {
      if (key != "text") continue;
      Session session(TheModel());
      session.Ask(value, Options(line).values);
      group.Add(session);
    }
    Event event;
    while (group.Next(event) >= 0) {
    }
    for (size_t i = 0; i < group.Size(); ++i) {
      std::cout << "together " << i << ' ' << Escape(group.At(i).Text(RSN_CHANNEL_ANSWER)) << '\n';
    }
  }

  std::optional<Model> model_;
  std::map<std::string, Session> sessions_;
  std::string current_ = "a";
};

}  // namespace

int main(int argc, char** argv) {
  std::ifstream table(argc == 2 ? argv[1] : "");
  if (!table) {
    std::cerr << "usage: parity_cpp CASES\n";
    return 2;
  }
  Driver().Run(table);
  return 0;
}
