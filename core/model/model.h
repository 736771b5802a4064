// A loaded model: config, weights, tokenizer and template, immutable after Load and shared by any
// number of sessions and threads. The moving parts (the transformer's activations and the KV cache)
// belong to the one scheduler that steps it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/backend/device.h"
#include "core/kv/kv_cache.h"
#include "core/model/config.h"
#include "core/model/placement.h"
#include "core/model/text/chat_template.h"
#include "core/model/text/tokenizer.h"
#include "core/model/transformer.h"
#include "core/model/weights.h"

namespace raison {

class Checkpoint;

struct ModelOptions {
  std::shared_ptr<Device> opened_device;  // everything there, instead of `device`
  std::string device;        // one, or a split, as PlacementRequest has it; empty: the best
  std::string experts;       // one for the routed experts, or a split; empty: that of their layers
  std::string backend_path;  // where plug-ins are sought first
  uint32_t threads = 0;         // 0: as many as the process may use
  uint32_t context_length = 0;  // 0: the model's own
  DType kv_type = DType::kF16;  // f32, f16 or bf16
  uint64_t kv_bytes = 0;        // limit of the KV cache; 0: DefaultKvBytes
  LoadMode load = LoadMode::kMap;
  bool repack = true;
  bool exact = false;        // prefix reuse and other chunkings are bit-identical too
  bool header_only = false;  // no weights: information, tokens and templates work
  std::string chat_template;  // used instead of the file's; empty: the file's
  LoadProgress progress;      // false cancels
  LogFunction log;
};

class Model {
 public:
  static absl::StatusOr<std::shared_ptr<Model>> Load(const std::string& path,
                                                     const ModelOptions& options);
  // `gguf` is borrowed and must outlive the model.
  static absl::StatusOr<std::shared_ptr<Model>> LoadMemory(absl::Span<const std::byte> gguf,
                                                           const ModelOptions& options);

  const Config& config() const { return config_; }
  const ModelOptions& options() const { return options_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  // Why there is none, if there is none.
  const absl::StatusOr<std::unique_ptr<ChatTemplate>>& chat_template() const { return template_; }
  // How the model marks its thinking; nullopt: it does not.
  const std::optional<ReasoningTags>& reasoning_tags() const { return tags_; }
  const RecommendedSampling& recommended_sampling() const { return sampling_; }
  // What lies where; no device in it for a model that was loaded without its weights.
  const Placement& placement() const { return placement_; }
  uint32_t context_length() const { return context_length_; }
  uint64_t kv_bytes() const { return kv_bytes_; }
  KvGeometry KvLayout() const;
  // Opens the devices and says what would lie where.
  absl::StatusOr<Placement> PlaceNow() const;
  uint64_t weight_bytes() const { return weight_bytes_; }

  // The moving parts, for one scheduler.
  absl::StatusOr<std::unique_ptr<KvCache>> NewKvCache() const;
  absl::StatusOr<std::unique_ptr<Transformer>> NewTransformer(KvCache* cache) const;

 private:
  Model() = default;
  static absl::StatusOr<std::shared_ptr<Model>> LoadCheckpoint(
      std::shared_ptr<Checkpoint> checkpoint, const ModelOptions& options);

  uint64_t DefaultKvBytes() const;
  uint64_t ContextBytes() const;  // of the cache, for one session as long as the context

  ModelOptions options_;
  std::shared_ptr<Checkpoint> checkpoint_;
  Config config_;
  RecommendedSampling sampling_{};
  Placement placement_;
  Weights weights_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ReasoningTags> tags_;
  absl::StatusOr<std::unique_ptr<ChatTemplate>> template_;
  uint32_t context_length_ = 0;
  uint64_t kv_bytes_ = 0;
  uint64_t weight_bytes_ = 0;
};

// Rows of one step: a prompt chunk, and decode rows beside it.
inline constexpr uint32_t kPromptChunk = 512;  // tokens; chunks end at absolute multiples of it
inline constexpr uint32_t kStepSequences = 64;
inline constexpr uint32_t kStepLogitRows = 64;
StepLimits LargestStep(const Config& config);

}  // namespace raison
