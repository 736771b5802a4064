// Memory, streams, events and graphs of the emulated card. Work put into a stream waits there until
// something asks for it (a synchronisation, a free): what the host does too early is found. New
// memory holds no zeros, and what lies behind an allocation is checked when it is freed.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/backend/simt/simt.h"

using Work = std::function<cudaError_t()>;

struct SimtStream {
  std::deque<Work> work;
  bool capturing = false;
  std::vector<Work> captured;
};
struct SimtEvent {
  cudaStream_t stream = nullptr;
  uint64_t pending = 0;  // records that the stream has not come to
};
struct SimtGraph {
  std::vector<Work> work;
};
struct SimtGraphExec {
  std::vector<Work> work;
};
struct SimtPool {};

namespace {

constexpr size_t kBehind = 64;  // bytes behind an allocation that nobody may write
constexpr unsigned char kUnwritten = 0xa5, kGuard = 0x5c;

struct Allocation {
  size_t bytes;
  bool host;
};

struct Machine {
  std::recursive_mutex mutex;
  simt::Card card;
  bool lost = false;
  std::map<void*, Allocation> memory;
  std::vector<cudaStream_t> streams;
  simt::Usage usage;
  uint64_t launches = 0;
  std::string fault;
};
thread_local int t_current = -1;

Machine& M() {
  static auto* machine = new Machine;
  return *machine;
}
#define SIMT_CALL()                                               \
  std::lock_guard lock(M().mutex);                                \
  if (M().card.driver < 13000) return cudaErrorInsufficientDriver; \
  if (M().lost) return cudaErrorLaunchFailure

cudaError_t Break(const std::string& why) {
  M().lost = true;
  M().fault = why;
  std::fprintf(stderr, "simt: %s\n", why.c_str());
  return cudaErrorLaunchFailure;
}

// kBehind bytes more are allocated than asked, in a builds without a sanitizer only: with one the
// allocator's own guard must begin at once.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kExtra = 0;
#else
constexpr size_t kExtra = kBehind;
#endif

// A card would be opened for the thread: card 0, whichever is meant.
void NeedCard() {
  if (t_current < 0) ++M().usage.astray;
}

cudaError_t Take(void** p, size_t bytes, bool host) {
  *p = nullptr;
  NeedCard();
  if (!host && M().usage.device_bytes + bytes > M().card.memory) return cudaErrorMemoryAllocation;
  void* raw = nullptr;
  if (posix_memalign(&raw, 256, std::max<size_t>(bytes + kExtra, 1)) != 0) {
    return cudaErrorMemoryAllocation;
  }
  std::memset(raw, kUnwritten, bytes);
  std::memset(static_cast<unsigned char*>(raw) + bytes, kGuard, kExtra);
  (host ? M().usage.host_bytes : M().usage.device_bytes) += bytes;
  M().memory[raw] = {bytes, host};
  *p = raw;
  return cudaSuccess;
}

cudaError_t Give(void* p) {
  if (p == nullptr) return cudaSuccess;
  NeedCard();
  const auto found = M().memory.find(p);
  if (found == M().memory.end()) return cudaErrorInvalidValue;
  const Allocation a = found->second;
  const auto* end = static_cast<unsigned char*>(p) + a.bytes;
  const bool whole = std::all_of(end, end + kExtra, [](unsigned char c) { return c == kGuard; });
  (a.host ? M().usage.host_bytes : M().usage.device_bytes) -= a.bytes;
  M().memory.erase(found);
  std::free(p);
  if (!whole) return Break("a kernel wrote behind an allocation of " + std::to_string(a.bytes));
  return cudaSuccess;
}

bool IsHost(const void* p) {
  auto found = M().memory.upper_bound(const_cast<void*>(p));
  if (found == M().memory.begin()) return false;
  --found;
  return found->second.host &&
         static_cast<const char*>(p) < static_cast<char*>(found->first) + found->second.bytes;
}

cudaError_t Drain(cudaStream_t s) {
  while (!s->work.empty() && !M().lost) {
    Work work = std::move(s->work.front());
    s->work.pop_front();
    work();
  }
  return M().lost ? cudaErrorLaunchFailure : cudaSuccess;
}
cudaError_t DrainAll() {
  for (cudaStream_t s : M().streams) {
    if (!s->capturing) Drain(s);
  }
  return M().lost ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t Put(cudaStream_t s, Work work) {
  NeedCard();
  if (s->capturing) {
    s->captured.push_back(std::move(work));
  } else {
    s->work.push_back(std::move(work));
  }
  return cudaSuccess;
}

cudaError_t RunGrid(const std::function<void()>& thread, const simt::Grid& g) {
  Machine& m = M();
  // A mixed bit: like runs of an operation meet both orders.
  const bool backwards = (++m.launches * 0x9e3779b97f4a7c15u >> 63) != 0;
  const unsigned threads = g.block.x * g.block.y * g.block.z;
  std::unique_ptr<uint4[]> shared(new uint4[(g.shared + 15) / 16 + 1]);
  for (unsigned z = 0; z < g.grid.z; ++z) {
    for (unsigned y = 0; y < g.grid.y; ++y) {
      for (unsigned n = 0; n < g.grid.x; ++n) {
        const unsigned x = backwards ? g.grid.x - 1 - n : n;
        std::memset(static_cast<void*>(shared.get()), kUnwritten, g.shared);
        simt::g_place.block = {x, y, z};
        simt::g_place.block_size = g.block;
        simt::g_place.grid_size = g.grid;
        simt::g_place.shared = reinterpret_cast<unsigned char*>(shared.get());
        std::string fault;
        if (!simt::RunBlock(thread, threads, backwards, fault)) {
          return Break("block " + std::to_string(x) + ", " + std::to_string(y) + ", " +
                       std::to_string(z) + ": " + fault);
        }
      }
    }
  }
  return cudaSuccess;
}

}  // namespace

namespace simt {

void Install(const Card& card) {
  std::lock_guard lock(M().mutex);
  M().card = card;
  M().lost = false;
  M().fault.clear();
  for (cudaStream_t s : M().streams) s->work.clear();
}
void LoseDevice() {
  std::lock_guard lock(M().mutex);
  M().lost = true;
}
Usage InUse() {
  std::lock_guard lock(M().mutex);
  return M().usage;
}
void MakeCurrent(int card) { t_current = card; }
int Current() { return t_current; }
uint64_t Launches() {
  std::lock_guard lock(M().mutex);
  return M().launches;
}
std::string LastFault() {
  std::lock_guard lock(M().mutex);
  return M().fault;
}

cudaError_t Enqueue(std::function<void()> thread, const Grid& g, cudaStream_t stream) {
  SIMT_CALL();
  const uint64_t threads = uint64_t{g.block.x} * g.block.y * g.block.z;
  // The limits of every card from sm_75 on.
  if (threads == 0 || threads > 1024 || threads % 32 != 0 || g.grid.x == 0 || g.grid.y == 0 ||
      g.grid.z == 0 || g.grid.x > 2147483647u || g.grid.y > 65535 || g.grid.z > 65535 ||
      g.shared > 48 * 1024) {
    return cudaErrorInvalidValue;
  }
  return Put(stream, [thread = std::move(thread), g] { return RunGrid(thread, g); });
}

}  // namespace simt

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    default: return "cudaErrorOther";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    default: return "an error of the emulated card";
  }
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) {
  *version = M().card.driver;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  SIMT_CALL();
  *count = M().card.devices;
  return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  SIMT_CALL();
  if (device < 0 || device >= M().card.devices) return cudaErrorInvalidDevice;
  *p = {};
  std::snprintf(p->name, sizeof p->name, "emulated card %d", device);
  p->totalGlobalMem = M().card.memory;
  p->major = M().card.major;
  p->minor = M().card.minor;
  p->multiProcessorCount = 4;
  p->pciBusID = M().card.pci + device;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  SIMT_CALL();
  *value = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= M().card.devices) return cudaErrorInvalidDevice;
  t_current = device;  // a lost one, too
  SIMT_CALL();
  return cudaSuccess;
}
// The driver's contexts: a card's is its number and one.
static int GetContext(void** context) {
  *context = reinterpret_cast<void*>(static_cast<intptr_t>(t_current) + 1);
  return 0;
}
static int SetContext(void* context) {
  t_current = static_cast<int>(reinterpret_cast<intptr_t>(context)) - 1;
  return 0;
}
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  const std::string wanted = name;
  *function = wanted == "cuCtxGetCurrent"   ? reinterpret_cast<void*>(&GetContext)
              : wanted == "cuCtxSetCurrent" ? reinterpret_cast<void*>(&SetContext)
                                            : nullptr;
  *found = *function != nullptr ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  SIMT_CALL();
  *total = M().card.memory;
  *free = M().card.memory - std::min(M().card.memory, M().usage.device_bytes);
  return cudaSuccess;
}
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  SIMT_CALL();
  if (properties->allocType != cudaMemAllocationTypePinned ||
      properties->location.type != cudaMemLocationTypeDevice) {
    return cudaErrorInvalidValue;
  }
  *pool = new SimtPool;
  ++M().usage.pools;
  return cudaSuccess;
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  std::lock_guard lock(M().mutex);
  --M().usage.pools;
  delete pool;
  return cudaSuccess;
}
// Memory that was given back in a stream is free when the stream has come to it.
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  SIMT_CALL();
  return DrainAll();
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }

