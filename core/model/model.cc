#include "core/model/model.h"

#include <algorithm>

#include "core/backend/registry.h"
#include "core/file/checkpoint.h"
#include "core/model/tensor_check.h"
#include "core/model/text/utf8.h"
#include "core/model/vocabulary.h"

namespace raison {
namespace {

// Without a wish of the caller: long enough for R1's usual thinking, short enough for a small
// machine.
constexpr uint32_t kDefaultContext = 32768;

absl::StatusOr<std::unique_ptr<ChatTemplate>> LoadTemplate(
    const Checkpoint& checkpoint, const std::string& own, const Tokenizer& tokenizer,
    const std::optional<ReasoningTags>& tags) {
  const std::string* source = own.empty() ? checkpoint.chat_template() : &own;
  if (source == nullptr) {
    return absl::NotFoundError(absl::StrCat(
        checkpoint.path(), " has no chat template; give one in chat_template, or use prompt_text"));
  }
  return ChatTemplate::Create(*source, MakeTemplateTokens(tokenizer, tags));
}

// One scale for a load that copies files, one after the other, and then makes weights of them: half
// of the way each. `done` never falls; `total` grows when another file is found.
class CopyMeter {
 public:
  explicit CopyMeter(LoadProgress report) : report_(std::move(report)) {}
  bool File(uint64_t done, uint64_t total) {
    if (done < file_done_) files_ += file_total_;  // the next one began
    file_done_ = done, file_total_ = total;
    return report_(files_ + done, 2 * (files_ + total));
  }
  bool Weights(uint64_t done, uint64_t total) {
    const uint64_t files = files_ + file_total_;
    const double part = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
    return report_(files + static_cast<uint64_t>(part * static_cast<double>(files)), 2 * files);
  }

 private:
  LoadProgress report_;
  uint64_t files_ = 0;  // bytes of those that are read
  uint64_t file_done_ = 0, file_total_ = 0;
};

}  // namespace

absl::StatusOr<std::shared_ptr<Model>> Model::Load(const std::string& path,
                                                   const ModelOptions& options) {
  if (options.load == LoadMode::kMap || !options.progress) {
    RSN_ASSIGN_OR_RETURN(std::shared_ptr<Checkpoint> checkpoint,
                         Checkpoint::Open(path, options.load, options.progress));
    return LoadCheckpoint(std::move(checkpoint), options);
  }
  CopyMeter meter(options.progress);
  RSN_ASSIGN_OR_RETURN(std::shared_ptr<Checkpoint> checkpoint,
                       Checkpoint::Open(path, options.load, [&](uint64_t done, uint64_t total) {
                         return meter.File(done, total);
                       }));
  ModelOptions rest = options;
  rest.progress = [&](uint64_t done, uint64_t total) { return meter.Weights(done, total); };
  RSN_ASSIGN_OR_RETURN(std::shared_ptr<Model> model, LoadCheckpoint(std::move(checkpoint), rest));
  model->options_.progress = {};  // the meter ends here
  return model;
}

absl::StatusOr<std::shared_ptr<Model>> Model::LoadMemory(absl::Span<const std::byte> gguf,
                                                         const ModelOptions& options) {
  RSN_ASSIGN_OR_RETURN(std::shared_ptr<Checkpoint> checkpoint, Checkpoint::FromMemory(gguf));
  return LoadCheckpoint(std::move(checkpoint), options);
}

absl::StatusOr<std::shared_ptr<Model>> Model::LoadCheckpoint(std::shared_ptr<Checkpoint> checkpoint,
                                                             const ModelOptions& options) {
  auto model = std::shared_ptr<Model>(new Model);
  Model& m = *model;
  m.options_ = options;
  m.checkpoint_ = std::move(checkpoint);
  RSN_ASSIGN_OR_RETURN(m.config_, NamingFile(m.checkpoint_->path(), ReadConfig(*m.checkpoint_)));
  m.config_.name = ToValidUtf8(m.config_.name);  // whatever the file says: callers are lent it
  RSN_RETURN_IF_ERROR(NamingFile(m.checkpoint_->path(), CheckTensors(m.config_, *m.checkpoint_)));
  m.sampling_ = ReadRecommendedSampling(*m.checkpoint_);
  RSN_ASSIGN_OR_RETURN(m.tokenizer_, LoadTokenizer(*m.checkpoint_));
  if (static_cast<uint32_t>(m.tokenizer_->vocab_size()) > m.config_.vocab_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(m.checkpoint_->path(), ": the tokenizer has ", m.tokenizer_->vocab_size(),
                     " tokens, the embedding only ", m.config_.vocab_size, " rows"));
  }
  const std::string* source = m.checkpoint_->chat_template();
  m.tags_ = m.tokenizer_->FindReasoningTags(!options.chat_template.empty() ? options.chat_template
                                            : source != nullptr            ? *source
                                                                           : "");
  m.template_ = LoadTemplate(*m.checkpoint_, options.chat_template, *m.tokenizer_, m.tags_);
  const uint32_t most = m.config_.max_position_embeddings;
  if (options.context_length > most) {
    return absl::UnimplementedError(
        absl::StrCat(m.checkpoint_->path(), ": context_length = ", options.context_length,
                     " is above the model's own limit of ", most, " tokens"));
  }
  m.context_length_ =
      options.context_length != 0 ? options.context_length : std::min(most, kDefaultContext);
  for (const StoredTensor& t : m.checkpoint_->tensors()) m.weight_bytes_ += t.bytes();
  if (options.header_only) return model;

