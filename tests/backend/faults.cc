// The faults that are planted in operations: the ones a kernel's author makes. Acts see host
// memory, because the reference's buffers are host memory and its operations run when they are
// called.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "core/backend/conformance/problem.h"
#include "core/backend/reference/view.h"
#include "tests/backend/faulty.h"
#include "tests/backend/faulty_table.h"

namespace raison::testing {
namespace {

using conformance::ForEachElement;
using reference::BufferOf;
using reference::Memory;
using reference::MemoryOf;

float* At(const rsn_tensor& t, uint64_t byte) {
  return reinterpret_cast<float*>(MemoryOf(t.buffer)->data + byte);
}

void Multiply(const rsn_tensor& t, float factor) {
  ForEachElement(t, [&](uint64_t at) { *At(t, at) *= factor; });
}

// The last column of a view.
rsn_tensor LastColumn(rsn_tensor t) {
  const uint32_t last = t.rank - 1;
  t.offset += static_cast<uint64_t>(t.shape[last] - 1) * 4;
  t.shape[last] = 1;
  return t;
}

std::vector<float> Values(const rsn_tensor& t) {
  std::vector<float> values;
  ForEachElement(t, [&](uint64_t at) { values.push_back(*At(t, at)); });
  return values;
}

void Restore(const rsn_tensor& t, const std::vector<float>& values) {
  size_t i = 0;
  ForEachElement(t, [&](uint64_t at) { *At(t, at) = values[i++]; });
}

// The whole buffer of a view, copied, for the time of one operation.
class PrivateBuffer {
 public:
  explicit PrivateBuffer(rsn_tensor& view) {
    const Memory& from = *MemoryOf(view.buffer);
    bytes_.assign(from.data, from.data + from.bytes);
    PutInto(view);
  }
  PrivateBuffer(rsn_tensor& view, std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {
    PutInto(view);
  }
  PrivateBuffer(const PrivateBuffer&) = delete;
  PrivateBuffer& operator=(const PrivateBuffer&) = delete;

 private:
  void PutInto(rsn_tensor& view) {
    memory_ = {.data = bytes_.data(), .bytes = bytes_.size()};
    view.buffer = BufferOf(&memory_);
  }
  std::vector<std::byte> bytes_;
  Memory memory_;
};

int32_t* IntegerAt(const rsn_tensor& t, int64_t index) {
  return reinterpret_cast<int32_t*>(MemoryOf(t.buffer)->data + t.offset) + index;
}

template <typename Args, rsn_tensor Args::*kOut>
int32_t Scaled(const Moment& m, const Args& a) {
  const int32_t code = Call(m.queue, a);
  Multiply(a.*kOut, 1.01f);
  return code;
}

// Calls `wrong` with the operand `view` of it as that was at the previous replay; the first replay
// is right.
template <typename Args>
int32_t WithThePrevious(const Moment& m, const Args& wrong, rsn_tensor& view) {
  if (m.kept == nullptr) return Call(m.queue, wrong);
  const Memory& now = *MemoryOf(view.buffer);
  std::vector<std::byte> current(now.data, now.data + now.bytes);
  const PrivateBuffer stale(view, m.kept->empty() ? current : *m.kept);
  *m.kept = std::move(current);
  return Call(m.queue, wrong);
}

template <typename Args, rsn_tensor Args::*kOperand>
int32_t StaleInReplay(const Moment& m, const Args& a) {
  Args wrong = a;
  return WithThePrevious(m, wrong, wrong.*kOperand);
}

template <typename Args, rsn_tensor rsn_ragged::*kOperand>
int32_t StaleGeometryInReplay(const Moment& m, const Args& a) {
  Args wrong = a;
  return WithThePrevious(m, wrong, wrong.ragged.*kOperand);
}

// What a vector kernel without a tail loop does.
template <typename Args, rsn_tensor Args::*kOut>
int32_t LastOddColumnSkipped(const Moment& m, const Args& a) {
  const rsn_tensor& out = a.*kOut;
  if (out.shape[out.rank - 1] % 2 == 0) return Call(m.queue, a);
  const std::vector<float> before = Values(LastColumn(out));
  const int32_t code = Call(m.queue, a);
  Restore(LastColumn(out), before);
  return code;
}

// A NaN or an infinity of the input counts as zero (max(x, -big) and the like).
template <typename Args, rsn_tensor Args::*kIn>
int32_t NanSwallowed(const Moment& m, const Args& a) {
  Args wrong = a;
  const PrivateBuffer own(wrong.*kIn);
  ForEachElement(wrong.*kIn, [&](uint64_t at) {
    float& x = *At(wrong.*kIn, at);
    if (!std::isfinite(x)) x = 0;
  });
  return Call(m.queue, wrong);
}

// Of two layers one gives nothing: every second call does, and small models have two.
template <typename Args, rsn_tensor Args::*kOut>
int32_t NothingEverySecondTime(const Moment& m, const Args& a) {
  static bool nothing = false;
  const int32_t code = Call(m.queue, a);
  if (nothing = !nothing; nothing) Multiply(a.*kOut, 0);
  return code;
}

// The last bit of every value, if `yes`.
void Nudge(const rsn_tensor& t, bool yes) {
  if (yes) ForEachElement(t, [&](uint64_t at) { *At(t, at) = std::nextafter(*At(t, at), 1e30f); });
}

// As a kernel chosen by the size of the batch.
template <typename Args, rsn_tensor Args::*kOut>
int32_t LastBitByBatch(const Moment& m, const Args& a) {
  const int32_t code = Call(m.queue, a);
  Nudge(a.*kOut, (a.*kOut).shape[0] > 1);
  return code;
}

template <typename Args, rsn_tensor Args::*kOut>
int32_t LastBitByThreads(const Moment& m, const Args& a) {
  const int32_t code = Call(m.queue, a);
  Nudge(a.*kOut, m.threads > 1);
  return code;
}

// One element past the end of each row, where there is room for it.
template <typename Args, rsn_tensor Args::*kOut>
int32_t WritesBesideItsView(const Moment& m, const Args& a) {
  const int32_t code = Call(m.queue, a);
  const rsn_tensor& out = a.*kOut;
  const uint32_t last = out.rank - 1;
  if (last == 0 || out.stride[last - 1] == out.shape[last] * 4) return code;
  rsn_tensor beside = LastColumn(out);
  beside.offset += 4;
  Restore(beside, std::vector<float>(Values(beside).size(), 0.0f));
  return code;
}

const Fault kFaults[] = {
    {"EmbedScaled", "embed", Act<rsn_embed>(Scaled<rsn_embed, &rsn_embed::out>)},
    {"GatherRowsScaled", "gather_rows",
     Act<rsn_gather_rows>(Scaled<rsn_gather_rows, &rsn_gather_rows::out>)},
    {"RmsNormScaled", "rms_norm", Act<rsn_rms_norm>(Scaled<rsn_rms_norm, &rsn_rms_norm::out>)},
    {"MatmulScaled", "matmul", Act<rsn_matmul>([](const Moment& m, const rsn_matmul& a) {
       const int32_t code = Call(m.queue, a);
       for (uint32_t j = 0; j < a.terms; ++j) Multiply(a.term[j].out, 1.01f);
       return code;
     })},
    {"RopeTableScaled", "rope_table",
     Act<rsn_rope_table>(Scaled<rsn_rope_table, &rsn_rope_table::out>)},
    {"RopeScaled", "rope", Act<rsn_rope>(Scaled<rsn_rope, &rsn_rope::x>)},
    {"AttentionScaled", "attention",
     Act<rsn_attention>(Scaled<rsn_attention, &rsn_attention::out>)},
    {"MlaAttentionScaled", "mla_attention",
     Act<rsn_mla_attention>(Scaled<rsn_mla_attention, &rsn_mla_attention::out>)},
    {"SiluMulScaled", "silu_mul", Act<rsn_silu_mul>(Scaled<rsn_silu_mul, &rsn_silu_mul::out>)},
    {"RoutingWeightsScaled", "moe_route",
     Act<rsn_moe_route>(Scaled<rsn_moe_route, &rsn_moe_route::weights>)},
    {"ExpertsScaled", "moe_experts",
     Act<rsn_moe_experts>(Scaled<rsn_moe_experts, &rsn_moe_experts::out>)},
    {"CandidatesScaled", "reduce_logits",
     Act<rsn_reduce_logits>(Scaled<rsn_reduce_logits, &rsn_reduce_logits::values>)},

    {"TwoExpertsSwapped", "moe_experts",
     Act<rsn_moe_experts>([](const Moment& m, const rsn_moe_experts& a) {
       rsn_moe_experts wrong = a;
       const PrivateBuffer slots(wrong.slots);
       if (a.slots.shape[0] > 1) std::swap(*IntegerAt(wrong.slots, 0), *IntegerAt(wrong.slots, 1));
       return Call(m.queue, wrong);
     })},
    {"OneRoutedExpertDropped", "moe_experts",
     Act<rsn_moe_experts>([](const Moment& m, const rsn_moe_experts& a) {
       rsn_moe_experts wrong = a;
       if (a.ids.shape[1] > 1) {
         --wrong.ids.shape[1];
         --wrong.weights.shape[1];
       }
       return Call(m.queue, wrong);
     })},
    {"ExpertsGateAndUpSwapped", "moe_experts",
     Act<rsn_moe_experts>([](const Moment& m, const rsn_moe_experts& a) {
       rsn_moe_experts wrong = a;
       std::swap(wrong.gate, wrong.up);
       return Call(m.queue, wrong);
     })},
    {"ExpertSlotsOfThePreviousStep", "moe_experts",
     Act<rsn_moe_experts>(StaleInReplay<rsn_moe_experts, &rsn_moe_experts::slots>), "replayed"},
    {"ExpertsSwallowANaN", "moe_experts",
     Act<rsn_moe_experts>(NanSwallowed<rsn_moe_experts, &rsn_moe_experts::in>)},
    {"ExpertsLastBitByBatch", "moe_experts",
     Act<rsn_moe_experts>(LastBitByBatch<rsn_moe_experts, &rsn_moe_experts::out>), "alone"},
    {"ExpertsRunWhileRecording", "moe_experts",
     Act<rsn_moe_experts>(
         [](const Moment& m, const rsn_moe_experts& a) { return Call(m.queue, a); }),
     "while recording", true},
    {"BiasForgotten", "moe_route", Act<rsn_moe_route>([](const Moment& m, const rsn_moe_route& a) {
       rsn_moe_route wrong = a;
       wrong.bias.buffer = nullptr;
       return Call(m.queue, wrong);
     })},
    {"MaskValueOfTheOtherKind", "moe_route",
     Act<rsn_moe_route>([](const Moment& m, const rsn_moe_route& a) {
       rsn_moe_route wrong = a;
       wrong.masked_are_zero = 1 - a.masked_are_zero;
       return Call(m.queue, wrong);
     })},
    {"GroupsByTheOtherRule", "moe_route",
     Act<rsn_moe_route>([](const Moment& m, const rsn_moe_route& a) {
       rsn_moe_route wrong = a;
       wrong.group_rule = 1 - a.group_rule;
       return Call(m.queue, wrong);
     })},
    {"TiesByHigherExpert", "moe_route",
     Act<rsn_moe_route>([](const Moment& m, const rsn_moe_route& a) {
       const int32_t code = Call(m.queue, a);
       // Of two experts side by side with the same logit the second is taken.
       const int64_t used = a.ids.shape[1], experts = a.logits.shape[1];
       for (int64_t t = 0; t < a.ids.shape[0]; ++t) {
         int32_t* last = IntegerAt(a.ids, t * used + used - 1);
         const float* row = At(a.logits, a.logits.offset) + t * experts;
         if (*last >= 0 && *last + 1 < experts && row[*last] == row[*last + 1]) ++*last;
       }
       return code;
     })},

    {"RopePositionOffByOne", "rope_table",
     Act<rsn_rope_table>([](const Moment& m, const rsn_rope_table& a) {
       rsn_rope_table wrong = a;
       const PrivateBuffer positions(wrong.positions);
       for (int64_t i = 0; i < a.positions.shape[0]; ++i) ++*IntegerAt(wrong.positions, i);
       return Call(m.queue, wrong);
     })},
    {"RopePositionsOfThePreviousStep", "rope_table",
     Act<rsn_rope_table>(StaleInReplay<rsn_rope_table, &rsn_rope_table::positions>), "replayed"},
    {"RopePairsOfTheOtherLayout", "rope", Act<rsn_rope>([](const Moment& m, const rsn_rope& a) {
       rsn_rope wrong = a;
       wrong.interleaved = 1 - a.interleaved;
       return Call(m.queue, wrong);
     })},

    {"LastOddColumnSkipped", "matmul", Act<rsn_matmul>([](const Moment& m, const rsn_matmul& a) {
       const rsn_tensor& out = a.term[0].out;
       if (out.shape[out.rank - 1] % 2 == 0) return Call(m.queue, a);
       const std::vector<float> before = Values(LastColumn(out));
       const int32_t code = Call(m.queue, a);
       Restore(LastColumn(out), before);
       return code;
     })},
    {"LastTermOfADotSkipped", "matmul", Act<rsn_matmul>([](const Moment& m, const rsn_matmul& a) {
       rsn_matmul wrong = a;
       const uint32_t last = a.in.rank - 1;
       if (a.terms == 1 && a.term[0].weight.dtype == RSN_DTYPE_F32 && a.in.shape[last] % 2 == 1 &&
           a.in.shape[last] > 1) {
         --wrong.in.shape[last];
         --wrong.term[0].weight.shape[a.term[0].weight.rank - 1];
       }
       return Call(m.queue, wrong);
     })},
    {"ResidualForgotten", "matmul", Act<rsn_matmul>([](const Moment& m, const rsn_matmul& a) {
       rsn_matmul wrong = a;
       wrong.accumulate = 0;
       return Call(m.queue, wrong);
     })},
    {"MatmulSwallowsANaN", "matmul", Act<rsn_matmul>(NanSwallowed<rsn_matmul, &rsn_matmul::in>)},
    {"MatmulLastBitByBatch", "matmul", Act<rsn_matmul>([](const Moment& m, const rsn_matmul& a) {
       const int32_t code = Call(m.queue, a);
       Nudge(a.term[0].out, a.in.shape[0] > 1);
       return code;
     }),
     "alone"},
    {"MatmulRowsLeakIntoTheNext", "matmul",
     Act<rsn_matmul>([](const Moment& m, const rsn_matmul& a) {
       const int32_t code = Call(m.queue, a);
       const rsn_tensor& out = a.term[0].out;
       for (int64_t t = out.shape[0] - 1; t > 0; --t) {
         *At(out, out.offset + static_cast<uint64_t>(t * out.stride[0])) +=
             1e-3f * *At(out, out.offset + static_cast<uint64_t>((t - 1) * out.stride[0]));
       }
       return code;
     })},
    {"MatmulLastBitByThreads", "matmul", Act<rsn_matmul>([](const Moment& m, const rsn_matmul& a) {
       const int32_t code = Call(m.queue, a);
       Nudge(a.term[0].out, m.threads > 1);
       return code;
     }),
     "thread"},

    {"OneKvPageStale", "attention", Act<rsn_attention>([](const Moment& m, const rsn_attention& a) {
       rsn_attention wrong = a;  // of each sequence the first page again instead of the second
       const PrivateBuffer pages(wrong.ragged.pages);
       for (int64_t s = 0; s < a.ragged.kv_length.shape[0]; ++s) {
         if (*IntegerAt(a.ragged.kv_length, s) <= static_cast<int32_t>(a.ragged.page_tokens)) {
           continue;
         }
         const int64_t first = *IntegerAt(a.ragged.page_begin, s);
         *IntegerAt(wrong.ragged.pages, first + 1) = *IntegerAt(wrong.ragged.pages, first);
       }
       return Call(m.queue, wrong);
     })},
    {"PageTableOfThePreviousStep", "attention",
     Act<rsn_attention>(StaleGeometryInReplay<rsn_attention, &rsn_ragged::pages>), "replayed"},
    {"LengthsOfThePreviousStep", "attention",
     Act<rsn_attention>(StaleGeometryInReplay<rsn_attention, &rsn_ragged::kv_length>), "replayed"},
    {"RowsOfThePreviousStep", "attention",
     Act<rsn_attention>(StaleGeometryInReplay<rsn_attention, &rsn_ragged::row_begin>), "replayed"},
    {"LatentLengthsOfThePreviousStep", "mla_attention",
     Act<rsn_mla_attention>(StaleGeometryInReplay<rsn_mla_attention, &rsn_ragged::kv_length>),
     "replayed"},
    {"ScoresScaled", "attention", Act<rsn_attention>([](const Moment& m, const rsn_attention& a) {
       rsn_attention wrong = a;
       wrong.scale *= 1.01f;
       return Call(m.queue, wrong);
     })},
    {"NewestKeyUnseen", "attention",
     Act<rsn_attention>([](const Moment& m, const rsn_attention& a) {
       rsn_attention wrong = a;
       const PrivateBuffer length(wrong.ragged.kv_length);
       for (int64_t s = 0; s < a.ragged.kv_length.shape[0]; ++s) {
         const int32_t rows =
             *IntegerAt(a.ragged.row_begin, s + 1) - *IntegerAt(a.ragged.row_begin, s);
         int32_t& n = *IntegerAt(wrong.ragged.kv_length, s);
         if (n > rows) --n;
       }
       return Call(m.queue, wrong);
     })},
    {"ValuesReadFromTheKeys", "attention",
     Act<rsn_attention>([](const Moment& m, const rsn_attention& a) {
       rsn_attention wrong = a;
       if (a.v_cache.shape[3] == a.k_cache.shape[3]) wrong.v_cache = a.k_cache;
       return Call(m.queue, wrong);
     })},
    {"AttentionOfOneLayerForgotten", "attention",
     Act<rsn_attention>(NothingEverySecondTime<rsn_attention, &rsn_attention::out>)},
    {"LatentAttentionOfOneLayerForgotten", "mla_attention",
     Act<rsn_mla_attention>(NothingEverySecondTime<rsn_mla_attention, &rsn_mla_attention::out>)},
    {"AttentionLastBitByBatch", "attention",
     Act<rsn_attention>(LastBitByBatch<rsn_attention, &rsn_attention::out>), "alone"},
    {"AttentionWritesBesideItsView", "attention",
     Act<rsn_attention>(WritesBesideItsView<rsn_attention, &rsn_attention::out>), "was written"},

    {"PageNotCopied", "kv_copy_page",
     Act<rsn_kv_copy_page>([](const Moment&, const rsn_kv_copy_page&) -> int32_t { return 0; })},
    {"LastTokenNotCached", "kv_write",
     Act<rsn_kv_write>([](const Moment& m, const rsn_kv_write& a) {
       rsn_kv_write wrong = a;
       --wrong.in.shape[0];
       --wrong.slots.shape[0];
       return Call(m.queue, wrong);
     })},
    {"CacheSlotsOfThePreviousStep", "kv_write",
     Act<rsn_kv_write>(StaleInReplay<rsn_kv_write, &rsn_kv_write::slots>), "replayed"},
    {"TokensOfThePreviousStep", "embed",
     Act<rsn_embed>(StaleInReplay<rsn_embed, &rsn_embed::tokens>), "replayed"},
    {"EmbedWritesBesideItsView", "embed",
     Act<rsn_embed>(WritesBesideItsView<rsn_embed, &rsn_embed::out>), "was written"},
    {"NormWithoutEpsilon", "rms_norm",
     Act<rsn_rms_norm>([](const Moment& m, const rsn_rms_norm& a) {
       rsn_rms_norm wrong = a;
       wrong.epsilon = 0;
       return Call(m.queue, wrong);
     })},
    {"NormSkipsItsLastOddColumn", "rms_norm",
     Act<rsn_rms_norm>(LastOddColumnSkipped<rsn_rms_norm, &rsn_rms_norm::out>)},
    {"NormSwallowsANaN", "rms_norm",
     Act<rsn_rms_norm>(NanSwallowed<rsn_rms_norm, &rsn_rms_norm::in>)},
    {"GateAndUpSwapped", "silu_mul", Act<rsn_silu_mul>([](const Moment& m, const rsn_silu_mul& a) {
       rsn_silu_mul wrong = a;
       std::swap(wrong.gate, wrong.up);
       return Call(m.queue, wrong);
     })},
    {"FeedForwardOfOneLayerForgotten", "silu_mul",
     Act<rsn_silu_mul>(NothingEverySecondTime<rsn_silu_mul, &rsn_silu_mul::out>)},
    {"SiluLastBitByThreads", "silu_mul",
     Act<rsn_silu_mul>(LastBitByThreads<rsn_silu_mul, &rsn_silu_mul::out>), "thread"},
    {"EntropiesScaled", "reduce_logits",
     Act<rsn_reduce_logits>([](const Moment& m, const rsn_reduce_logits& a) {
       const int32_t code = Call(m.queue, a);
       rsn_tensor entropies = a.records;
       entropies.offset += offsetof(rsn_logit_record, entropy);
       entropies.shape[1] = 1;
       Multiply(entropies, 1.01f);
       return code;
     })},
    {"OneCandidateMissing", "reduce_logits",
     Act<rsn_reduce_logits>([](const Moment& m, const rsn_reduce_logits& a) {
       rsn_reduce_logits wrong = a;
       --wrong.top;
       for (rsn_tensor* v : {&wrong.ids, &wrong.values, &wrong.raw}) --v->shape[1];
       return Call(m.queue, wrong);
     })},
    {"AdjustmentsOfThePreviousStep", "reduce_logits",
     Act<rsn_reduce_logits>(StaleInReplay<rsn_reduce_logits, &rsn_reduce_logits::adjust_begin>),
     "replayed"},
    {"NaNNotFlagged", "reduce_logits",
     Act<rsn_reduce_logits>(NanSwallowed<rsn_reduce_logits, &rsn_reduce_logits::logits>), "flags"},
};

}  // namespace

absl::Span<const Fault> OperationFaults() { return kFaults; }

}  // namespace raison::testing
