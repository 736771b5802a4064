#include "core/model/transformer.h"

#include <cstring>

namespace raison {
namespace {

uint64_t End(const Tensor& view) { return view.offset + TensorBytes(view); }

// Row `row` of a view of a buffer that was downloaded.
template <typename T>
const T* RowOf(const std::vector<std::byte>& buffer, const Tensor& view, uint32_t row) {
  return reinterpret_cast<const T*>(buffer.data() + view.offset + row * view.stride[0]);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Create(const Parts& parts) {
  auto t = std::unique_ptr<Transformer>(new Transformer);
  t->placement_ = parts.placement;
  t->config_ = parts.config;
  t->weights_ = parts.weights;
  t->cache_ = parts.cache;
  t->limits_ = parts.limits;
  t->limits_.experts = parts.config->moe.n_routed_experts;
  t->limits_.expert_parts = parts.placement->experts;
  t->exact_ = parts.exact;
  t->can_record_ = true;
  for (uint32_t l = 0; l < parts.config->num_hidden_layers; ++l) {
    t->lends_ |= parts.config->IsMoeLayer(l) &&
                 parts.placement->LeadingOwnExperts(l) < parts.placement->experts.size();
  }
  for (const std::shared_ptr<Device>& device : parts.placement->devices) {
    Lane lane;
    RSN_ASSIGN_OR_RETURN(lane.queue, Queue::Create(device));
    RSN_ASSIGN_OR_RETURN(lane.step, StepBuffer::Create(*device, t->limits_));
    RSN_ASSIGN_OR_RETURN(lane.act, Activations::Create(*device, *parts.config, t->limits_));
    t->lanes_.push_back(std::move(lane));
    t->can_record_ &= device->CanRecord();
  }
  RSN_RETURN_IF_ERROR(t->ChooseMla());
  return t;
}

absl::Status Transformer::ChooseMla() {
  for (uint32_t l = 0; config_->IsMla() && l < config_->num_hidden_layers; ++l) {
    Enter(placement_->layers[l], {});
    Lane& lane = lanes_[lane_];
    Device& device = placement_->DeviceOf(lane_);
    const rsn_mla_attention arguments = MlaArguments(l);
    if (lane.composes_mla || device.Supports(RSN_OP_MLA_ATTENTION, &arguments)) continue;
    lane.composes_mla = true;
    RSN_RETURN_IF_ERROR(lane.act.AddComposedMla(device, *config_, limits_));
  }
  return absl::OkStatus();
}

Tensor Transformer::Step(const Tensor& activation) const {
  return Rows(activation, step_->first_row(), step_->rows());
}

// Which of the rows are prompts may change how their products are formed.
void Transformer::NameChunks(Lane& lane) const {
  if (!exact_) lane.queue->SetChunks(lane.step.chunks(), lane.step.rows());
}

void Transformer::Select(uint32_t part) {
  if (step_->parts() == 1) return;  // it is the whole, as Fill left it
  for (Lane& lane : lanes_) {
    lane.step.Select(part);
    NameChunks(lane);
  }
}

absl::Status Transformer::Run(const raison::Step& step, const std::function<bool()>& stop,
                              std::vector<LogitRow>* logits) {
  stopped_ = false;
  status_ = absl::OkStatus();
  for (uint32_t l = 0; l < lanes_.size(); ++l) {
    Enter(l, {});
    RSN_RETURN_IF_ERROR(step_->Fill(step, lends_));
    step_->Upload(*queue_);
    NameChunks(lanes_[lane_]);
    for (const Tensor& cache : cache_->TensorsOf(*placement_->devices[l])) {
      if (step_->copies() == 0) break;
      queue_->KvCopyPage({.cache = cache, .from = step_->CopyFrom(), .to = step_->CopyTo()});
    }
  }
  Enter(placement_->layers.front(), {});

  // A decode step of the same number of sequences is the same list of operations every time.
  const bool decode = step_->rows() == step_->sequences() && step_->logit_rows() == step_->rows();
  if (decode && can_record_) {
    std::vector<Stage>& stages = recordings_[step_->rows()];
    stages.empty() ? void(stages = Record()) : void(++replayed_);
    for (const Stage& stage : stages) {
      lanes_[stage.lane].queue->Replay(stage.recording);
      Run(stage.moves);
    }
    Enter(placement_->layers.back(), {});
  } else {
    Forward(stop);
  }
  if (stopped_) {
    RSN_RETURN_IF_ERROR(Finish());
    return absl::CancelledError("the step was stopped");
  }
  return Read(step.reads_routing, logits);
}

std::vector<Transformer::Stage> Transformer::Record() {
  std::vector<Stage> stages;
  recording_ = &stages;
  queue_->BeginRecording();
  Forward(/*stop=*/nullptr);
  RecordStage({});
  recording_ = nullptr;
  for (const Stage& stage : stages) {
    if (!stage.recording) return {};  // the queue says why
  }
  return stages;
}

void Transformer::RecordStage(std::vector<Move> moves) {
  recording_->push_back(
      {.lane = lane_, .recording = queue_->EndRecording(), .moves = std::move(moves)});
}

void Transformer::Enter(uint32_t lane, std::initializer_list<Tensor Activations::*> activations) {
  std::vector<Move> moves;
  for (const auto member : activations) {
    moves.push_back({.from = lane_,
                     .to = lane,
                     .source = Step(lanes_[lane_].act.*member),
                     .target = Step(lanes_[lane].act.*member)});
  }
  Enter(lane, std::move(moves));
}

void Transformer::Enter(uint32_t lane, std::vector<Move> moves) {
  if (queue_ != nullptr && lane == lane_) return;
  recording_ != nullptr ? RecordStage(std::move(moves)) : Run(moves);
  lane_ = lane;
  queue_ = lanes_[lane].queue.get();
  step_ = &lanes_[lane].step;
  act_ = &lanes_[lane].act;
  if (recording_ != nullptr) queue_->BeginRecording();
}

void Transformer::Send(std::vector<Move> moves) {
  if (recording_ == nullptr) return Run(moves);
  RecordStage(std::move(moves));
  queue_->BeginRecording();
}

void Transformer::Run(const std::vector<Move>& moves) {
  if (moves.empty() || !status_.ok()) return;
  uint64_t bytes = 0;
  for (const Move& move : moves) bytes += TensorBytes(move.source);
  moving_.resize(bytes);
  Queue& from = *lanes_[moves[0].from].queue;
  std::byte* at = moving_.data();
  for (const Move& move : moves) {
    from.Download(at, lanes_[move.from].act.BufferOf(move.source), move.source.offset,
                  TensorBytes(move.source));
    at += TensorBytes(move.source);
  }
  status_ = from.Synchronize();
  if (!status_.ok()) return;
  at = moving_.data();
  for (const Move& move : moves) {
    lanes_[move.to].queue->Upload(lanes_[move.to].act.BufferOf(move.target), move.target.offset, at,
                                  TensorBytes(move.target));
    at += TensorBytes(move.target);
  }
}

absl::Status Transformer::Finish() {
  for (const Lane& lane : lanes_) {
    const absl::Status status = lane.queue->Synchronize();
    if (status_.ok()) status_ = status;
  }
  return status_;
}

void Transformer::Forward(const std::function<bool()>& stop) {
  queue_->Embed(
      {.table = weights_->token_embedding, .tokens = step_->Tokens(), .out = Step(act_->x)});
  has_table_.assign(lanes_.size(), false);
  const uint32_t parts = step_->parts(), turns = config_->num_hidden_layers * parts;
  const auto layer = [parts](uint32_t turn) { return turn / parts; };
  BeginLayer(0, 0);
  for (uint32_t turn = 0; turn < turns; ++turn) {
    if ((stop && stop()) || !status_.ok()) {
      stopped_ = status_.ok();
      break;
    }
    const bool more = turn + 1 < turns;
    Select(turn % parts);
    if (config_->IsMoeLayer(layer(turn))) BeginExperts(layer(turn));
    // While one part's experts work elsewhere this device has the other part to go on with.
    if (more && parts > 1) BeginLayer(layer(turn + 1), (turn + 1) % parts);
    Select(turn % parts);
    EndLayer(layer(turn));
    if (more && parts == 1) BeginLayer(layer(turn + 1), 0);
  }
  Select(StepBuffer::kWhole);
  if (!stopped_ && status_.ok()) Logits();
}

// As far as the routing, which is what a device needs to know that lends the layer's experts.
void Transformer::BeginLayer(uint32_t layer, uint32_t part) {
  Select(part);
  if (layer > 0) Enter(placement_->layers[layer - 1], {});  // where this part's x lies
  Enter(placement_->layers[layer], {&Activations::x});
  if (!has_table_[lane_]) MakeRopeTable(part);
  const LayerWeights& w = weights_->layers[layer];
  queue_->RmsNorm({.epsilon = config_->rms_norm_eps,
                   .in = Step(act_->x),
                   .weight = w.attention_norm,
                   .out = Step(act_->h)});
  config_->IsMla() ? MultiHeadLatentAttention(layer) : Attention(layer);
  queue_->RmsNorm({.epsilon = config_->rms_norm_eps,
                   .in = Step(act_->x),
                   .weight = w.ffn_norm,
                   .out = Step(act_->h)});
  if (config_->IsMoeLayer(layer)) Route(layer);
}

void Transformer::EndLayer(uint32_t layer) {
  Enter(placement_->layers[layer], {});
  config_->IsMoeLayer(layer) ? Moe(layer) : Ffn(weights_->layers[layer].ffn);
}

// Of all rows, once on each lane.
void Transformer::MakeRopeTable(uint32_t part) {
  has_table_[lane_] = true;
  Select(StepBuffer::kWhole);
  queue_->RopeTable({.magnitude = static_cast<float>(config_->rope.magnitude),
                     .positions = step_->Positions(),
                     .frequencies = weights_->rope_frequencies[lane_],
                     .out = Step(act_->rope)});
  Select(part);
}

void Transformer::Attention(uint32_t layer) {
  const AttentionWeights& w = weights_->layers[layer].attention;
  const Tensor q = Heads(Step(act_->q), config_->num_attention_heads);  // (rows, heads, head_dim)
  const Tensor k = Heads(Step(act_->k), config_->num_key_value_heads);
  const Tensor v = Heads(Step(act_->v), config_->num_key_value_heads);

  queue_->MatMul({.terms = 3,
                  .in = Step(act_->h),
                  .term = {{.weight = w.wq, .bias = w.bq, .out = Step(act_->q)},
                           {.weight = w.wk, .bias = w.bk, .out = Step(act_->k)},
                           {.weight = w.wv, .bias = w.bv, .out = Step(act_->v)}}});
  const bool interleaved = config_->rope.interleaved;
  queue_->Rope({.interleaved = interleaved,
                .table = Step(act_->rope),
                .x = Columns(q, 0, config_->rope.dimension)});
  queue_->Rope({.interleaved = interleaved,
                .table = Step(act_->rope),
                .x = Columns(k, 0, config_->rope.dimension)});
  queue_->KvWrite({.in = k, .slots = step_->Slots(), .cache = cache_->k(layer)});
  queue_->KvWrite({.in = v, .slots = step_->Slots(), .cache = cache_->v(layer)});
  queue_->Attention({.scale = config_->attention_scale,
                     .q = q,
                     .k_cache = cache_->k(layer),
                     .v_cache = cache_->v(layer),
                     .out = Heads(Step(act_->attended), config_->num_attention_heads),
                     .ragged = step_->Ragged()});
  queue_->Project(Step(act_->attended), w.wo, Step(act_->x), /*accumulate=*/true);
}

void Transformer::MultiHeadLatentAttention(uint32_t layer) {
  const MlaWeights& w = weights_->layers[layer].mla;
  const MlaConfig& m = config_->mla;
  const Tensor h = Step(act_->h);
  const Tensor kv = Step(act_->kv_latent);               // (rows, latent + rope)
  const Tensor latent = Columns(kv, 0, m.kv_lora_rank);  // c
  const Tensor q = Heads(Step(act_->q), config_->num_attention_heads);
  const Tensor q_rope = Columns(q, m.qk_nope_head_dim, m.qk_rope_head_dim);

  if (m.q_lora_rank > 0) {
    const Tensor q_latent = Step(act_->q_latent);
    queue_->MatMul({.terms = 2,
                    .in = h,
                    .term = {{.weight = w.wq_a, .out = q_latent}, {.weight = w.wkv_a, .out = kv}}});
    queue_->RmsNorm(
        {.epsilon = config_->rms_norm_eps, .in = q_latent, .weight = w.q_norm, .out = q_latent});
    queue_->Project(q_latent, w.wq_b, Step(act_->q));
  } else {
    queue_->MatMul(
        {.terms = 2,
         .in = h,
         .term = {{.weight = w.wq, .out = Step(act_->q)}, {.weight = w.wkv_a, .out = kv}}});
  }
  // The latent is normalised and the shared rope key is not.
  queue_->RmsNorm(
      {.epsilon = config_->rms_norm_eps, .in = latent, .weight = w.kv_norm, .out = latent});
  const bool interleaved = config_->rope.interleaved;
  queue_->Rope({.interleaved = interleaved, .table = Step(act_->rope), .x = q_rope});
  queue_->Rope({.interleaved = interleaved,
                .table = Step(act_->rope),
                .x = Columns(Heads(kv, 1), m.kv_lora_rank, m.qk_rope_head_dim)});
  queue_->KvWrite({.in = Heads(kv, 1), .slots = step_->Slots(), .cache = cache_->k(layer)});
  lanes_[lane_].composes_mla ? ComposedMlaAttention(MlaArguments(layer))
                             : queue_->MlaAttention(MlaArguments(layer));
  queue_->Project(Step(act_->attended), w.wo, Step(act_->x), /*accumulate=*/true);
}

rsn_mla_attention Transformer::MlaArguments(uint32_t layer) const {
  const MlaWeights& w = weights_->layers[layer].mla;
  const MlaConfig& m = config_->mla;
  const Tensor q = Heads(Step(act_->q), config_->num_attention_heads);
  return {.struct_size = sizeof(rsn_mla_attention),
          .scale = config_->attention_scale,
          .form = exact_ ? 1u : 0u,
          .q_nope = Columns(q, 0, m.qk_nope_head_dim),
          .q_rope = Columns(q, m.qk_nope_head_dim, m.qk_rope_head_dim),
          .w_k = w.w_k,
          .w_v = w.w_v,
          .cache = cache_->k(layer),
          .out = Heads(Step(act_->attended), config_->num_attention_heads),
          .ragged = step_->Ragged()};
}

// The absorbed form of required operations: all heads read the one latent as key and, but for its
// rotated end, as value.
void Transformer::ComposedMlaAttention(const rsn_mla_attention& mla) {
  const int64_t latent = config_->mla.kv_lora_rank, rope = config_->mla.qk_rope_head_dim;
  const Tensor query = Step(act_->mla_query), attended = Step(act_->mla_latent);
  queue_->Project(mla.q_nope, mla.w_k, Columns(query, 0, latent));
  queue_->KvWrite({.in = mla.q_rope,  // a copy
                   .slots = step_->RowNumbers(),
                   .cache = OneTokenPages(Columns(query, latent, rope))});
  Tensor values = mla.cache;
  values.shape[3] = latent;
  queue_->Attention({.scale = mla.scale,
                     .q = query,
                     .k_cache = mla.cache,
                     .v_cache = values,
                     .out = attended,
                     .ragged = mla.ragged});
  queue_->Project(attended, mla.w_v, mla.out);
}

// x += down(silu(gate h) * up h)
void Transformer::Ffn(const FfnWeights& w) {
  FfnGate(w);
  FfnDown(w);
}

void Transformer::FfnGate(const FfnWeights& w) {
  const Tensor gate = Columns(Step(act_->gate), 0, w.gate.shape[0]);
  const Tensor up = Columns(Step(act_->up), 0, w.up.shape[0]);
  queue_->MatMul({.terms = 2,
                  .in = Step(act_->h),
                  .term = {{.weight = w.gate, .out = gate}, {.weight = w.up, .out = up}}});
  queue_->SiluMul({.gate = gate, .up = up, .out = gate});
}

void Transformer::FfnDown(const FfnWeights& w) {
  queue_->Project(Columns(Step(act_->gate), 0, w.gate.shape[0]), w.down, Step(act_->x),
                  /*accumulate=*/true);
}

void Transformer::Route(uint32_t layer) {
  const MoeWeights& w = weights_->layers[layer].moe;
  const MoeConfig& m = config_->moe;
  queue_->Project(Step(act_->h), w.router, Step(act_->router));
  queue_->MoeRoute({.scoring = m.scoring_func == ScoringFunction::kSigmoid,
                    .groups = m.topk_method == TopkMethod::kGreedy ? 1 : m.n_group,
                    .groups_used = m.topk_method == TopkMethod::kGreedy ? 1 : m.topk_group,
                    .group_rule = m.topk_method == TopkMethod::kNoauxTc,
                    .masked_are_zero = m.masked_groups_are_zero,
                    .normalize = m.norm_topk_prob,
                    .scale = m.routed_scaling_factor,
                    .logits = Step(act_->router),
                    .bias = w.bias,
                    .ids = Step(RoutingOf(layer).ids),
                    .weights = Step(RoutingOf(layer).weights)});
}

Activations::Routing Transformer::RoutingOf(uint32_t layer) const {
  return act_->RoutingOf(layer, step_->all_rows());
}

// The experts that come first and lie with the layer; then the rows go where others lie. x, to
// which each part adds in turn, goes to the first of these.
void Transformer::BeginExperts(uint32_t layer) {
  const std::vector<ExpertPart>& parts = placement_->experts;
  const uint32_t home = placement_->layers[layer], first = placement_->LeadingOwnExperts(layer);
  Enter(home, {});
  for (uint32_t p = 0; p < first; ++p) Experts(layer, p);
  const auto routing = [&](uint32_t lane) {
    return lanes_[lane].act.RoutingOf(layer, step_->all_rows());
  };
  std::vector<bool> has_rows(lanes_.size(), false);
  has_rows[home] = true;
  std::vector<Move> moves;
  for (size_t p = first; p < parts.size(); ++p) {
    const uint32_t away = placement_->ExpertDevice(layer, parts[p]);
    const auto move = [&](const Tensor& source, const Tensor& target) {
      moves.push_back({.from = home, .to = away, .source = Step(source), .target = Step(target)});
    };
    if (p == first) move(lanes_[home].act.x, lanes_[away].act.x);
    if (has_rows[away]) continue;
    has_rows[away] = true;
    move(lanes_[home].act.h, lanes_[away].act.h);
    move(routing(home).ids, routing(away).ids);
    move(routing(home).weights, routing(away).weights);
  }
  if (!moves.empty()) Send(std::move(moves));
}

void Transformer::Experts(uint32_t layer, uint32_t part) {
  const FfnWeights& w = weights_->layers[layer].moe.experts[part];
  queue_->MoeExperts({.accumulate = 1,
                      .in = Step(act_->h),
                      .ids = Step(RoutingOf(layer).ids),
                      .weights = Step(RoutingOf(layer).weights),
                      .slots = step_->ExpertSlots(part),
                      .gate = w.gate,
                      .up = w.up,
                      .down = w.down,
                      .out = Step(act_->x)});
}

// x += the chosen experts of h + the shared expert of h; some experts are in x already.
void Transformer::Moe(uint32_t layer) {
  const FfnWeights& shared = weights_->layers[layer].moe.shared;
  const bool has_shared = config_->moe.n_shared_experts > 0;
  const uint32_t home = lane_, first = placement_->LeadingOwnExperts(layer);
  // What the shared expert can do without the others' sum, this device does beside them.
  if (has_shared) FfnGate(shared);
  for (uint32_t p = first; p < placement_->experts.size(); ++p) {
    const uint32_t lane = placement_->ExpertDevice(layer, placement_->experts[p]);
    p == first ? Enter(lane, {}) : Enter(lane, {&Activations::x});
    Experts(layer, p);
  }
  Enter(home, {&Activations::x});
  if (has_shared) FfnDown(shared);
}

void Transformer::Logits() {
  const uint32_t n = step_->logit_rows();
  if (n == 0) return;
  queue_->SetChunks({}, 0);  // rows of other places
  const Tensor last = Rows(act_->last, n);
  queue_->GatherRows({.in = Step(act_->x), .index = step_->LogitIndex(), .out = last});
  queue_->RmsNorm(
      {.epsilon = config_->rms_norm_eps, .in = last, .weight = weights_->output_norm, .out = last});
  queue_->Project(last, weights_->head, Rows(act_->logits, n));
  const Activations::Results results = act_->ResultsOf(n);
  queue_->ReduceLogits({.top = static_cast<uint32_t>(results.top_ids.shape[1]),
                        .logits = Rows(act_->logits, n),
                        .adjust_begin = step_->AdjustBegin(),
                        .adjust_id = step_->AdjustId(),
                        .adjust_divisor = step_->AdjustDivisor(),
                        .adjust_add = step_->AdjustAdd(),
                        .records = results.records,
                        .ids = results.top_ids,
                        .values = results.top_values,
                        .raw = results.top_raw});
}

absl::Status Transformer::Read(bool routing, std::vector<LogitRow>* out) {
  results_.resize(step_->logit_rows() == 0 ? 0 : End(act_->ResultsOf(step_->logit_rows()).top_raw));
  if (!results_.empty()) {
    queue_->Download(results_.data(), act_->BufferOf(act_->results), 0, results_.size());
  }
  if (routing) ReadRouting();
  RSN_RETURN_IF_ERROR(Finish());
  RSN_ASSIGN_OR_RETURN(*out, MakeLogitRows());
  return absl::OkStatus();
}

// Each lane's layers lie next to each other.
void Transformer::ReadRouting() {
  if (act_->routing.buffer == nullptr) return;  // no layer routes
  routing_.resize(TensorBytes(act_->routing));
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    uint64_t begin = 0, end = 0;
    for (uint32_t l = 0; l < config_->num_hidden_layers; ++l) {
      if (!config_->IsMoeLayer(l) || placement_->layers[l] != lane) continue;
      const Activations::Routing layer = lanes_[lane].act.RoutingOf(l, step_->all_rows());
      if (end == 0) begin = layer.ids.offset;
      end = End(layer.weights);
    }
    if (end == 0) continue;
    Activations& act = lanes_[lane].act;
    lanes_[lane].queue->Download(routing_.data() + begin, act.BufferOf(act.routing), begin,
                                 end - begin);
  }
}

absl::StatusOr<std::vector<LogitRow>> Transformer::MakeLogitRows() const {
  const uint32_t n = step_->logit_rows();
  const Activations::Results views = act_->ResultsOf(n);
  const size_t top = static_cast<size_t>(views.top_ids.shape[1]);
  std::vector<LogitRow> rows;
  for (uint32_t r = 0; r < n; ++r) {
    const rsn_logit_record& record = RowOf<rsn_logit_record>(results_, views.records, r)[0];
    if (record.count > top) return absl::InternalError("more candidates than asked for");
    const auto cut = [&]<typename T>(const Tensor& view) {
      const T* begin = RowOf<T>(results_, view, r);
      return std::vector<T>(begin, begin + record.count);
    };
    rows.push_back({.logsumexp = record.logsumexp,
                    .entropy = record.entropy,
                    .adjusted_logsumexp = record.adjusted_logsumexp,
                    .non_finite = (record.flags & 1) != 0,
                    .ids = cut.operator()<int32_t>(views.top_ids),
                    .logits = cut.operator()<float>(views.top_values),
                    .raw = cut.operator()<float>(views.top_raw)});
  }
  return rows;
}

absl::Status Transformer::FetchLogits(uint32_t logit_row, std::vector<float>* out) {
  const uint64_t bytes = uint64_t{config_->vocab_size} * 4;
  out->resize(config_->vocab_size);
  Enter(placement_->layers.back(), {});
  queue_->Download(out->data(), act_->BufferOf(act_->logits), logit_row * bytes, bytes);
  return queue_->Synchronize();
}

std::vector<std::vector<RoutedRow>> Transformer::Routing(uint32_t first_row, uint32_t rows) const {
  std::vector<std::vector<RoutedRow>> out(rows);
  const size_t used = config_->moe.num_experts_per_tok;
  for (uint32_t l = 0; l < config_->num_hidden_layers; ++l) {
    if (!config_->IsMoeLayer(l)) continue;
    const Activations::Routing views = RoutingOf(l);
    for (uint32_t r = 0; r < rows; ++r) {
      // The rows of a sequence that was cut lie apart.
      const uint32_t at = step_->RowAt(first_row + r);
      const int32_t* ids = RowOf<int32_t>(routing_, views.ids, at);
      const float* weights = RowOf<float>(routing_, views.weights, at);
      out[r].push_back(
          {.layer = l, .experts = {ids, ids + used}, .weights = {weights, weights + used}});
    }
  }
  return out;
}

}  // namespace raison
