// What placement asks of a device is what the forward pass then does, and a device that refuses any
// of it is refused before a weight is read: with operation, tensor and device, in the plan and at
// load.
#include "core/model/op_check.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_join.h"
#include "core/backend/op.h"
#include "core/backend/reference/operands.h"
#include "core/backend/reference/reference_backend.h"
#include "core/backend/registry.h"
#include "core/model/evaluate.h"
#include "core/model/model.h"
#include "tests/support/tiny_model.h"

namespace raison {
namespace {

using testing::AsBytes;
using testing::MakeTinyGguf;
using testing::TinyKind;
using testing::TinyModel;

// The reference back end, which remembers what it was asked and finds what it was not.
struct Witness {
  bool composes = false;   // has no latent attention
  std::string refused_op;  // of operands of
  DType refused_type = DType::kI32;
  bool listening = false;
  std::set<std::string> asked, unasked;
  uint64_t run = 0;
  rsn_backend reference{};
} witness;

// Everything of an operation that does not change with the rows of a step and the pages of a cache.
template <typename Args>
std::string Sign(const Args& args) {
  std::string text = Op<Args>::kName;
  reference::Operands(args, [&](const rsn_tensor& t) {
    absl::StrAppend(&text, " ", t.dtype, ":", t.rank);
    for (uint32_t d = 0; d < t.rank; ++d) {
      absl::StrAppend(&text, "/", d == 0 ? -1 : t.shape[d], "*", t.stride[d]);
    }
  });
  return text;
}

template <typename Args>
bool Refuses(const Args& args) {
  bool refuses = false;
  reference::Operands(args, [&](const rsn_tensor& t) {
    refuses |= t.rank > 0 && t.dtype == static_cast<uint32_t>(witness.refused_type);
  });
  return refuses && witness.refused_op == Op<Args>::kName;
}

template <typename... Args>
void Wrap(rsn_backend& table) {
  (void(table.*Op<Args>::kField = [](rsn_queue* queue, const Args* args) -> int32_t {
     ++witness.run;
     if (!witness.asked.contains(Sign(*args))) witness.unasked.insert(Sign(*args));
     return (witness.reference.*Op<Args>::kField)(queue, args);
   }),
   ...);
  table.supports = [](rsn_device_state* device, uint32_t op, const void* args) -> int32_t {
    bool refuses = false;
    const auto hear = [&]<typename A>(const A& a) {
      if (witness.listening) witness.asked.insert(Sign(a));
      refuses = Refuses(a);
    };
    ((Op<Args>::kNumber == op ? hear(*static_cast<const Args*>(args)) : void()), ...);
    return refuses ? 0 : witness.reference.supports(device, op, args);
  };
}

int32_t OpenWitness(const rsn_backend_host* host, rsn_backend* table) {
  const int32_t code = OpenReferenceBackend(host, table);
  witness.reference = *table;
  Wrap<rsn_embed, rsn_gather_rows, rsn_rms_norm, rsn_matmul, rsn_rope_table, rsn_rope, rsn_kv_write,
       rsn_kv_copy_page, rsn_attention, rsn_mla_attention, rsn_silu_mul, rsn_moe_route,
       rsn_moe_experts, rsn_reduce_logits>(*table);
  if (witness.composes) table->mla_attention = nullptr;
  return code;
}

class OpCheckTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const absl::Status registered = RegisterBackend("witness", &OpenWitness);
    ASSERT_TRUE(registered.ok() || absl::IsAlreadyExists(registered)) << registered;
  }
  void SetUp() override { witness = {}; }
  void TearDown() override { witness = {}; }
};

ModelOptions On(const std::string& device) {
  return {.device = device, .threads = 1, .kv_bytes = 4 << 20};
}

