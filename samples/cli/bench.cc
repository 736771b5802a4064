// raison bench: tokens a second of prompt processing and of decoding, through the public headers,
// as an application gets them; which share of the device's copy rate decoding reaches; and what
// tracing more than every request does costs.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "samples/cli/arguments.h"
#include "samples/cli/bandwidth.h"
#include "samples/cli/commands.h"
#include "samples/cli/copy_rate.h"
#include "samples/cli/errors.h"
#include "samples/cli/interrupt.h"
#include "samples/cli/model_arguments.h"
#include "samples/cli/random_model.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

// Large enough to lie in memory, not in a cache.
constexpr uint64_t kBandwidthBytes = uint64_t{1} << 29;
constexpr int32_t kTraceAlternatives = 5;

struct BenchArguments {
  ModelArguments model;
  std::string shape, type = "q4_k", depth = "0", sessions = "1";
  int32_t layers = 0, prompt = 512, decode = 64, repeat = 3;
  bool trace = false, json = false, no_copy_rate = false;
  std::vector<int32_t> depths, session_counts;
};

constexpr int32_t kMostDepth = 1 << 20;
constexpr int32_t kMostSessions = 64;

// "0,8192"
std::vector<int32_t> ParseList(const std::string& option, const std::string& text, int32_t least,
                               int32_t most) {
  std::vector<int32_t> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, comma - at);
    int32_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size() || number < least ||
        number > most) {
      throw UsageError(option + " takes numbers from " + std::to_string(least) + " to " +
                       std::to_string(most) + ", not \"" + text + "\"");
    }
    out.push_back(number);
    at = comma + 1;
  }
  return out;
}

struct Measurement {
  std::vector<double> runs;  // tokens/s, the first run thrown away
  double Median() const {
    std::vector<double> sorted = runs;
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? 0 : sorted[sorted.size() / 2];
  }
};

// What a request records besides log-probability, entropy and steps, which every request does.
enum class Tracing { kNone, kAlternatives, kExperts };

// One line of the result: so many sessions together, each behind `depth` tokens.
struct Setting {
  int32_t sessions;
  int32_t depth;
};

struct Result {
  Setting setting;
  Measurement prompt, decode;
  Measurement decode_alternatives, decode_experts;  // empty where they were not asked for
  uint64_t passes = 0;                              // of one measured decoding
  double pass_bytes = 0;  // read by a pass: active weights as stored, and every session's cache
  double BytesPerSecond() const { return pass_bytes * decode.Median() / setting.sessions; }
};

double Seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// A text of exactly `count` tokens, or a few more where a word has several; a longer one begins
// with a shorter one.
std::string TextOfTokens(const Model& model, int64_t count) {
  std::string text;
  if (count == 0) return text;
  size_t have = 0;
  for (uint32_t n = 0; have < static_cast<size_t>(count); ++n) {
    // Small words, each a little different, so that a mixture of experts is met broadly.
    const size_t missing = static_cast<size_t>(count) - have;
    for (size_t i = 0; i <= missing / 8; ++i, ++n) {
      text += static_cast<char>('a' + n * 7 % 26);
      text += static_cast<char>('a' + n * n % 23);
      text += ' ';
    }
    have = model.Tokenize(text).size();
  }
  while (model.Tokenize(text.substr(0, text.size() - 1)).size() >= static_cast<size_t>(count)) {
    text.pop_back();
  }
  return text;
}

class Bencher {
 public:
  Bencher(const Model& model, const BenchArguments& arguments, Setting setting)
      : model_(model), info_(model.Info()), arguments_(arguments) {
    result_.setting = setting;
    for (int32_t i = 0; i < setting.sessions; ++i) sessions_.Add(Session(model));
    // One token more than the depth: a request needs a token to start from.
    deep_ = TextOfTokens(model, setting.depth + 1);
    deeper_ = deep_ + TextOfTokens(model, arguments.prompt);
  }