  RSN_ASSIGN_OR_RETURN(m.placement_, m.PlaceNow());
  m.kv_bytes_ = options.kv_bytes;
  if (m.kv_bytes_ == 0) {
    m.kv_bytes_ = m.DefaultKvBytes();
    if (!m.KvLayout().Check().ok()) {
      return absl::ResourceExhaustedError(
          absl::StrCat(m.checkpoint_->path(),
                       ": the weights leave no memory for the cache: ", m.placement_.Sentence()));
    }
  }
  RSN_RETURN_IF_ERROR(m.KvLayout().Check());
  RSN_ASSIGN_OR_RETURN(m.weights_,
                       LoadWeights(*m.checkpoint_, m.config_, m.placement_,
                                   {.repack = options.repack, .progress = options.progress}));
  return model;
}

StepLimits LargestStep(const Config& config) {
  const uint32_t pages = (config.max_position_embeddings + kPageTokens - 1) / kPageTokens;
  return {.rows = kPromptChunk + kStepSequences,
          .sequences = kStepSequences,
          .logit_rows = kStepLogitRows,
          .pages = kStepSequences * pages,
          .adjustments = std::max(config.vocab_size, 1u << 16)};
}

absl::StatusOr<Placement> Model::PlaceNow() const {
  RSN_RETURN_IF_ERROR(CheckBackendPath(options_.backend_path));
  if (options_.log) {
    for (const WrongPlace& place : WrongPlacesOfTheEnvironment()) {
      options_.log(/*level: warning*/ 1, place.problem);
    }
  }
  KvGeometry cache = KvLayout();
  cache.bytes = options_.kv_bytes != 0 ? options_.kv_bytes : ContextBytes();
  return Place(*checkpoint_, config_,
               {.opened = options_.opened_device,
                .device = options_.device,
                .experts = options_.experts,
                .backend_path = options_.backend_path,
                .threads = options_.threads,
                .cache = cache,
                .exact = options_.exact,
                .log = options_.log});
}

// Half of what the weights leave free, so that other programs and further models have some, but at
// least one whole context if it fits; no more than all sequences of a step could fill.
uint64_t Model::DefaultKvBytes() const {
  const uint64_t room = placement_.RoomForCache(), one = ContextBytes();
  return std::min(std::max(room / 2, std::min(room, one)), one * kStepSequences);
}

uint64_t Model::ContextBytes() const { return KvLayout().BytesPerToken() * context_length_; }

KvGeometry Model::KvLayout() const {
  const Config& c = config_;
  return {.layers = c.num_hidden_layers,
          .heads = c.IsMla() ? 1 : c.num_key_value_heads,
          .width = c.IsMla() ? c.KvWidth() : c.head_dim,
          .has_values = !c.IsMla(),
          .dtype = options_.kv_type,
          .bytes = kv_bytes_};
}

absl::StatusOr<std::unique_ptr<KvCache>> Model::NewKvCache() const {
  if (placement_.devices.empty()) {
    return absl::FailedPreconditionError("the model was loaded without its weights");
  }
  std::vector<Device*> devices;  // (layers)
  for (const uint32_t d : placement_.layers) devices.push_back(&placement_.DeviceOf(d));
  return KvCache::Create(devices, KvLayout());
}

absl::StatusOr<std::unique_ptr<Transformer>> Model::NewTransformer(KvCache* cache) const {
  return Transformer::Create({.placement = &placement_,
                              .config = &config_,
                              .weights = &weights_,
                              .cache = cache,
                              .limits = LargestStep(config_),
                              .exact = options_.exact});
}

}  // namespace raison