TEST_F(OpCheckTest, AsksForAllThatThePassDoes) {
  const std::vector<TinyModel> models = {
      {.kind = TinyKind::kLlama, .type = DType::kF16},
      {.kind = TinyKind::kQwen2, .type = DType::kQ4_0, .tied = true},
      {.kind = TinyKind::kDeepseekV2, .type = DType::kQ8_0, .q_lora = false, .yarn = true},
      {.kind = TinyKind::kDeepseekV3, .type = DType::kQ8_0, .joined_kv_b = true},
      {.kind = TinyKind::kDeepseekV3, .type = DType::kBF16, .groups = false, .ffn = 96},
  };
  for (size_t m = 0; m < models.size(); ++m) {
    const std::string gguf = MakeTinyGguf(models[m]);
    for (const bool composes : {false, true}) {
      SCOPED_TRACE(absl::StrCat("model ", m, composes ? ", latent attention composed" : ""));
      witness = {};
      witness.composes = composes;
      ModelOptions options = On("witness");
      options.header_only = true;
      const auto header = Model::LoadMemory(AsBytes(gguf), options);
      ASSERT_TRUE(header.ok()) << header.status();
      witness.listening = true;
      ASSERT_TRUE((*header)->PlaceNow().ok());
      witness.listening = false;
      const auto model = Model::LoadMemory(AsBytes(gguf), On("witness"));
      ASSERT_TRUE(model.ok()) << model.status();
      ASSERT_TRUE(Evaluate(**model, {0, 70, 71, 72, 290, 3}).ok());
      EXPECT_GT(witness.run, 20u);
      EXPECT_TRUE(witness.unasked.empty()) << absl::StrJoin(witness.unasked, "\n");
    }
  }
}

TEST_F(OpCheckTest, ARefusalNamesOperationTensorAndDevice) {
  struct Case {
    const char* op;
    DType type;
    const char* part;  // of the sentence
    bool composes = false;
  };
  const std::string gguf = MakeTinyGguf({.type = DType::kQ8_0, .layers = 3});
  for (const Case& c : std::vector<Case>{
           {"matmul", DType::kQ8_0, "matmul for tensor blk.0.attn_q_a.weight (Q8_0, "},
           {"embed", DType::kQ8_0, "embed for tensor token_embd.weight (Q8_0, "},
           {"moe_experts", DType::kQ8_0,
            "moe_experts for tensor blk.1.ffn_gate_exps.weight (Q8_0, "},
           {"kv_write", DType::kBF16, "kv_write for the cache of layer 0 (kv_type BF16, "},
           {"kv_copy_page", DType::kBF16, "kv_copy_page for the cache of layer 0 (kv_type BF16, "},
           {"attention", DType::kBF16, "attention for the cache of layer 0 (kv_type BF16, ", true},
           {"moe_route", DType::kF32, "moe_route for 2 of 4 experts (layer 1)"},
           {"reduce_logits", DType::kF32, "reduce_logits for the output (300 logits)"},
       }) {
    SCOPED_TRACE(c.op);
    witness = {};
    witness.refused_op = c.op;
    witness.refused_type = c.type;
    witness.composes = c.composes;
    ModelOptions options = On("witness");
    options.kv_type = DType::kBF16;
    const auto model = Model::LoadMemory(AsBytes(gguf), options);
    ASSERT_EQ(model.status().code(), absl::StatusCode::kUnimplemented) << model.status();
    const std::string sentence(model.status().message());
    EXPECT_NE(sentence.find(absl::StrCat("witness has no ", c.part)), std::string::npos)
        << sentence;
    EXPECT_NE(sentence.find("another device must take its layer"), std::string::npos) << sentence;
    EXPECT_EQ(witness.run, 0u);
    // The plan says the same.
    options.header_only = true;
    const auto header = Model::LoadMemory(AsBytes(gguf), options);
    ASSERT_TRUE(header.ok()) << header.status();
    EXPECT_EQ((*header)->PlaceNow().status(), model.status());
  }
}

TEST_F(OpCheckTest, ASplitStopsWhereADeviceRefuses) {
  witness.refused_op = "moe_experts";
  witness.refused_type = DType::kQ8_0;
  const std::string gguf = MakeTinyGguf({.type = DType::kQ8_0, .layers = 3});
  const auto model = Model::LoadMemory(AsBytes(gguf), On("witness,cpu"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->placement().layers, (std::vector<uint32_t>{0, 1, 1}));
  EXPECT_NE((*model)->placement().why.find("witness has no moe_experts for tensor blk.1."),
            std::string::npos)
      << (*model)->placement().why;
  // Named for its layers by number it is refused, and with the experts elsewhere it has them all.
  EXPECT_EQ(Model::LoadMemory(AsBytes(gguf), On("cpu=1,witness")).status().code(),
            absl::StatusCode::kUnimplemented);
  ModelOptions lent = On("witness,cpu");
  lent.experts = "cpu";
  const auto whole = Model::LoadMemory(AsBytes(gguf), lent);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ((*whole)->placement().layers, (std::vector<uint32_t>{0, 0, 0}));
}

}  // namespace
}  // namespace raison
