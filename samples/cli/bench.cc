// raison bench: tokens a second of prompt processing and of decoding, through the public headers,
// as an application gets them; and which share of the memory's read bandwidth decoding reaches.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "samples/cli/arguments.h"
#include "samples/cli/bandwidth.h"
#include "samples/cli/commands.h"
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
  std::string shape, type = "q4_k";
  int32_t layers = 0, prompt = 512, decode = 64, depth = 0, sessions = 1, repeat = 3;
  bool trace = false, json = false;
};

struct Measurement {
  std::vector<double> runs;  // tokens/s, the first run thrown away
  double Median() const {
    std::vector<double> sorted = runs;
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? 0 : sorted[sorted.size() / 2];
  }
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
  Bencher(const Model& model, const BenchArguments& arguments)
      : model_(model), info_(model.Info()), arguments_(arguments) {
    const bool experts = arguments.trace && info_.experts > 0;
    options_.temperature = 0;
    if (experts) options_.trace = RSN_TRACE_EXPERTS;
    if (arguments.trace) options_.alternatives = kTraceAlternatives;
    if (info_.eos_token >= 0) {  // a random model would end anywhere
      options_.logit_bias_tokens = {info_.eos_token};
      options_.logit_bias = {-INFINITY};
    }
    for (int32_t i = 0; i < arguments.sessions; ++i) sessions_.Add(Session(model));
    // One token more than the depth: a request needs a token to start from.
    deep_ = TextOfTokens(model, arguments.depth + 1);
    deeper_ = deep_ + TextOfTokens(model, arguments.prompt);
  }

  void Measure() {
    for (int32_t i = 0; i <= arguments_.repeat; ++i) {
      const double prompt = arguments_.prompt > 0 ? PromptOnce() : 0;
      const double decode = arguments_.decode > 0 ? DecodeOnce() : 0;
      if (i == 0) continue;  // pages and caches are cold
      if (prompt > 0) prompt_.runs.push_back(prompt);
      if (decode > 0) decode_.runs.push_back(decode);
    }
  }

  const Measurement& prompt() const { return prompt_; }
  const Measurement& decode() const { return decode_; }
  uint64_t decode_passes() const { return passes_; }
  const ModelInfo& info() const { return info_; }

  // Bytes that one pass over all sessions reads: the weights once, every session's cache.
  double BytesPerPass() const {
    double weights = 0;
    const double sessions = arguments_.sessions;
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
    const double length = arguments_.depth + arguments_.decode / 2.0;
    return weights + sessions * length * static_cast<double>(info_.kv_bytes_per_token);
  }

 private:
  // Runs the request of `session` to its end.
  void Finish(Session session) {
    for (Event event; event.kind != RSN_EVENT_DONE;) {
      if (Interrupt::Requested()) throw Interrupted();
      session.Next(event);
    }
  }

  // One session, `prompt` tokens behind `depth` that are there already.
  double PromptOnce() {
    GenerateOptions options = options_;
    options.max_tokens = 1;
    Session session = sessions_.At(0);
    session.PromptText(deep_, 0, options);
    Finish(session);
    session.PromptText(deeper_, 0, options);
    Finish(session);
    const Usage usage = session.Usage();
    return static_cast<double>(usage.prompt_tokens - usage.cached_tokens) / usage.prompt_seconds;
  }

  // All sessions together. The clock runs from the moment when each has its first token.
  double DecodeOnce() {
    GenerateOptions options = options_;
    options.max_tokens = 1;
    for (size_t i = 0; i < sessions_.Size(); ++i) {
      sessions_.At(i).PromptText(deep_, 0, options);
      Finish(sessions_.At(i));
    }
    options.max_tokens = arguments_.decode + 1;
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
    passes_ = model_.Info().passes - passes_before;
    return counted == 0 ? 0 : static_cast<double>(counted) / Seconds(begin, end);
  }

  Model model_;
  ModelInfo info_;
  BenchArguments arguments_;
  GenerateOptions options_;
  Sessions sessions_;
  std::string deep_, deeper_;
  Measurement prompt_, decode_;
  uint64_t passes_ = 0;
};

std::string Spread(const Measurement& m) {
  const auto [low, high] = std::minmax_element(m.runs.begin(), m.runs.end());
  return Format("%10.1f tokens/s   (%.1f to %.1f in %zu runs)\n", m.Median(), *low, *high,
                m.runs.size());
}

