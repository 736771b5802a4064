#include "core/model/evaluate.h"

#include <algorithm>

namespace raison {

absl::StatusOr<Evaluation> Evaluate(const Model& model, absl::Span<const int32_t> tokens,
                                    const EvaluateOptions& options) {
  if (options.chunk == 0 || options.chunk > kStepLogitRows) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk = ", options.chunk, ": wanted 1..", kStepLogitRows));
  }
  for (int32_t token : tokens) {
    if (token < 0 || static_cast<uint32_t>(token) >= model.config().vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("token ", token, " is outside the vocabulary"));
    }
  }
  RSN_ASSIGN_OR_RETURN(const std::unique_ptr<KvCache> cache, model.NewKvCache());
  RSN_ASSIGN_OR_RETURN(const std::unique_ptr<Transformer> transformer,
                       model.NewTransformer(cache.get()));
  PageTable pages = cache->NewTable();
  Evaluation out;
  for (size_t at = 0; at < tokens.size(); at += options.chunk) {
    const absl::Span<const int32_t> chunk = tokens.subspan(at, options.chunk);
    const uint32_t n = static_cast<uint32_t>(chunk.size());
    Step step;
    step.reads_routing = options.routing;
    RSN_RETURN_IF_ERROR(pages.Extend(n, &step.copies));
    step.sequences.push_back({.tokens = chunk, .pages = &pages, .logit_rows = n});
    std::vector<LogitRow> rows;
    RSN_RETURN_IF_ERROR(transformer->Run(step, options.stop, &rows));
    for (uint32_t r = 0; r < n; ++r) {
      RSN_RETURN_IF_ERROR(transformer->FetchLogits(r, &out.logits.emplace_back()));
    }
    std::move(rows.begin(), rows.end(), std::back_inserter(out.rows));
    if (options.routing) {
      std::vector<std::vector<RoutedRow>> routing = transformer->Routing(0, n);
      std::move(routing.begin(), routing.end(), std::back_inserter(out.routing));
    }
  }
  return out;
}

}  // namespace raison