  Result Measure() {
    const bool experts = arguments_.trace && info_.experts > 0;
    // A prompt is one session's: the first setting of each depth measures it.
    const bool first = result_.setting.sessions == arguments_.session_counts.front();
    for (int32_t i = 0; i <= arguments_.repeat; ++i) {
      const double prompt = first && arguments_.prompt > 0 ? PromptOnce() : 0;
      // Side by side: what tracing costs is a ratio within one repetition. Every second one goes
      // the other way round, or a machine that slows down would add to one side only.
      double alternatives = 0, routed = 0;
      if (experts && i % 2 == 1) routed = DecodeOnce(Tracing::kExperts);
      if (arguments_.trace && i % 2 == 1) alternatives = DecodeOnce(Tracing::kAlternatives);
      const double decode = DecodeOnce(Tracing::kNone);
      if (arguments_.trace && i % 2 == 0) alternatives = DecodeOnce(Tracing::kAlternatives);
      if (experts && i % 2 == 0) routed = DecodeOnce(Tracing::kExperts);
      if (i == 0) continue;  // pages and caches are cold
      if (prompt > 0) result_.prompt.runs.push_back(prompt);
      if (decode > 0) result_.decode.runs.push_back(decode);
      if (alternatives > 0) result_.decode_alternatives.runs.push_back(alternatives);
      if (routed > 0) result_.decode_experts.runs.push_back(routed);
    }
    result_.pass_bytes = BytesPerPass();
    return result_;
  }

 private:
  // The weights once, every session's cache.
  double BytesPerPass() const {
    double weights = 0;
    const double sessions = result_.setting.sessions;
    // Of E experts, k drawn at random by each of n tokens: E (1 - (1 - k/E)^n) are met.
    const double met =
        info_.experts == 0
            ? 0
            : 1 - std::pow(1 - static_cast<double>(info_.experts_used) / info_.experts, sessions);
    bool tied = true;
    for (uint64_t i = 0; i < info_.tensors; ++i) {
      if (model_.Tensor(i).name == "output.weight") tied = false;
    }
    for (uint64_t i = 0; i < info_.tensors; ++i) {
      const TensorInfo tensor = model_.Tensor(i);
      unsigned layer = 0;
      const bool mtp =
          std::sscanf(tensor.name.c_str(), "blk.%u.", &layer) == 1 && layer >= info_.layers;
      if (mtp || (tensor.name == "token_embd.weight" && !tied)) continue;
      const bool routed = tensor.name.find("_exps.") != std::string::npos;
      weights += static_cast<double>(tensor.bytes) * (routed ? met : 1);
    }
    const double length = result_.setting.depth + arguments_.decode / 2.0;
    return weights + sessions * length * static_cast<double>(info_.kv_bytes_per_token);
  }

  GenerateOptions Options(int32_t max_tokens, Tracing tracing) const {
    GenerateOptions options;
    options.temperature = 0;
    options.max_tokens = max_tokens;
    if (tracing != Tracing::kNone) options.alternatives = kTraceAlternatives;
    if (tracing == Tracing::kExperts) options.trace = RSN_TRACE_EXPERTS;
    if (info_.eos_token >= 0) {  // a random model would end anywhere
      options.logit_bias_tokens = {info_.eos_token};
      options.logit_bias = {-INFINITY};
    }
    return options;
  }

  // Runs the request of `session` to its end.
  void Finish(Session session) {
    for (Event event; event.kind != RSN_EVENT_DONE;) {
      if (Interrupt::Requested()) throw Interrupted();
      session.Next(event);
    }
  }

  // One session, `prompt` tokens behind `depth` that are there already.
  double PromptOnce() {
    const GenerateOptions options = Options(1, Tracing::kNone);
    Session session = sessions_.At(0);
    session.PromptText(deep_, 0, options);
    Finish(session);
    session.PromptText(deeper_, 0, options);
    Finish(session);
    const Usage usage = session.Usage();
    return static_cast<double>(usage.prompt_tokens - usage.cached_tokens) / usage.prompt_seconds;
  }

