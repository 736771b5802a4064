#include "samples/cli/model_arguments.h"

#include <chrono>
#include <fstream>
#include <iterator>

#include "samples/cli/errors.h"
#include "samples/cli/hub.h"
#include "samples/cli/interrupt.h"
#include "samples/cli/paths.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

using Clock = std::chrono::steady_clock;

// A load that is quicker shows nothing.
constexpr std::chrono::milliseconds kQuietLoad{500};
constexpr std::chrono::milliseconds kProgressEvery{100};
constexpr std::chrono::seconds kProgressLineEvery{2};  // where no terminal can rewrite a line

constexpr int32_t kMostTokens = 1 << 30;

// Shows how far a load has come, once it has taken long enough to wonder.
class LoadProgress {
 public:
  explicit LoadProgress(std::string name) : name_(std::move(name)) {}
  ~LoadProgress() {
    if (shown_ && ErrorIsTerminal()) PrintError("\r\x1b[K");
  }

  void Update(uint64_t done, uint64_t total) {
    const Clock::time_point now = Clock::now();
    if (now < next_ || total == 0) return;
    const int percent =
        static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
    const std::string text =
        Format("raison: loading %.120s (%s): %d %%", name_.c_str(), Bytes(total).c_str(), percent);
    const bool rewrites = ErrorIsTerminal();
    PrintError(rewrites ? "\r" + text + "\x1b[K" : text + "\n");
    next_ = now + (rewrites ? Clock::duration(kProgressEvery) : kProgressLineEvery);
    shown_ = true;
  }

 private:
  std::string name_;
  Clock::time_point next_ = Clock::now() + kQuietLoad;
  bool shown_ = false;
};

std::string ReadTemplate(const std::string& path) {
  std::ifstream in(ToPath(path), std::ios::binary);
  if (!in) throw Failure("--chat-template: " + path + " cannot be opened");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.empty()) throw Failure("--chat-template: " + path + " is empty");
  return text;
}

}  // namespace

void ModelArguments::AddPath(Arguments& arguments) {
  arguments.Section("Model");
  arguments.Text("-m, --model", "PATH", &model,
                 "a GGUF file, a Hugging Face folder, or hf:owner/repo/file from the local Hugging "
                 "Face cache; without it the model inside");
}

void ModelArguments::AddPlacement(Arguments& arguments) {
  AddPath(arguments);
  arguments.Integer("--context", "TOKENS", &context,
                    "context length; 0: the model's, at most 32768", 0, kMostTokens);
  arguments.Choice("--kv-type", &kv_type, "numbers of the key-value cache",
                   {{"f16", RSN_KV_F16}, {"bf16", RSN_KV_BF16}, {"f32", RSN_KV_F32}});
  arguments.Text("--device", "NAME", &device,
                 "cpu, cuda:0, vulkan:0, ..., or a split: cuda:0=20,cpu has 20 layers on the first; "
                 "default: the best that fits");
  arguments.Text("--experts", "NAME", &experts,
                 "the device of the routed experts, or a split of each layer's: cuda:0=96,cpu has the "
                 "first 96 on the first, own=96,cpu with their layer; default: all with their layers");
  arguments.Text("--backend-path", "PATH", &backend_path,
                 "a folder with back ends, or one's file, sought first");
}

void ModelArguments::AddTo(Arguments& arguments) {
  AddPlacement(arguments);
  arguments.Integer("-t, --threads", "N", &threads,
                    "threads; default: all that the process may use", 1, 1024);
  arguments.Text("--chat-template", "FILE", &chat_template_file,
                 "a Jinja template to use instead of the model's own");
  arguments.Flag("--copy", &copy, "read the file into memory instead of mapping it");
  arguments.Flag("--no-repack", &no_repack, "use the weights as they lie in the file");
  arguments.Flag("--exact", &exact, "bit-identical results however a prompt is cut or reused");
}

ModelOptions ToModelOptions(const ModelArguments& arguments, int32_t load) {
  ModelOptions options;
  options.threads = arguments.threads;
  options.device = arguments.device;
  options.experts = arguments.experts;
  options.backend_path = arguments.backend_path;
  options.context_length = static_cast<uint32_t>(arguments.context);
  options.kv_type = arguments.kv_type;
  options.load = load == RSN_LOAD_MAP && arguments.copy ? RSN_LOAD_COPY : load;
  options.repack = !arguments.no_repack;
  options.exact = arguments.exact;
  if (!arguments.chat_template_file.empty()) {
    options.chat_template = ReadTemplate(arguments.chat_template_file);
  }
  options.log = [](int32_t level, std::string_view text) {
    if (level <= RSN_LOG_WARNING) Warn(text);
  };
  return options;
}

Model LoadShowingProgress(const std::string& name, ModelOptions options,
                          const std::function<Model(const ModelOptions&)>& make) {
  LoadProgress progress(name);
  options.progress = [&progress](uint64_t done, uint64_t total) {
    progress.Update(done, total);
    return !Interrupt::Requested();
  };
  try {
    return make(options);
  } catch (const Error& error) {
    if (error.status() == RSN_ERR_CANCELLED) throw Interrupted();
    throw;
  }
}