cudaError_t cudaMalloc(void** p, size_t bytes) {
  SIMT_CALL();
  return Take(p, bytes, false);
}
// Frees also on a lost card, so that a test can see that nothing leaks.
cudaError_t cudaFree(void* p) {
  std::lock_guard lock(M().mutex);
  DrainAll();
  return Give(p);
}
cudaError_t cudaMallocFromPoolAsync(void** p, size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
  SIMT_CALL();
  if (pool == nullptr) return cudaErrorInvalidValue;
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  cudaError_t error = Take(p, bytes, false);
  if (error != cudaSuccess && DrainAll() == cudaSuccess) error = Take(p, bytes, false);
  return error;
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
  std::lock_guard lock(M().mutex);
  if (M().lost) return Give(p);
  return Put(stream, [p] { return Give(p); });
}
cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  SIMT_CALL();
  return Take(p, bytes, true);
}
cudaError_t cudaFreeHost(void* p) {
  std::lock_guard lock(M().mutex);
  DrainAll();
  return Give(p);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  SIMT_CALL();
  const auto copy = [=] {
    std::memcpy(to, from, bytes);
    return cudaSuccess;
  };
  // Memory that is not pinned is read or filled before the call returns.
  const bool pageable = (kind == cudaMemcpyHostToDevice && !IsHost(from)) ||
                        (kind == cudaMemcpyDeviceToHost && !IsHost(to));
  if (!pageable) return Put(stream, copy);
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  const cudaError_t error = Drain(stream);
  return error != cudaSuccess ? error : copy();
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  SIMT_CALL();
  return Put(stream, [=] {
    std::memset(p, value, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
  SIMT_CALL();
  return Put(stream, [=] {
    function(data);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  SIMT_CALL();
  *stream = new SimtStream;
  M().streams.push_back(*stream);
  ++M().usage.streams;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  std::lock_guard lock(M().mutex);
  if (!stream->capturing) Drain(stream);
  M().streams.erase(std::find(M().streams.begin(), M().streams.end(), stream));
  --M().usage.streams;
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  SIMT_CALL();
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  return Drain(stream);
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  SIMT_CALL();
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  stream->capturing = true;
  stream->captured.clear();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  SIMT_CALL();
  if (!stream->capturing) return cudaErrorStreamCaptureUnsupported;
  stream->capturing = false;
  *graph = new SimtGraph{std::move(stream->captured)};
  ++M().usage.graphs;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  SIMT_CALL();
  *exec = new SimtGraphExec{graph->work};
  ++M().usage.graphs;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  std::lock_guard lock(M().mutex);
  --M().usage.graphs;
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  SIMT_CALL();
  for (const Work& work : exec->work) Put(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  std::lock_guard lock(M().mutex);
  --M().usage.graphs;
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  SIMT_CALL();
  *event = new SimtEvent;
  ++M().usage.events;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  std::lock_guard lock(M().mutex);
  if (event->pending > 0 && !M().lost) Drain(event->stream);
  --M().usage.events;
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  SIMT_CALL();
  event->stream = stream;
  ++event->pending;
  return Put(stream, [event] {
    --event->pending;
    return cudaSuccess;
  });
}
static void RunUntil(cudaEvent_t event) {
  while (event->pending > 0 && !event->stream->work.empty() && !M().lost) {
    Work work = std::move(event->stream->work.front());
    event->stream->work.pop_front();
    work();
  }
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  SIMT_CALL();
  RunUntil(event);
  return M().lost ? cudaErrorLaunchFailure : cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  SIMT_CALL();
  // What is recorded later on another stream is not waited for.
  const cudaStream_t of = event->stream;
  return Put(stream, [=] {
    if (event->stream == of) RunUntil(event);
    return cudaSuccess;
  });
}
