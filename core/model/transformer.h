// The forward pass, written once for a ragged step over the back-end table, in the papers' order.
// No device, no dtype and no batch size is asked for here: where the placement puts layers or their
// routed experts on several devices, rows move between them and the order of the operations stays.
// Used by one thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "core/backend/queue.h"
#include "core/kv/kv_cache.h"
#include "core/model/activations.h"
#include "core/model/config.h"
#include "core/model/placement.h"
#include "core/model/step.h"
#include "core/model/step_buffer.h"
#include "core/model/weights.h"

namespace raison {

class Transformer {
 public:
  struct Parts {
    const Placement* placement = nullptr;
    const Config* config = nullptr;
    const Weights* weights = nullptr;
    KvCache* cache = nullptr;
    StepLimits limits;
    bool exact = false;  // one form of MLA for every number of rows
  };
  static absl::StatusOr<std::unique_ptr<Transformer>> Create(const Parts& parts);

  const StepLimits& limits() const { return limits_; }

  // Runs the step and fills one LogitRow for every row whose logits are wanted, in order. `stop` is
  // asked between layers; when it says so the step ends with CANCELLED and the sequences' newest
  // positions hold nothing usable.
  absl::Status Run(const Step& step, const std::function<bool()>& stop,
                   std::vector<LogitRow>* logits);

  // After Run: a whole raw row of logits (vocabulary), row counted among the wanted ones.
  absl::Status FetchLogits(uint32_t logit_row, std::vector<float>* out);
  // After Run of a step that reads it: what these rows of the step routed to, for each row one entry
  // per MoE layer.
  std::vector<std::vector<RoutedRow>> Routing(uint32_t first_row, uint32_t rows) const;

  // Steps that were replayed from a recording (for tests and `bench`).
  uint64_t replayed() const { return replayed_; }

 private:
  // What a device has of a step. All lanes have the same step buffer contents.
  struct Lane {
    std::unique_ptr<Queue> queue;
    StepBuffer step;
    Activations act;
    bool composes_mla = false;  // the device has no latent attention of its own for this model
  };
  // Rows of an activation that go from one lane's buffer to another's.
  struct Move {
    uint32_t from = 0, to = 0;  // lanes
    Tensor source, target;      // dense, of the same shape
  };
  // A recorded decode step: what one lane does without a break, then the moves that follow.
  struct Stage {
    uint32_t lane = 0;
    Recording recording;
    std::vector<Move> moves;
  };

  Transformer() = default;
  void Forward(const std::function<bool()>& stop);
  void BeginLayer(uint32_t layer, uint32_t part);
  void EndLayer(uint32_t layer);
  void MakeRopeTable(uint32_t part);
  void Attention(uint32_t layer);
  void MultiHeadLatentAttention(uint32_t layer);
  absl::Status ChooseMla();
  rsn_mla_attention MlaArguments(uint32_t layer) const;
  void ComposedMlaAttention(const rsn_mla_attention& mla);
  void Ffn(const FfnWeights& w);
  void FfnGate(const FfnWeights& w);
  void FfnDown(const FfnWeights& w);
  void Route(uint32_t layer);
  void BeginExperts(uint32_t layer);
  void Experts(uint32_t layer, uint32_t part);
  void Moe(uint32_t layer);
  void Logits();
  Tensor Step(const Tensor& activation) const;  // the rows of it of this step's selected part
  void NameChunks(Lane& lane) const;
  void Select(uint32_t part);
  Activations::Routing RoutingOf(uint32_t layer) const;  // all rows of the step
  // Everything that comes back of a step, in one wait.
  absl::Status Read(bool routing, std::vector<LogitRow>* out);
  void ReadRouting();
  absl::StatusOr<std::vector<LogitRow>> MakeLogitRows() const;

  // Continues on another lane, which then has this step's rows of these activations.
  void Enter(uint32_t lane, std::initializer_list<Tensor Activations::*> activations);
  void Enter(uint32_t lane, std::vector<Move> moves);
  // The moves alone: operations go on here.
  void Send(std::vector<Move> moves);
  void Run(const std::vector<Move>& moves);  // all from one lane
  void RecordStage(std::vector<Move> moves);
  std::vector<Stage> Record();
  // Waits for every lane; the first failure of the step.
  absl::Status Finish();

  const Placement* placement_ = nullptr;
  std::vector<Lane> lanes_;  // one per device of the placement
  uint32_t lane_ = 0;        // where operations go now
  // The current lane's parts, so that the pass reads as prose.
  Queue* queue_ = nullptr;
  StepBuffer* step_ = nullptr;
  Activations* act_ = nullptr;

  bool exact_ = false;
  bool lends_ = false;           // some experts lie on another device than their layer
  std::vector<bool> has_table_;  // lanes with this step's rotations
  const Config* config_ = nullptr;
  const Weights* weights_ = nullptr;
  KvCache* cache_ = nullptr;
  StepLimits limits_;
  bool can_record_ = false;
  std::map<uint32_t, std::vector<Stage>> recordings_;  // of decode steps, by number of sequences
  std::vector<Stage>* recording_ = nullptr;            // being made
  std::vector<std::byte> moving_;                      // rows between two lanes
  // Activations::results and ::routing as the last step left them, at the same offsets.
  std::vector<std::byte> results_, routing_;
  absl::Status status_;                                // of this step's moves
  uint64_t replayed_ = 0;
  bool stopped_ = false;
};

}  // namespace raison