void Report(const Bencher& bencher, const BenchArguments& arguments, double bandwidth) {
  const ModelInfo& info = bencher.info();
  const double pass_bytes = bencher.BytesPerPass();
  const double passes = bencher.decode().Median() / arguments.sessions;
  const double rate = pass_bytes * passes;
  if (arguments.json) {
    const Json json = {{"model", info.name},
                       {"architecture", info.architecture},
                       {"type", info.type},
                       {"layers", info.layers},
                       {"weight_bytes", info.weight_bytes},
                       {"device", info.device},
                       {"threads", info.threads},
                       {"sessions", arguments.sessions},
                       {"depth", arguments.depth},
                       {"trace", arguments.trace},
                       {"prompt_tokens", arguments.prompt},
                       {"prompt_tokens_per_second", bencher.prompt().Median()},
                       {"prompt_runs", bencher.prompt().runs},
                       {"decode_tokens", arguments.decode},
                       {"decode_tokens_per_second", bencher.decode().Median()},
                       {"decode_runs", bencher.decode().runs},
                       {"decode_passes", bencher.decode_passes()},
                       {"bytes_per_pass", pass_bytes},
                       {"decode_bytes_per_second", rate},
                       {"read_bandwidth", bandwidth}};
    return Print(json.dump(2) + "\n");
  }
  std::string out =
      info.name + ", " + info.type +
      Format(", %u layers, %s; %s, %u threads%s\n", info.layers, Bytes(info.weight_bytes).c_str(),
             info.device.c_str(), info.threads, arguments.trace ? ", with trace" : "");
  if (!bencher.prompt().runs.empty()) {
    out += Format("prompt %5d tokens at depth %-6d", arguments.prompt, arguments.depth) +
           "             " + Spread(bencher.prompt());
  }
  if (!bencher.decode().runs.empty()) {
    out += Format("decode %5d tokens at depth %-6d%4d sessions", arguments.decode, arguments.depth,
                  arguments.sessions) +
           Spread(bencher.decode());
    out += Format("reads  %s a pass, %s/s: %.0f %% of the %s/s that %u threads read\n",
                  Bytes(static_cast<uint64_t>(pass_bytes)).c_str(),
                  Bytes(static_cast<uint64_t>(rate)).c_str(), 100 * rate / bandwidth,
                  Bytes(static_cast<uint64_t>(bandwidth)).c_str(), info.threads);
  }
  Print(out);
}

}  // namespace

int Bench(const Words& words) {
  BenchArguments b;
  Arguments arguments(
      "bench", "[OPTIONS]",
      "Measures prompt processing and decoding, median of several runs, and the memory's read "
      "bandwidth in the same run. Without --model or --shape: the model inside.");
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
  arguments.Integer("--depth", "N", &b.depth, "tokens that lie before both (0)", 0, 1 << 20);
  arguments.Integer("--sessions", "N", &b.sessions, "sessions that decode together (1)", 1, 64);
  arguments.Integer("--repeat", "N", &b.repeat, "runs that count (3); one more goes before them", 1,
                    1000);
  arguments.Flag("--trace", &b.trace, "record alternatives and experts while measuring");
  arguments.Flag("--json", &b.json, "one JSON object");
  b.model.AddTo(arguments);
  arguments.Example("raison bench --shape qwen2-1.5b --type q8_0 --threads 4",
                    "what R1-Distill-Qwen-1.5B would do here");
  arguments.Example("raison bench --model r1-7b.gguf --depth 8192 --sessions 8",
                    "eight long conversations at once");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  if (b.prompt == 0 && b.decode == 0) throw UsageError("--prompt 0 and --decode 0 leave nothing");
  if (!b.shape.empty() && !b.model.model.empty()) {
    throw UsageError("--shape and --model name two models");
  }
  // Room for the prompt or the decoding behind the depth, and for words of several tokens.
  constexpr int32_t kSlack = 64;
  if (b.model.context == 0) b.model.context = b.depth + std::max(b.prompt, b.decode) + kSlack;

  std::optional<RandomModel> image;  // outlives the model
  std::optional<Model> model;
  if (b.shape.empty()) {
    model = LoadModel(b.model);
  } else {
    image.emplace(
        RandomModelOptions{.shape = b.shape,
                           .type = b.type,
                           .layers = static_cast<uint32_t>(b.layers),
                           .share_pages = !b.model.no_repack && b.model.device != "reference"});
    model = LoadShowingProgress("random " + b.shape, ToModelOptions(b.model, RSN_LOAD_MAP),
                                [&](const ModelOptions& options) {
                                  return Model::FromMemory(image->data(), image->size(), options);
                                });
  }
  Bencher bencher(*model, b);
  bencher.Measure();
  const uint32_t threads = std::max(1u, bencher.info().threads);
  const uint64_t available = AvailableMemory();
  const double bandwidth = ReadBandwidth(
      threads, available == 0 ? kBandwidthBytes : std::min(kBandwidthBytes, available / 4));
  Report(bencher, b, bandwidth);
  return kOk;
}

}  // namespace raison::cli
