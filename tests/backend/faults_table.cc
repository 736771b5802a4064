// The faults that are planted in the table's own entries: memory, copies, errors, recording.
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "core/backend/reference/view.h"
#include "tests/backend/faulty.h"
#include "tests/backend/faulty_table.h"

namespace raison::testing {
namespace {

using reference::MemoryOf;

struct LateDownload {
  void* to;
  rsn_buffer* from;
  uint64_t offset, bytes;
};
std::map<rsn_queue*, std::vector<LateDownload>> late_downloads;
std::map<rsn_queue*, int32_t> kept_errors;
std::string shared_sentence;

// weight_repeated, which the right table has not, with `zeros` last bytes left zero.
int32_t RepeatWeight(rsn_device_state* device, rsn_tensor* description, const void* bytes,
                     uint64_t size, uint64_t zeros) {
  const auto* first = static_cast<const std::byte*>(bytes);
  std::vector<std::byte> whole(static_cast<size_t>(description->shape[0] * description->stride[0]));
  for (size_t i = 0; i + zeros < whole.size(); ++i) whole[i] = first[i % size];
  uint32_t referenced = 0;
  return Right().weight(device, description, whole.data(), whole.size(), 0, &referenced);
}

const std::vector<Fault>& TableFaults() {
  static const std::vector<Fault> faults = {
      {"SupportsWhatItRefuses", "embed", Patch([](rsn_backend* t) {
         t->supports = [](rsn_device_state*, uint32_t, const void*) -> int32_t { return 1; };
         t->embed = [](rsn_queue* queue, const rsn_embed* a) -> int32_t {
           // No code for one type: the sentence is the reference's.
           rsn_embed wrong = *a;
           if (a->table.dtype == RSN_DTYPE_Q4_0) wrong.table.dtype = 9999;
           return Right().embed(queue, &wrong);
         };
         t->record_begin = nullptr;
         t->record_end = nullptr;
         t->replay = nullptr;
         t->recording_free = nullptr;
       }),
       "embed returned -22"},

      {"NewBuffersHoldWhatWasThere", "table", Patch([](rsn_backend* t) {
         t->buffer_new = [](rsn_device_state* device, uint64_t bytes, rsn_buffer** out) {
           const int32_t code = Right().buffer_new(device, bytes, out);
           if (code == 0) std::memset(MemoryOf(*out)->data, 0xcd, bytes);
           return code;
         };
       }),
       "is not zeroed"},
      {"UploadForgetsItsOffset", "table", Patch([](rsn_backend* t) {
         t->upload = [](rsn_queue* queue, rsn_buffer* to, uint64_t, const void* from,
                        uint64_t bytes) { return Right().upload(queue, to, 0, from, bytes); };
       }),
       "an upload at an offset"},
      {"DownloadForgetsItsOffset", "table", Patch([](rsn_backend* t) {
         t->download = [](rsn_queue* queue, void* to, rsn_buffer* from, uint64_t, uint64_t bytes) {
           return Right().download(queue, to, from, 0, bytes);
         };
       }),
       "a download at an offset"},
      {"DownloadsWaitForTheEnd", "table", Patch([](rsn_backend* t) {
         late_downloads.clear();
         t->download = [](rsn_queue* queue, void* to, rsn_buffer* from, uint64_t offset,
                          uint64_t bytes) -> int32_t {
           late_downloads[queue].push_back({to, from, offset, bytes});
           return 0;
         };
         t->synchronize = [](rsn_queue* queue) {
           for (const LateDownload& d : late_downloads[queue]) {
             Right().download(queue, d.to, d.from, d.offset, d.bytes);
           }
           late_downloads[queue].clear();
           return Right().synchronize(queue);
         };
       }),
       "what was uploaded after it"},

      {"SynchronizeKeepsItsError", "table", Patch([](rsn_backend* t) {
         kept_errors.clear();
         t->synchronize = [](rsn_queue* queue) {
           const int32_t code = Right().synchronize(queue);
           if (code != 0) kept_errors[queue] = code;
           return kept_errors[queue];
         };
       }),
       "clears no error"},
      {"TheNextOperationHidesAnError", "table", Patch([](rsn_backend* t) {
         t->gather_rows = [](rsn_queue* queue, const rsn_gather_rows* a) {
           Right().synchronize(queue);
           return Right().gather_rows(queue, a);
         };
       }),
       "an error is lost"},
      {"IndicesAreTrusted", "table", Patch([](rsn_backend* t) {
         t->gather_rows = [](rsn_queue* queue, const rsn_gather_rows* a) {
           rsn_gather_rows wrong = *a;
           if (wrong.in.shape[0] == 3) ++wrong.in.shape[0];
           return Right().gather_rows(queue, &wrong);
         };
       }),
       "outside a view"},
      {"LastErrorIsEveryThreads", "table", Patch([](rsn_backend* t) {
         t->weight = [](rsn_device_state* device, rsn_tensor* description, const void* bytes,
                        uint64_t size, uint32_t flags, uint32_t* referenced) {
           const int32_t code = Right().weight(device, description, bytes, size, flags, referenced);
           if (code != 0) shared_sentence = Right().last_error();
           return code;
         };
         t->last_error = [] { return shared_sentence.c_str(); };
       }),
       "another thread's"},
      {"LastErrorIsNull", "table",
       Patch([](rsn_backend* t) { t->last_error = []() -> const char* { return nullptr; }; }),
       "no last_error"},

      {"WeightsAreUsedInPlaceUnasked", "table", Patch([](rsn_backend* t) {
         t->weight = [](rsn_device_state* device, rsn_tensor* description, const void* bytes,
                        uint64_t size, uint32_t, uint32_t* referenced) {
           return Right().weight(device, description, bytes, size, RSN_WEIGHT_MAY_REFERENCE,
                                 referenced);
         };
       }),
       "which it may not"},
      {"WeightsCannotBeGivenUp", "table", Patch([](rsn_backend* t) {
         t->weight = [](rsn_device_state* device, rsn_tensor* description, const void* bytes,
                        uint64_t size, uint32_t flags, uint32_t* referenced) {
           const rsn_backend_host& host = HostOf(device);
           host.weight_read(host.context, bytes, size);
           return Right().weight(device, description, bytes, size, flags, referenced);
         };
       }),
       "where weight_read said -50"},
      {"WeightsTellOfTheirLastBytesFirst", "table", Patch([](rsn_backend* t) {
         t->weight = [](rsn_device_state* device, rsn_tensor* description, const void* bytes,
                        uint64_t size, uint32_t flags, uint32_t* referenced) {
           const rsn_backend_host& host = HostOf(device);
           const auto* from = static_cast<const std::byte*>(bytes);
           host.weight_read(host.context, from + size / 2, size - size / 2);
           return Right().weight(device, description, bytes, size, flags, referenced);
         };
       }),
       "out of their order"},
      {"RepeatedWeightsEndEarly", "table", Patch([](rsn_backend* t) {
         t->weight_repeated = [](rsn_device_state* device, rsn_tensor* description,
                                 const void* bytes, uint64_t size, uint32_t) {
           return RepeatWeight(device, description, bytes, size, size);
         };
       }),
       "differs from weight"},
      {"RepeatedWeightsTakeHalfABlock", "table", Patch([](rsn_backend* t) {
         t->weight_repeated = [](rsn_device_state* device, rsn_tensor* description,
                                 const void* bytes, uint64_t size, uint32_t) {
           return RepeatWeight(device, description, bytes, size, 0);
         };
       }),
       "a part of a block"},

      {"CopiesWhileRecording", "table", Patch([](rsn_backend* t) { t->upload = Right().upload; }),
       "upload is not refused while recording"},
      {"AnUnknownKind", "table", Patch([](rsn_backend* t) {
         t->device_info = [](rsn_device_state* device, rsn_device_info* info) {
           const int32_t code = Right().device_info(device, info);
           info->kind = 9;
           return code;
         };
       }),
       "kind is 9"},
      {"TheTableIsWrittenWhole", "table", Patch([](rsn_backend* t) { t->device_query = nullptr; }),
       "beyond the caller's struct_size"},
      {"LongerArgumentsAreRefused", "table",
       Act<rsn_rms_norm>([](const Moment& m, const rsn_rms_norm& a) -> int32_t {
         return a.struct_size == sizeof a ? Call(m.queue, a) : -11;
       }),
       "with a longer struct"},
      {"ShorterArgumentsAreReadWhole", "table",
       Act<rsn_matmul>([](const Moment& m, const rsn_matmul& a) {
         rsn_matmul wrong = a;
         wrong.struct_size = sizeof wrong;
         return Call(m.queue, wrong);
       }),
       "with a shorter struct"},
  };
  return faults;
}

}  // namespace

const std::vector<Fault>& Faults() {
  static const auto* all = [] {
    auto* faults = new std::vector<Fault>(OperationFaults().begin(), OperationFaults().end());
    faults->insert(faults->end(), TableFaults().begin(), TableFaults().end());
    return faults;
  }();
  return *all;
}

}  // namespace raison::testing
