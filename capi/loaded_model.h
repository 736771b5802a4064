// A model as its handle and its sessions share it: alive until the last of them goes, whoever frees
// first. The scheduler's threads start with the first session.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "core/model/summary.h"
#include "core/session/scheduler.h"

namespace raison::capi {

struct LoadedModel {
  std::vector<std::byte> bytes;  // of a model loaded from memory with RSN_LOAD_COPY
  std::shared_ptr<Model> model;
  ModelSummary summary;
  std::string devices;  // that hold it: "cuda:0,cpu"; empty: none

  absl::StatusOr<std::shared_ptr<Scheduler>> SharedScheduler() {
    std::lock_guard lock(mutex);
    if (scheduler == nullptr) {
      RSN_ASSIGN_OR_RETURN(scheduler, Scheduler::Create(model));
    }
    return scheduler;
  }
  // nullptr before the first session.
  std::shared_ptr<Scheduler> StartedScheduler() {
    std::lock_guard lock(mutex);
    return scheduler;
  }

 private:
  std::mutex mutex;
  std::shared_ptr<Scheduler> scheduler;
};

}  // namespace raison::capi