Model LoadModel(const ModelArguments& arguments, int32_t load) {
  const std::string path = ResolveModelPath(arguments.model);
  const size_t slash = path.find_last_of('/', path.size() < 2 ? 0 : path.size() - 2);
  const std::string name = path.empty() ? "the model inside" : path.substr(slash + 1);
  return LoadShowingProgress(name, ToModelOptions(arguments, load),
                             [&](const ModelOptions& options) { return Model(path, options); });
}

void RequestArguments::AddTo(Arguments& arguments) {
  arguments.Section("Thinking");
  arguments.Choice(
      "--think", &options.thinking, "whether the model thinks before it answers",
      {{"auto", RSN_THINKING_AUTO}, {"on", RSN_THINKING_ON}, {"off", RSN_THINKING_OFF}});
  arguments.Integer("--think-budget", "N", &options.think_budget_hard,
                    "at most N tokens of thinking, then the answer", 0, kMostTokens);
  arguments.Integer("--think-soft", "N", &options.think_budget_soft,
                    "past N tokens the thinking ends with its step", 0, kMostTokens);
  arguments.Integer("--think-min", "N", &options.think_minimum, "at least N tokens of thinking", 0,
                    kMostTokens);
  arguments.Integer("--answer-reserve", "N", &options.answer_reserve,
                    "tokens that the thinking leaves for the answer", 0, kMostTokens);
  arguments.Section("Sampling (defaults: what the model's file recommends, else 0.6 and 0.95)");
  arguments.Number("--temperature", "X", &options.temperature, "0: always the most likely token", 0,
                   1000);
  arguments.Number("--top-p", "X", &options.top_p, "the most likely tokens that add up to X", 0, 1);
  arguments.Integer("--top-k", "N", &options.top_k, "the N most likely tokens; 0: all", 0,
                    kMostTokens);
  arguments.Number("--min-p", "X", &options.min_p, "tokens at least X times as likely as the best",
                   0, 1);
  arguments.Number("--repetition-penalty", "X", &options.repetition_penalty, "1: none", 0.01f, 100);
  arguments.Number("--presence-penalty", "X", &options.presence_penalty, "0: none", -100, 100);
  arguments.Number("--frequency-penalty", "X", &options.frequency_penalty, "0: none", -100, 100);
  arguments.Unsigned("--seed", "N", &options.seed,
                     "the same seed gives the same answer; default 0");
  arguments.Integer("-n, --max-tokens", "N", &options.max_tokens, "thinking and answer together", 1,
                    kMostTokens);
  arguments.List("--stop", "TEXT", &options.stop, "end the answer before TEXT; may be repeated");
  arguments.Section("Request");
  arguments.Text("--system", "TEXT", &system, "a system message before the question");
  arguments.Text("--template-arguments", "JSON", &options.template_arguments,
                 "an object of further variables for the chat template");
  arguments.Integer("--alternatives", "N", &options.alternatives,
                    "record the N most likely tokens at each place, at most 64", 0, 64);
  arguments.Flag("--trace-experts", &experts, "record which experts computed each token");
}

void RequestArguments::Finish() {
  if (experts) options.trace |= RSN_TRACE_EXPERTS;
  if (options.top_p == 0) throw UsageError("--top-p: \"0\" leaves no token; it must be above 0");
  if (options.think_minimum != RSN_UNSET && options.think_budget_hard != RSN_UNSET &&
      options.think_minimum > options.think_budget_hard) {
    throw UsageError("--think-min " + std::to_string(options.think_minimum) +
                     " is above --think-budget " + std::to_string(options.think_budget_hard));
  }
}

void RequestArguments::Check(const Model& model) const {
  if (options.template_arguments.empty()) return;
  Messages messages;
  messages.Add(RSN_ROLE_USER, "?");
  try {
    model.Render(messages, options);
  } catch (const Error& error) {
    // The message is in order, so a text that is not must be the option. What the template itself
    // objects to is told with the question.
    if (error.status() == RSN_ERR_TEXT) {
      throw UsageError(std::string("--template-arguments: ") + error.what());
    }
  }
}

bool IsPetit(const ModelInfo& info) { return info.name == "Petit" && info.parameters < 20'000'000; }

bool Declines(const std::string& answer) {
  // The two answers that samples/petit/problems/talk.py teaches.
  const size_t begin = answer.find_first_not_of(" \n");
  if (begin == std::string::npos) return false;
  return answer.compare(begin, 21, "I cannot answer that.") == 0 ||
         answer.compare(begin, 30, "I am a tiny reasoning model. I") == 0;
}

void ExplainDecline(const ModelInfo& info, const std::string& answer) {
  if (!IsPetit(info) || !Declines(answer)) return;
  Warn("this is the 17M demonstration model; docs/models.md names models for other questions");
}

}  // namespace raison::cli
