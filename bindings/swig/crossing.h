// What C# and Java need beside raison.hpp: loading with progress and a way to cancel, the log as a
// queue, and the error of the calling thread. Owns no thread and never calls up: a managed thread
// asks. Refuses to keep more than 10,000 log lines.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <raison/raison.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/swig/record.h"

namespace raison::swig {

// Lines that the library has said and nobody has taken yet. A copy is the same queue.
class LogQueue {
 public:
  LogQueue() : lines_(std::make_shared<Lines>()) {}

  // Takes all of them out.
  std::vector<raison::swig::LogLine> Take() {  // spelled out for SWIG
    std::lock_guard<std::mutex> lock(lines_->mutex);
    std::vector<LogLine> taken(std::make_move_iterator(lines_->lines.begin()),
                               std::make_move_iterator(lines_->lines.end()));
    lines_->lines.clear();
    return taken;
  }

#ifndef SWIG
  std::function<void(int32_t, std::string_view)> Sink() const {
    return [lines = lines_](int32_t level, std::string_view text) {
      std::lock_guard<std::mutex> lock(lines->mutex);
      if (lines->lines.size() < kMostLines) lines->lines.push_back({level, std::string(text)});
    };
  }
#endif

 private:
#ifndef SWIG
  static constexpr size_t kMostLines = 10000;  // nobody listens: do not grow for ever
  struct Lines {
    std::mutex mutex;
    std::deque<LogLine> lines;
  };
  std::shared_ptr<Lines> lines_;
#endif
};

// One load. One thread calls a Run function, any other thread may ask and cancel meanwhile.
class Loading {
 public:
  explicit Loading(const ModelOptions& options) : options_(options) { Watch(); }
  Loading(const ModelOptions& options, const LogQueue& log) : options_(options) {
    options_.log = log.Sink();
    Watch();
  }

  // An empty path is the built-in model.
  Model RunFile(const std::string& path) { return Model(path, options_); }
  // Copies the bytes of a GGUF file.
  Model RunBytes(const std::string& bytes) { return Model::FromBytes(bytes, options_); }

  void Cancel() { state_->cancelled = true; }
  uint64_t Done() const { return state_->done; }
  uint64_t Total() const { return state_->total; }

 private:
#ifndef SWIG
  struct State {
    std::atomic<bool> cancelled{false};
    std::atomic<uint64_t> done{0};
    std::atomic<uint64_t> total{0};
  };
  void Watch() {
    options_.progress = [state = state_](uint64_t done, uint64_t total) {
      state->total = total;
      state->done = done;
      return !state->cancelled;
    };
  }

  ModelOptions options_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
#endif
};

}  // namespace raison::swig