  // All sessions together. The clock runs from the moment when each has its first token. 0: none
  // asked.
  double DecodeOnce(Tracing tracing) {
    if (arguments_.decode == 0) return 0;
    for (size_t i = 0; i < sessions_.Size(); ++i) {
      sessions_.At(i).PromptText(deep_, 0, Options(1, Tracing::kNone));
      Finish(sessions_.At(i));
    }
    const GenerateOptions options = Options(arguments_.decode + 1, tracing);
    for (size_t i = 0; i < sessions_.Size(); ++i) sessions_.At(i).PromptText(deep_, 0, options);

    std::vector<int64_t> tokens(sessions_.Size(), 0);
    size_t begun = 0;
    int64_t counted = 0;
    uint64_t passes_before = 0;
    Clock::time_point begin, end;
    Event event;
    for (int64_t which; (which = sessions_.Next(event)) >= 0;) {
      if (Interrupt::Requested()) throw Interrupted();
      if (event.kind == RSN_EVENT_DONE && event.reason == RSN_DONE_FAILED) {
        throw Failure(event.text);
      }
      if (event.kind != RSN_EVENT_TOKEN) continue;
      end = Clock::now();
      if (begun == sessions_.Size()) {
        ++counted;
      } else if (tokens[static_cast<size_t>(which)]++ == 0 && ++begun == sessions_.Size()) {
        begin = end;
        passes_before = model_.Info().passes;
      }
    }
    result_.passes = model_.Info().passes - passes_before;
    return counted == 0 ? 0 : static_cast<double>(counted) / Seconds(begin, end);
  }

  Model model_;
  ModelInfo info_;
  BenchArguments arguments_;
  Sessions sessions_;
  std::string deep_, deeper_;
  Result result_;
};

std::string Spread(const Measurement& m) {
  const auto [low, high] = std::minmax_element(m.runs.begin(), m.runs.end());
  return Format("%10.1f tokens/s   (%.1f to %.1f in %zu runs)\n", m.Median(), *low, *high,
                m.runs.size());
}

// Whether a part of the model may come to lie in this machine's memory: the default may be the CPU.
bool UsesOwnMemory(const ModelArguments& model) {
  const auto names = [](const std::string& split, const char* device) {
    return split.find(device) != std::string::npos;
  };
  return model.device.empty() || names(model.device, "cpu") || names(model.experts, "cpu") ||
         names(model.device, "reference") || names(model.experts, "reference");
}

// What the machine can do, measured beside the model: 0 where it was not.
struct Ceilings {
  double read = 0;  // by the CPU's threads, where the model is on the CPU
  double copy = 0;  // (bytes read + bytes written) / time, on the model's device
};

Ceilings MeasureCeilings(const ModelInfo& info, const BenchArguments& arguments) {
  Ceilings c;
  const uint32_t threads = std::max(1u, info.threads);
  if (!arguments.no_copy_rate) {
    c.copy = CopyRate(info.device, arguments.model.backend_path, threads);
  }
  if (info.device == "cpu") {
    const uint64_t available = AvailableMemory();
    c.read = ReadBandwidth(
        threads, available == 0 ? kBandwidthBytes : std::min(kBandwidthBytes, available / 4));
  }
  return c;
}

// The loss of tracing: the median of the repetitions' ratios.
double Cost(const Measurement& plain, const Measurement& traced) {
  Measurement cost;
  for (size_t i = 0; i < traced.runs.size(); ++i) {
    cost.runs.push_back(1 - traced.runs[i] / plain.runs[i]);
  }
  return cost.Median();
}

