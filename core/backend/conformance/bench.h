// An opened back end on which problems are run, through the C table alone.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/backend/conformance/problem.h"
#include "core/base/status.h"
#include "core/base/thread_pool.h"

namespace raison::conformance {

using OpenFunction = int32_t (*)(const rsn_backend_host*, rsn_backend*);

struct BenchOptions {
  OpenFunction open = nullptr;
  uint32_t device = 0;
  uint32_t threads = 1;
  uint32_t weight_flags = 0;  // RSN_WEIGHT_*
};

enum class Mode {
  kDirect,    // enqueue and synchronize
  kRecorded,  // record, then replay
};

// The contents of every blob after the run; empty for weights.
using Contents = std::vector<std::vector<std::byte>>;

class Bench {
 public:
  static absl::StatusOr<std::unique_ptr<Bench>> Open(const BenchOptions& options);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  const rsn_backend& table() const { return table_; }
  rsn_device_state* device() const { return device_; }
  uint32_t device_index() const { return options_.device; }
  rsn_queue* queue() const { return queue_; }
  bool CanRecord() const { return table_.record_begin != nullptr; }
  // Whether the back end has called parallel_for, ever.
  bool AskedForThreads() const { return asked_for_threads_; }
  absl::Status ToStatus(int32_t code, const char* what) const;
  // Has the back end fill another table, whose struct_size the caller has set.
  int32_t FillTable(rsn_backend& table) { return options_.open(&host_, &table); }

  // What the back end said to weight_read while make() ran, which answered `answer`.
  struct Read {
    const std::byte* from;
    uint64_t bytes;
    std::thread::id thread;
  };
  template <typename Make>
  int32_t HearReads(int32_t answer, const Make& make) {
    reads_.clear();
    read_answer_ = answer;
    const int32_t code = make();
    read_answer_ = 0;
    return code;
  }
  const std::vector<Read>& reads() const { return reads_; }

  // UNIMPLEMENTED where `weight` refuses one of the types with RSN_ERR_UNSUPPORTED and a sentence,
  // or `supports` one of the operations.
  absl::StatusOr<Contents> Run(const Problem& problem, Mode mode);
  // Records `first`, replays it, then replays it with the contents of `second`, whose blobs and
  // operations have the same shapes. Returns what the second replay left.
  absl::StatusOr<Contents> Replay(const Problem& first, const Problem& second);

 private:
  Bench() = default;

  struct Placed;
  absl::Status Place(const Problem& problem, Placed& placed);
  absl::Status Upload(const Problem& problem, const Placed& placed);
  absl::StatusOr<Contents> RunPlaced(const Problem& problem, Mode mode, Placed& placed);
  absl::StatusOr<Contents> ReplayPlaced(const Problem& first, const Problem& second,
                                        Placed& placed);
  absl::StatusOr<Contents> Drained(absl::StatusOr<Contents> contents);
  absl::Status Enqueue(const std::vector<AnyOp>& ops);
  absl::StatusOr<Contents> Download(const Problem& problem, const Placed& placed);

  BenchOptions options_;
  std::unique_ptr<ThreadPool> pool_;
  std::atomic<bool> asked_for_threads_ = false;
  std::vector<Read> reads_;
  int32_t read_answer_ = 0;
  rsn_backend_host host_{};
  rsn_backend table_{};
  rsn_device_state* device_ = nullptr;
  rsn_queue* queue_ = nullptr;
};

}  // namespace raison::conformance
