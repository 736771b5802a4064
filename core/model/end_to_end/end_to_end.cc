#include "core/model/end_to_end/end_to_end.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "core/backend/conformance/data.h"
#include "core/model/end_to_end/limits.h"
#include "core/model/end_to_end/random_checkpoint.h"
#include "core/model/end_to_end/trace_difference.h"
#include "core/model/evaluate.h"

namespace raison::conformance {
namespace {

// The first half of the sequences is read in prompt chunks, the other one by one, side by side, so that
// a decode step has several rows.
constexpr uint32_t kSequences = 8;

// What the trained model reads before it goes on by itself.
constexpr const char* kQuestions[] = {
    "What is 12 * 13?",     "What is 47 + 85?",  "What is 91 - 38?",       "What is 7 * 86?",
    "What is (5 + 9) * 4?", "What is 144 / 12?", "What is 333 + 59 - 12?", "Is 91 a prime number?"};

using Tokens = std::vector<std::vector<int32_t>>;  // (sequences) of tokens

struct Subject {
  std::string name;
  std::string path;  // empty: gguf
  std::string gguf;
  DType kv_type = DType::kF16;
  bool required = false;  // f32, the least that a back end must take: no refusal
  bool trained = false;
};

const Limits& LimitsOf(const Subject& s) {
  return s.trained ? kTrainedLimits : s.required ? kFloatLimits : kQuantizedLimits;
}

absl::StatusOr<std::shared_ptr<Model>> Load(const Subject& s,
                                            const std::shared_ptr<Device>& device) {
  ModelOptions options;
  options.opened_device = device;
  options.kv_type = s.kv_type;
  options.kv_bytes = uint64_t{64} << 20;  // some thousand tokens of these models
  if (!s.path.empty()) return Model::Load(s.path, options);
  return Model::LoadMemory({reinterpret_cast<const std::byte*>(s.gguf.data()), s.gguf.size()},
                           options);
}

using Stop = bool (*)();

// Every row of every sequence, in order.
struct Rows {
  std::vector<std::vector<float>> logits;       // (sequences * tokens, vocabulary)
  std::vector<LogitRow> reduced;                // (sequences * tokens): as the device tells them
  std::vector<std::vector<RoutedRow>> routing;  // (sequences * tokens)
};

absl::StatusOr<Rows> ReadAsPrompts(const Model& model, const Tokens& tokens, Stop stop) {
  Rows rows;
  for (const std::vector<int32_t>& sequence : tokens) {
    RSN_ASSIGN_OR_RETURN(Evaluation e, Evaluate(model, sequence, {.routing = true, .stop = stop}));
    std::move(e.logits.begin(), e.logits.end(), std::back_inserter(rows.logits));
    std::move(e.rows.begin(), e.rows.end(), std::back_inserter(rows.reduced));
    std::move(e.routing.begin(), e.routing.end(), std::back_inserter(rows.routing));
  }
  return rows;
}

// One token of every sequence per step. Sequences shorter than `length` go on with their own greedy
// tokens, which are appended.
absl::StatusOr<Rows> ReadOneByOne(const Model& model, size_t length, Tokens& tokens, Stop stop) {
  RSN_ASSIGN_OR_RETURN(const std::unique_ptr<KvCache> cache, model.NewKvCache());
  RSN_ASSIGN_OR_RETURN(const std::unique_ptr<Transformer> transformer,
                       model.NewTransformer(cache.get()));
  std::vector<PageTable> pages;
  for (size_t s = 0; s < tokens.size(); ++s) pages.push_back(cache->NewTable());
  Rows rows;
  rows.logits.resize(tokens.size() * length);
  rows.reduced.resize(tokens.size() * length);
  rows.routing.resize(tokens.size() * length);
  for (size_t at = 0; at < length; ++at) {
    if (stop != nullptr && stop()) return absl::CancelledError("stopped");
    Step step;
    step.reads_routing = true;
    for (size_t s = 0; s < tokens.size(); ++s) {
      RSN_RETURN_IF_ERROR(pages[s].Extend(1, &step.copies));
      step.sequences.push_back(
          {.tokens = absl::MakeSpan(&tokens[s][at], 1), .pages = &pages[s], .logit_rows = 1});
    }
    std::vector<LogitRow> reduced;
    RSN_RETURN_IF_ERROR(transformer->Run(step, stop, &reduced));
    std::vector<std::vector<RoutedRow>> routing =
        transformer->Routing(0, static_cast<uint32_t>(tokens.size()));
    for (size_t s = 0; s < tokens.size(); ++s) {
      RSN_RETURN_IF_ERROR(
          transformer->FetchLogits(static_cast<uint32_t>(s), &rows.logits[s * length + at]));
      rows.routing[s * length + at] = std::move(routing[s]);
      if (tokens[s].size() < length && at + 1 == tokens[s].size()) {
        if (reduced[s].ids.empty()) return absl::InternalError("a row without candidates");
        tokens[s].push_back(reduced[s].ids[0]);
      }
      rows.reduced[s * length + at] = std::move(reduced[s]);
    }
  }
  return rows;
}

// What one row of logits says beside the reference's.
struct RowDifference {
  bool finite = true;
  double divergence = 0;
  double error = 0;  // the largest, in standard deviations of the reference's row
};

double LogSumExp(const std::vector<float>& row) {
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (float z : row) sum += std::exp(z - largest);
  return largest + std::log(sum);
}

RowDifference Compare(const std::vector<float>& got, const std::vector<float>& want) {
  RowDifference d;
  const auto finite = [](float z) { return std::isfinite(z); };
  if (got.size() != want.size() || !std::all_of(got.begin(), got.end(), finite) ||
      !std::all_of(want.begin(), want.end(), finite)) {
    d.finite = false;
    return d;
  }
  const double sum_got = LogSumExp(got), sum_want = LogSumExp(want);
  double mean = 0, squares = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double log_want = want[i] - sum_want, log_got = got[i] - sum_got;
    d.divergence += std::exp(log_want) * (log_want - log_got);
    d.error = std::max(d.error, std::fabs(double{got[i]} - want[i]));
    mean += want[i];
    squares += double{want[i]} * want[i];
  }
  const double n = static_cast<double>(want.size());
  mean /= n;
  const double spread = std::sqrt(std::max(squares / n - mean * mean, 1e-12));
  d.error /= spread;
  return d;
}

// What a session would record of row r, when `next` comes after it.
TracedToken Trace(const Rows& rows, size_t r, int32_t next) {
  TracedToken t{.logprob = rows.logits[r][static_cast<size_t>(next)] - rows.reduced[r].logsumexp,
                .entropy = rows.reduced[r].entropy};
  for (const RoutedRow& layer : rows.routing[r]) {
    for (int32_t expert : layer.experts) t.experts.push_back({layer.layer, expert});
  }
  return t;
}

// Sums over the rows of both ways of reading.
struct Sums {
  uint32_t agreeing = 0, broken = 0;
  TraceDifference trace;
};

// Adds the rows of one way of reading, which are the reference's from `first` on; returns its mean
// divergence.
double Add(const Rows& got, const Rows& want, size_t first, const Tokens& tokens,
           EndToEndResult& result, Sums& sums) {
  double divergence = 0;
  size_t r = 0;
  for (const std::vector<int32_t>& sequence : tokens) {
    for (size_t at = 0; at < sequence.size(); ++at, ++r) {
      const size_t w = first + r;
      const RowDifference d = Compare(got.logits[r], want.logits[w]);
      if (!d.finite || got.reduced[r].ids.empty() || want.reduced[w].ids.empty()) {
        ++sums.broken;
        continue;
      }
      const int32_t greedy = want.reduced[w].ids[0];
      const int32_t next = at + 1 < sequence.size() ? sequence[at + 1] : greedy;
      const uint32_t others = sums.trace.Add(Trace(got, r, next), Trace(want, w, next));
      divergence += d.divergence;
      sums.agreeing += got.reduced[r].ids[0] == greedy;
      // Two nearly tied experts may change places; such a row is another computation from there on.
      if (others == 0) result.largest_error = std::max(result.largest_error, d.error);
    }
  }
  return divergence / static_cast<double>(std::max<size_t>(r, 1));
}

absl::StatusOr<Tokens> FirstTokens(const Subject& s, const Model& model, size_t length) {
  Tokens tokens(kSequences);
  Random random(5);
  for (uint32_t i = 0; i < kSequences; ++i) {
    if (s.trained) {
      RSN_ASSIGN_OR_RETURN(tokens[i], model.tokenizer().Encode(kQuestions[i]));
      tokens[i].resize(std::min(tokens[i].size(), length));
      continue;
    }
    for (size_t t = 0; t < length; ++t) {
      tokens[i].push_back(random.Below(static_cast<int32_t>(model.config().vocab_size)));
    }
  }
  return tokens;
}

void Judge(const Subject& s, const EndToEndResult& r, const Sums& sums,
           std::vector<std::string>& failures) {
  const auto fail = [&](const std::string& text) {
    failures.push_back(absl::StrCat("end to end/", s.name, ": ", text));
  };
  if (sums.broken > 0) {
    return fail(absl::StrFormat("%u rows are not finite or have no candidates", sums.broken));
  }
  const Limits& limits = LimitsOf(s);
  const double divergence = (r.prompt_divergence + r.decode_divergence) / 2;  // as many rows each
  if (!(divergence <= kDivergence)) {
    fail(absl::StrFormat("the mean divergence is %.3g nats (%.3g read in prompt chunks, %.3g one by "
                         "one), allowed %.3g",
                         divergence, r.prompt_divergence, r.decode_divergence, kDivergence));
  }
  if (!(r.agreement >= kAgreement)) {
    fail(absl::StrFormat("%.2f %% of the greedy tokens agree, wanted %.2f %%", 100 * r.agreement,
                         100 * kAgreement));
  }
  if (!(r.largest_error <= limits.logit_error.allowed)) {
    fail(absl::StrFormat("a logit is %.3g standard deviations off, allowed %.3g", r.largest_error,
                         limits.logit_error.allowed));
  }
  for (const std::string& text : sums.trace.Beyond(limits)) fail(text);
}

absl::Status RunModel(const Subject& s, const EndToEndOptions& options, EndToEndReport& report) {
  RSN_ASSIGN_OR_RETURN(const std::shared_ptr<Model> reference, Load(s, options.reference));
  const absl::StatusOr<std::shared_ptr<Model>> subject = Load(s, options.subject);
  const auto subject_failed = [&](const absl::Status& status) {
    if (absl::IsCancelled(status)) return status;
    const std::string text = absl::StrCat("end to end/", s.name, ": ", status.message());
    const bool may_refuse = absl::IsUnimplemented(status) && !s.required;
    (may_refuse ? report.refused : report.failures).push_back(text);
    return absl::OkStatus();
  };
  if (!subject.ok()) return subject_failed(subject.status());
  const size_t length = (options.tokens + kSequences - 1) / kSequences;
  RSN_ASSIGN_OR_RETURN(Tokens tokens, FirstTokens(s, *reference, length));
  RSN_ASSIGN_OR_RETURN(const Rows want, ReadOneByOne(*reference, length, tokens, options.stop));
  const Tokens prompts(tokens.begin(), tokens.begin() + kSequences / 2);
  Tokens others(tokens.begin() + kSequences / 2, tokens.end());
  const absl::StatusOr<Rows> read = ReadAsPrompts(**subject, prompts, options.stop);
  if (!read.ok()) return subject_failed(read.status());
  const absl::StatusOr<Rows> decoded = ReadOneByOne(**subject, length, others, options.stop);
  if (!decoded.ok()) return subject_failed(decoded.status());

  EndToEndResult r{.model = s.name, .rows = static_cast<uint32_t>(want.logits.size())};
  Sums sums;
  r.prompt_divergence = Add(*read, want, 0, prompts, r, sums);
  r.decode_divergence = Add(*decoded, want, read->logits.size(), others, r, sums);
  r.agreement = sums.agreeing / std::max(1.0, static_cast<double>(sums.trace.tokens()));
  r.logprob = sums.trace.logprob();
  r.entropy = sums.trace.entropy();
  r.routing = sums.trace.routing();
  Judge(s, r, sums, report.failures);
  report.results.push_back(r);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EndToEndReport> RunEndToEnd(const EndToEndOptions& options) {
  if (options.subject == nullptr || options.reference == nullptr) {
    return absl::InvalidArgumentError("end to end: a device to compare is missing");
  }
  if (options.tokens < kSequences || options.tokens > kSequences * kRandomContext) {
    return absl::InvalidArgumentError(absl::StrCat("end to end: tokens = ", options.tokens,
                                                   ", wanted ", kSequences, " to ",
                                                   kSequences * kRandomContext));
  }
  struct Random {
    const char* name;
    RandomKind kind;
    DType type;
    DType kv_type;
  };
  constexpr Random kRandom[] = {
      {"random deepseek_v3, F32", RandomKind::kDeepseekV3, DType::kF32, DType::kF32},
      {"random llama, F32", RandomKind::kLlama, DType::kF32, DType::kF32},
      {"random deepseek_v3, Q8_0", RandomKind::kDeepseekV3, DType::kQ8_0, DType::kF16},
      {"random llama, Q4_0", RandomKind::kLlama, DType::kQ4_0, DType::kBF16},
      {"random qwen2, Q4_K", RandomKind::kQwen2, DType::kQ4_K, DType::kF16},
  };
  EndToEndReport report;
  for (const Random& r : kRandom) {
    if (!options.only.empty() && options.only != r.name) continue;
    if (options.stop != nullptr && options.stop()) return absl::CancelledError("stopped");
    const Subject subject{.name = r.name,
                          .gguf = MakeRandomCheckpoint(r.kind, r.type),
                          .kv_type = r.kv_type,
                          .required = r.type == DType::kF32};
    RSN_RETURN_IF_ERROR(RunModel(subject, options, report));
  }
  if (options.stop != nullptr && options.stop()) return absl::CancelledError("stopped");
  if (!options.trained.empty() && options.only.empty()) {
    const Subject subject{.name = options.trained.substr(options.trained.rfind('/') + 1),
                          .path = options.trained,
                          .trained = true};
    RSN_RETURN_IF_ERROR(RunModel(subject, options, report));
  }
  if (report.results.empty() && report.refused.empty() && report.failures.empty()) {
    return absl::NotFoundError(
        absl::StrCat("end to end: there is no model \"", options.only, "\""));
  }
  return report;
}

std::string FormatEndToEnd(const EndToEndReport& report) {
  std::string out;
  for (const EndToEndResult& r : report.results) {
    absl::StrAppendFormat(&out,
                          "%s: %u tokens, divergence %.2g (prompt) %.2g (decode) nats, %.2f %% of "
                          "greedy tokens, largest error %.2g; traced log-probabilities %.2g and "
                          "entropies %.2g nats off, %.2f %% of experts otherwise\n",
                          r.model, r.rows, r.prompt_divergence, r.decode_divergence,
                          100 * r.agreement, r.largest_error, r.logprob, r.entropy,
                          100 * r.routing);
  }
  for (const std::string& text : report.refused) absl::StrAppend(&out, "refused ", text, "\n");
  for (const std::string& text : report.failures) absl::StrAppend(&out, "FAILED ", text, "\n");
  return out;
}

}  // namespace raison::conformance