Json ToJson(const Result& r, const BenchArguments& arguments) {
  Json json = {{"sessions", r.setting.sessions},
               {"depth", r.setting.depth},
               {"prompt_tokens", arguments.prompt},
               {"prompt_tokens_per_second", r.prompt.Median()},
               {"prompt_runs", r.prompt.runs},
               {"decode_tokens", arguments.decode},
               {"decode_tokens_per_second", r.decode.Median()},
               {"decode_runs", r.decode.runs},
               {"decode_passes", r.passes},
               {"bytes_per_pass", r.pass_bytes},
               {"decode_bytes_per_second", r.BytesPerSecond()}};
  if (!r.decode_alternatives.runs.empty()) {
    json["alternatives_cost"] = Cost(r.decode, r.decode_alternatives);
  }
  if (!r.decode_experts.runs.empty()) json["experts_cost"] = Cost(r.decode, r.decode_experts);
  return json;
}

void ReportJson(const ModelInfo& info, const BenchArguments& arguments,
                const std::vector<Result>& results, const Ceilings& ceilings) {
  Json json = {{"model", info.name},
               {"architecture", info.architecture},
               {"type", info.type},
               {"layers", info.layers},
               {"weight_bytes", info.weight_bytes},
               {"device", info.device},
               {"threads", info.threads},
               {"read_bandwidth", ceilings.read},
               {"copy_bandwidth", ceilings.copy},
               {"results", Json::array()}};
  for (const Result& r : results) json["results"].push_back(ToJson(r, arguments));
  Print(json.dump(2) + "\n");
}

std::string BytesText(double n) { return Bytes(static_cast<uint64_t>(n)); }

void ReportModel(const ModelInfo& info, const BenchArguments& arguments,
                 const Ceilings& ceilings) {
  std::string out = info.name + ", " + info.type +
                    Format(", %u layers, %s; %s, %u threads\n", info.layers,
                           Bytes(info.weight_bytes).c_str(), info.device.c_str(), info.threads);
  if (ceilings.copy > 0) {
    out += "copy rate " + BytesText(ceilings.copy) + "/s on " + info.device + "\n";
  } else if (arguments.decode > 0 && !arguments.no_copy_rate) {
    out += "copy rate not measured: a split, or too little memory is free\n";
  }
  if (ceilings.read > 0) {
    out += Format("%u threads read ", info.threads) + BytesText(ceilings.read) + "/s\n";
  }
  Print(out);
}

void ReportResult(const Result& r, const BenchArguments& arguments, const Ceilings& ceilings) {
  const Setting& s = r.setting;
  std::string out;
  if (!r.prompt.runs.empty()) {
    out += Format("prompt %5d tokens at depth %-6d", arguments.prompt, s.depth) +
           "             " + Spread(r.prompt);
  }
  if (!r.decode.runs.empty()) {
    out += Format("decode %5d tokens at depth %-6d%4d sessions", arguments.decode, s.depth,
                  s.sessions) +
           Spread(r.decode);
    out += "reads  " + BytesText(r.pass_bytes) + " a pass, " + BytesText(r.BytesPerSecond()) + "/s";
    if (ceilings.copy > 0) {
      out += Format(": %.0f %% of the copy rate", 100 * r.BytesPerSecond() / ceilings.copy);
    }
    out += "\n";
  }
  if (!r.decode_alternatives.runs.empty()) {
    out += Format("trace  %d alternatives a token cost %.1f %%", kTraceAlternatives,
                  100 * Cost(r.decode, r.decode_alternatives));
    if (!r.decode_experts.runs.empty()) {
      out += Format(", with experts %.1f %%", 100 * Cost(r.decode, r.decode_experts));
    }
    out += "\n";
  }
  Print(out);
}

}  // namespace

