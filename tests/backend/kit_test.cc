// The conformance kit can fail: every planted fault turns it red, and the tolerance table is
// honest.
#include <gtest/gtest.h>

#include "core/backend/conformance/conformance.h"
#include "core/backend/conformance/tolerances.h"
#include "core/backend/reference/reference_backend.h"

namespace raison {
namespace {

rsn_backend right;  // the reference's table, under the faulty one

struct Fault {
  const char* name;
  const char* op;  // whose cases must turn red
  void (*plant)(rsn_backend& table);
};

const Fault kFaults[] = {
    {"AttentionScaledByOnePercent", "attention",
     [](rsn_backend& t) {
       t.attention = [](rsn_queue* q, const rsn_attention* a) {
         rsn_attention wrong = *a;
         wrong.scale *= 1.01f;
         return right.attention(q, &wrong);
       };
     }},
    {"ValuesReadFromTheKeys", "attention",
     [](rsn_backend& t) {
       t.attention = [](rsn_queue* q, const rsn_attention* a) {
         rsn_attention wrong = *a;
         if (a->v_cache.shape[3] == a->k_cache.shape[3]) wrong.v_cache = a->k_cache;
         return right.attention(q, &wrong);
       };
     }},
    {"OneKvPageStale", "attention",
     [](rsn_backend& t) {
       t.attention = [](rsn_queue* q, const rsn_attention* a) {
         rsn_attention wrong = *a;  // the first page again where the second should be read
         if (a->ragged.page_tokens > 1 && a->k_cache.shape[0] > 3) {
           wrong.k_cache.stride[0] = 0;
         }
         return right.attention(q, &wrong);
       };
     }},
    {"LastColumnSkipped", "matmul",
     [](rsn_backend& t) {
       t.matmul = [](rsn_queue* q, const rsn_matmul* a) {
         rsn_matmul wrong = *a;
         const uint32_t last = a->in.rank - 1;
         if (a->terms == 1 && a->term[0].weight.dtype == RSN_DTYPE_F32 && a->in.shape[last] > 1) {
           --wrong.in.shape[last];
           --wrong.term[0].weight.shape[a->term[0].weight.rank - 1];
         }
         return right.matmul(q, &wrong);
       };
     }},
    {"ResidualForgotten", "matmul",
     [](rsn_backend& t) {
       t.matmul = [](rsn_queue* q, const rsn_matmul* a) {
         rsn_matmul wrong = *a;
         wrong.accumulate = 0;
         return right.matmul(q, &wrong);
       };
     }},
    {"RopePositionOffByOne", "rope_table",
     [](rsn_backend& t) {
       t.rope_table = [](rsn_queue* q, const rsn_rope_table* a) {
         rsn_rope_table wrong = *a;
         if (a->positions.shape[0] > 1) {  // the first row takes the second's angle, and so on
           wrong.positions.offset += 4;
           --wrong.positions.shape[0];
           --wrong.out.shape[0];
         }
         return right.rope_table(q, &wrong);
       };
     }},
    {"RopePairsOfTheOtherLayout", "rope",
     [](rsn_backend& t) {
       t.rope = [](rsn_queue* q, const rsn_rope* a) {
         rsn_rope wrong = *a;
         wrong.interleaved = 1 - a->interleaved;
         return right.rope(q, &wrong);
       };
     }},
    {"PageNotCopied", "kv_copy_page",
     [](rsn_backend& t) {
       t.kv_copy_page = [](rsn_queue*, const rsn_kv_copy_page*) { return 0; };
     }},
    {"LastTokenNotCached", "kv_write",
     [](rsn_backend& t) {
       t.kv_write = [](rsn_queue* q, const rsn_kv_write* a) {
         rsn_kv_write wrong = *a;
         --wrong.in.shape[0];
         --wrong.slots.shape[0];
         return right.kv_write(q, &wrong);
       };
     }},
    {"GateAndUpSwapped", "silu_mul",
     [](rsn_backend& t) {
       t.silu_mul = [](rsn_queue* q, const rsn_silu_mul* a) {
         rsn_silu_mul wrong = *a;
         std::swap(wrong.gate, wrong.up);
         return right.silu_mul(q, &wrong);
       };
     }},
    {"BiasInTheRoutingWeights", "moe_route",
     [](rsn_backend& t) {
       t.moe_route = [](rsn_queue* q, const rsn_moe_route* a) {
         rsn_moe_route wrong = *a;
         wrong.bias.buffer = nullptr;
         return right.moe_route(q, &wrong);
       };
     }},
    {"MaskValueOfTheOtherKind", "moe_route",
     [](rsn_backend& t) {
       t.moe_route = [](rsn_queue* q, const rsn_moe_route* a) {
         rsn_moe_route wrong = *a;
         wrong.masked_are_zero = 1 - a->masked_are_zero;
         return right.moe_route(q, &wrong);
       };
     }},
    {"GroupsByTheOtherRule", "moe_route",
     [](rsn_backend& t) {
       t.moe_route = [](rsn_queue* q, const rsn_moe_route* a) {
         rsn_moe_route wrong = *a;
         wrong.group_rule = 1 - a->group_rule;
         return right.moe_route(q, &wrong);
       };
     }},
    {"OneRoutedExpertDropped", "moe_experts",
     [](rsn_backend& t) {
       t.moe_experts = [](rsn_queue* q, const rsn_moe_experts* a) {
         rsn_moe_experts wrong = *a;
         if (a->ids.shape[1] > 1) {
           --wrong.ids.shape[1];
           --wrong.weights.shape[1];
         }
         return right.moe_experts(q, &wrong);
       };
     }},
    {"ExpertsGateAndUpSwapped", "moe_experts",
     [](rsn_backend& t) {
       t.moe_experts = [](rsn_queue* q, const rsn_moe_experts* a) {
         rsn_moe_experts wrong = *a;
         std::swap(wrong.gate, wrong.up);
         return right.moe_experts(q, &wrong);
       };
     }},
    {"OneCandidateMissing", "reduce_logits",
     [](rsn_backend& t) {
       t.reduce_logits = [](rsn_queue* q, const rsn_reduce_logits* a) {
         rsn_reduce_logits wrong = *a;
         --wrong.top;
         for (rsn_tensor* v : {&wrong.ids, &wrong.values, &wrong.raw}) --v->shape[1];
         return right.reduce_logits(q, &wrong);
       };
     }},
    {"WritesBesideItsOutput", "embed",
     [](rsn_backend& t) {
       t.embed = [](rsn_queue* q, const rsn_embed* a) {
         rsn_embed wrong = *a;  // rows packed although the view has gaps
         wrong.out.stride[0] = a->out.shape[1] * 4;
         const int32_t code = right.embed(q, &wrong);
         return code != 0 ? code : right.embed(q, a);
       };
     }},
    {"NormWithoutEpsilon", "rms_norm",
     [](rsn_backend& t) {
       t.rms_norm = [](rsn_queue* q, const rsn_rms_norm* a) {
         rsn_rms_norm wrong = *a;
         wrong.epsilon = 0;
         return right.rms_norm(q, &wrong);
       };
     }},
};

const Fault* planted;

int32_t OpenFaulty(const rsn_backend_host* host, rsn_backend* table) {
  right.struct_size = sizeof right;
  OpenReferenceBackend(host, &right);
  const int32_t code = OpenReferenceBackend(host, table);
  planted->plant(*table);
  return code;
}

class KitTest : public testing::TestWithParam<Fault> {};

TEST_P(KitTest, FindsThePlantedFault) {
  const Fault fault = GetParam();
  planted = &fault;
  const auto report = conformance::RunSuite({.subject = OpenFaulty,
                                             .reference = OpenReferenceBackend,
                                             .threads = {1},
                                             .only_op = fault.op,
                                             .most_failures = 1});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->run, 0);
  EXPECT_FALSE(report->failures.empty());
}

INSTANTIATE_TEST_SUITE_P(Faults, KitTest, testing::ValuesIn(kFaults),
                         [](const auto& info) { return info.param.name; });

TEST(ToleranceTable, AllowsAtMostFourTimesWhatWasMeasured) {
  for (const conformance::Tolerance& t : conformance::kTolerances) {
    EXPECT_GT(t.measured, 0) << t.key;
    EXPECT_LE(t.allowed, 4 * t.measured) << t.key;
    EXPECT_STRNE(t.source, "") << t.key;
  }
}

}  // namespace
}  // namespace raison
