#include "core/backend/conformance/bench.h"

#include <algorithm>
#include <cstring>

#include "core/backend/conformance/guarded_bytes.h"
#include "core/backend/op.h"
#include "core/backend/reference/operands.h"
#include "core/backend/table.h"

namespace raison::conformance {
// A problem's buffers on the device, and its operations with them put in.
struct Bench::Placed {
  explicit Placed(const rsn_backend& t) : table(t) {}
  ~Placed() {
    if (recording != nullptr) table.recording_free(recording);
    for (rsn_buffer* b : buffers) {
      if (b != nullptr) table.buffer_free(b);
    }
  }
  const rsn_backend& table;
  std::vector<GuardedBytes> host;    // of weights used in place
  std::vector<rsn_buffer*> buffers;  // (blobs)
  std::vector<rsn_tensor> weights;   // (blobs)
  std::vector<AnyOp> ops;
  rsn_recording* recording = nullptr;
};

absl::StatusOr<std::unique_ptr<Bench>> Bench::Open(const BenchOptions& options) {
  auto bench = std::unique_ptr<Bench>(new Bench);
  bench->options_ = options;
  bench->pool_ = std::make_unique<ThreadPool>(options.threads);
  bench->host_ = {
      .struct_size = sizeof(rsn_backend_host),
      .threads = bench->pool_->size(),
      .context = bench.get(),
      .log = [](void*, uint32_t, const char*) {},
      .parallel_for =
          [](void* context, uint32_t count, void (*task)(void*, uint32_t, uint32_t), void* arg) {
            auto* self = static_cast<Bench*>(context);
            self->asked_for_threads_ = true;
            self->pool_->ParallelFor(count, task, arg);
          },
      .cache_directory = nullptr,
      .weight_read = [](void* context, const void* from, uint64_t bytes) -> int32_t {
        auto* self = static_cast<Bench*>(context);
        self->reads_.push_back(
            {static_cast<const std::byte*>(from), bytes, std::this_thread::get_id()});
        return self->read_answer_;
      },
  };
  bench->table_.struct_size = sizeof(rsn_backend);
  const int32_t code = options.open(&bench->host_, &bench->table_);
  const rsn_backend& t = bench->table_;
  if (code != 0) {
    return absl::InternalError(
        absl::StrCat("the back end does not open: ", code, " ", LastSentence(t)));
  }
  RSN_RETURN_IF_ERROR(CheckTable(t));
  RSN_RETURN_IF_ERROR(bench->ToStatus(t.device_open(&bench->host_, options.device, &bench->device_),
                                      "device_open"));
  RSN_RETURN_IF_ERROR(bench->ToStatus(t.queue_new(bench->device_, &bench->queue_), "queue_new"));
  return bench;
}

Bench::~Bench() {
  if (queue_ != nullptr) table_.queue_free(queue_);
  if (device_ != nullptr) table_.device_close(device_);
}

absl::Status Bench::ToStatus(int32_t code, const char* what) const {
  if (code == 0) return absl::OkStatus();
  const char* sentence = table_.last_error();
  return absl::InternalError(absl::StrCat(what, " returned ", code, ": ",
                                          sentence == nullptr ? "(last_error is NULL)" : sentence));
}

absl::Status Bench::Place(const Problem& problem, Placed& placed) {
  placed.buffers.resize(problem.blobs.size());
  placed.weights.resize(problem.blobs.size());
  for (size_t i = 0; i < problem.blobs.size(); ++i) {
    const Blob& blob = problem.blobs[i];
    if (!blob.weight) {
      RSN_RETURN_IF_ERROR(ToStatus(
          table_.buffer_new(device_, std::max<uint64_t>(blob.bytes.size(), 1), &placed.buffers[i]),
          "buffer_new"));
      continue;
    }
    placed.host.emplace_back(blob.bytes);
    if (placed.host.back().data() == nullptr) return absl::ResourceExhaustedError("no memory");
    placed.weights[i] = blob.description;
    placed.weights[i].buffer = nullptr;
    uint32_t referenced = 0;
    reads_.clear();
    const int32_t code = table_.weight(device_, &placed.weights[i], placed.host.back().data(),
                                       blob.bytes.size(), options_.weight_flags, &referenced);
    const absl::Status made = ToStatus(code, "weight");
    constexpr int32_t kUnsupported = -22;  // RSN_ERR_UNSUPPORTED of raison.h
    if (code == kUnsupported && !LastSentence(table_).empty()) {
      return absl::UnimplementedError(made.message());
    }
    RSN_RETURN_IF_ERROR(made);
    placed.buffers[i] = placed.weights[i].buffer;
    if (referenced == 0) placed.host.pop_back();  // must not be read any more
  }
  placed.ops = problem.ops;
  for (AnyOp& op : placed.ops) {
    std::visit(
        [&](auto& args) {
          args.struct_size = sizeof args;
          reference::Operands(args, [&](rsn_tensor& t) {
            if (t.buffer == nullptr) return;
            const size_t blob = BlobOf(t.buffer);
            if (problem.blobs[blob].weight) {
              t = placed.weights[blob];
            } else {
              t.buffer = placed.buffers[blob];
            }
          });
        },
        op);
  }
  for (const AnyOp& op : placed.ops) {
    RSN_RETURN_IF_ERROR(std::visit(
        [&](const auto& args) -> absl::Status {
          using E = Op<std::decay_t<decltype(args)>>;
          if (table_.*E::kField == nullptr) {
            return absl::UnimplementedError(absl::StrCat("the table has no ", E::kName));
          }
          const bool supported = table_.supports(device_, E::kNumber, &args) != 0;
          // A plan asks before there are buffers: the answer must be the same.
          auto planned = args;
          reference::Operands(planned, [](rsn_tensor& t) { t.buffer = nullptr; });
          if ((table_.supports(device_, E::kNumber, &planned) != 0) != supported) {
            return absl::InternalError(
                absl::StrCat("supports answers otherwise without buffers: ", E::kName));
          }
          if (!supported) {
            return absl::UnimplementedError(absl::StrCat("supports refuses this ", E::kName));
          }
          return absl::OkStatus();
        },
        op));
  }
  return absl::OkStatus();
}

absl::Status Bench::Upload(const Problem& problem, const Placed& placed) {
  for (size_t i = 0; i < problem.blobs.size(); ++i) {
    const Blob& blob = problem.blobs[i];
    if (blob.weight || blob.bytes.empty()) continue;
    // From memory that is gone at once: an upload must not look at it later.
    std::vector<std::byte> copy = blob.bytes;
    RSN_RETURN_IF_ERROR(
        ToStatus(table_.upload(queue_, placed.buffers[i], 0, copy.data(), copy.size()), "upload"));
    std::fill(copy.begin(), copy.end(), std::byte{0x55});
  }
  return absl::OkStatus();
}

absl::Status Bench::Enqueue(const std::vector<AnyOp>& ops) {
  for (const AnyOp& op : ops) {
    RSN_RETURN_IF_ERROR(std::visit(
        [&](auto args) {  // a copy, overwritten after the call
          using E = Op<decltype(args)>;
          const int32_t code = (table_.*E::kField)(queue_, &args);
          std::memset(static_cast<void*>(&args), 0x55, sizeof args);
          return ToStatus(code, E::kName);
        },
        op));
  }
  return absl::OkStatus();
}

absl::StatusOr<Contents> Bench::Download(const Problem& problem, const Placed& placed) {
  Contents contents(problem.blobs.size());
  for (size_t i = 0; i < problem.blobs.size(); ++i) {
    if (problem.blobs[i].weight || problem.blobs[i].bytes.empty()) continue;
    contents[i].resize(problem.blobs[i].bytes.size());
    RSN_RETURN_IF_ERROR(ToStatus(
        table_.download(queue_, contents[i].data(), placed.buffers[i], 0, contents[i].size()),
        "download"));
  }
  RSN_RETURN_IF_ERROR(ToStatus(table_.synchronize(queue_), "synchronize"));
  return contents;
}

// What failed may have left operations in the queue, and a sticky error: the buffers are freed only
// when nothing uses them, and the next problem is not blamed.
absl::StatusOr<Contents> Bench::Drained(absl::StatusOr<Contents> contents) {
  if (!contents.ok()) table_.synchronize(queue_);
  return contents;
}

absl::StatusOr<Contents> Bench::Run(const Problem& problem, Mode mode) {
  Placed placed(table_);
  RSN_RETURN_IF_ERROR(Place(problem, placed));
  return Drained(RunPlaced(problem, mode, placed));
}

absl::StatusOr<Contents> Bench::RunPlaced(const Problem& problem, Mode mode, Placed& placed) {
  if (mode == Mode::kRecorded) {
    RSN_RETURN_IF_ERROR(ToStatus(table_.record_begin(queue_), "record_begin"));
    const absl::Status enqueued = Enqueue(placed.ops);
    RSN_RETURN_IF_ERROR(ToStatus(table_.record_end(queue_, &placed.recording), "record_end"));
    RSN_RETURN_IF_ERROR(enqueued);
    RSN_RETURN_IF_ERROR(Upload(problem, placed));
    RSN_RETURN_IF_ERROR(ToStatus(table_.replay(queue_, placed.recording), "replay"));
  } else {
    RSN_RETURN_IF_ERROR(Upload(problem, placed));
    RSN_RETURN_IF_ERROR(Enqueue(placed.ops));
  }
  return Download(problem, placed);
}

absl::StatusOr<Contents> Bench::Replay(const Problem& first, const Problem& second) {
  Placed placed(table_);
  RSN_RETURN_IF_ERROR(Place(first, placed));
  return Drained(ReplayPlaced(first, second, placed));
}

absl::StatusOr<Contents> Bench::ReplayPlaced(const Problem& first, const Problem& second,
                                             Placed& placed) {
  RSN_RETURN_IF_ERROR(Upload(first, placed));
  RSN_RETURN_IF_ERROR(ToStatus(table_.record_begin(queue_), "record_begin"));
  const absl::Status enqueued = Enqueue(placed.ops);
  RSN_RETURN_IF_ERROR(ToStatus(table_.record_end(queue_, &placed.recording), "record_end"));
  RSN_RETURN_IF_ERROR(enqueued);
  RSN_ASSIGN_OR_RETURN(const Contents recorded, Download(first, placed));
  for (size_t i = 0; i < first.blobs.size(); ++i) {
    if (!first.blobs[i].weight && recorded[i] != first.blobs[i].bytes) {
      return absl::InternalError(absl::StrCat("buffer ", i, " was written while recording"));
    }
  }
  RSN_RETURN_IF_ERROR(ToStatus(table_.replay(queue_, placed.recording), "replay"));
  RSN_RETURN_IF_ERROR(ToStatus(table_.synchronize(queue_), "synchronize"));
  RSN_RETURN_IF_ERROR(Upload(second, placed));
  RSN_RETURN_IF_ERROR(ToStatus(table_.replay(queue_, placed.recording), "replay"));
  return Download(second, placed);
}

}  // namespace raison::conformance