int Bench(const Words& words) {
  BenchArguments b;
  Arguments arguments(
      "bench", "[OPTIONS]",
      "Measures prompt processing and decoding, median of several runs, and beside them the rate "
      "at which the device copies memory. Without --model or --shape: the model inside.");
  std::string shapes;
  for (const std::string& name : RandomModelShapes()) shapes += (shapes.empty() ? "" : ", ") + name;
  arguments.Section("What");
  arguments.Text("--shape", "NAME", &b.shape, "random weights in memory, no file: " + shapes);
  arguments.Text("--type", "TYPE", &b.type,
                 "with --shape: q4_k (default), q8_0, q4_0, q6_k, f16 ...");
  arguments.Integer("--layers", "N", &b.layers, "with --shape: only so many layers", 0, 4096);
  arguments.Integer("--prompt", "N", &b.prompt, "tokens of prompt (512); 0: not measured", 0,
                    1 << 20);
  arguments.Integer("--decode", "N", &b.decode, "tokens to decode (64); 0: not measured", 0,
                    1 << 20);
  arguments.Text("--depth", "N,...", &b.depth, "tokens that lie before both (0); each is measured");
  arguments.Text("--sessions", "N,...", &b.sessions,
                 "sessions that decode together (1); each is measured");
  arguments.Integer("--repeat", "N", &b.repeat, "runs that count (3); one more goes before them", 1,
                    1000);
  arguments.Flag("--trace", &b.trace,
                 "what recording five alternatives a token, and experts too, costs beside requests "
                 "that record log-probability, entropy and steps, as all do");
  arguments.Flag("--no-copy-rate", &b.no_copy_rate,
                 "do not measure the copy rate, which takes 4 GiB of the device's memory");
  arguments.Flag("--json", &b.json, "one JSON object");
  b.model.AddTo(arguments);
  arguments.Example("raison bench --shape qwen2-1.5b --type q8_0 --threads 4",
                    "what R1-Distill-Qwen-1.5B would do here");
  arguments.Example("raison bench --model r1-7b.gguf --depth 0,8192 --sessions 1,4,16",
                    "six lines: up to sixteen conversations at once, short and long");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  b.depths = ParseList("--depth", b.depth, 0, kMostDepth);
  b.session_counts = ParseList("--sessions", b.sessions, 1, kMostSessions);
  if (b.prompt == 0 && b.decode == 0) throw UsageError("--prompt 0 and --decode 0 leave nothing");
  if (!b.shape.empty() && !b.model.model.empty()) {
    throw UsageError("--shape and --model name two models");
  }
  // Room for the prompt or the decoding behind the depth, and for words of several tokens.
  constexpr int32_t kSlack = 64;
  if (b.model.context == 0) {
    b.model.context =
        *std::max_element(b.depths.begin(), b.depths.end()) + std::max(b.prompt, b.decode) + kSlack;
  }

  std::optional<RandomModel> image;  // outlives the model
  std::optional<Model> model;
  if (b.shape.empty()) {
    model = LoadModel(b.model);
  } else {
    const bool on_cpu = UsesOwnMemory(b.model);
    const bool in_place = on_cpu && (b.model.no_repack || b.model.device == "reference");
    image.emplace(RandomModelOptions{.shape = b.shape,
                                     .type = b.type,
                                     .layers = static_cast<uint32_t>(b.layers),
                                     .share_pages = !in_place,
                                     .on_cpu = on_cpu});
    model = LoadShowingProgress("random " + b.shape, ToModelOptions(b.model, RSN_LOAD_MAP),
                                [&](const ModelOptions& options) {
                                  return Model::FromMemory(image->data(), image->size(), options);
                                });
  }
  const ModelInfo info = model->Info();
  Ceilings ceilings;
  if (b.decode > 0) ceilings = MeasureCeilings(info, b);
  if (!b.json) ReportModel(info, b, ceilings);
  // What is finished is told even if Ctrl-C, or a setting that does not fit, ends the rest.
  std::vector<Result> results;
  try {
    for (int32_t depth : b.depths) {
      for (int32_t sessions : b.session_counts) {
        results.push_back(Bencher(*model, b, {.sessions = sessions, .depth = depth}).Measure());
        if (!b.json) ReportResult(results.back(), b, ceilings);
      }
    }
  } catch (...) {
    if (b.json && !results.empty()) ReportJson(info, b, results, ceilings);
    throw;
  }
  if (b.json) ReportJson(info, b, results, ceilings);
  return kOk;
}

}  // namespace raison::cli
