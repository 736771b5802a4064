#include "core/backend/cuda/device.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "absl/strings/numbers.h"
#include "core/backend/cuda/errors.h"
#include "core/backend/cuda/nvml.h"
#include "core/backend/cuda/ops.h"
#include "core/base/os/library_path.h"

namespace raison::cuda {
namespace {

// Elements of a weight from which on a prompt's product goes to cuBLAS: below, the work around it costs
// more than it saves. An estimate; RAISON_CUBLAS_LEAST is for trying others.
constexpr int64_t kLeastDense = 1 << 20;

// CUDA 13 makes code for sm_75 and later only.
constexpr int kLeastMajor = 7, kLeastMinor = 5;

// Bytes of a weight between two calls of the host's weight_read: what the CPU back end takes, some 50 ms
// where the file comes from a disk.
constexpr uint64_t kToldBytes = 16 << 20;
// A pinned piece is filled by the host's threads in parts of this: one thread that reads a mapped file
// is slower than the way to the card.
constexpr uint64_t kPartBytes = 1 << 20;

template <size_t kSize>
void CopyText(char (&to)[kSize], const std::string& text) {
  std::snprintf(to, kSize, "%s", text.c_str());
}

rsn_device_info Describe(int index, const cudaDeviceProp& p) {
  rsn_device_info info{};
  info.struct_size = sizeof info;
  info.kind = p.integrated != 0 ? 1 : 2;
  info.memory_total = p.totalGlobalMem;
  CopyText(info.name, absl::StrCat("cuda:", index));
  CopyText(info.description, absl::StrCat(p.name, ", sm_", p.major, p.minor, ", ",
                                          p.multiProcessorCount, " multiprocessors"));
  CopyText(info.driver, DriverVersion());
  if (p.major < kLeastMajor || (p.major == kLeastMajor && p.minor < kLeastMinor)) {
    CopyText(info.problem, absl::StrCat("the card is sm_", p.major, p.minor,
                                        ", the CUDA back end needs sm_", kLeastMajor, kLeastMinor,
                                        " or later"));
  }
  return info;
}

absl::StatusOr<Dense::Options> DenseOptions() {
  Dense::Options options{.merge = EnvironmentVariable("RAISON_CUBLAS_MERGE") == "1",
                         .least = kLeastDense};
  if (const std::string least = EnvironmentVariable("RAISON_CUBLAS_LEAST"); !least.empty()) {
    if (!absl::SimpleAtoi(least, &options.least) || options.least < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("RAISON_CUBLAS_LEAST is \"", least, "\": wanted a number of weights"));
    }
  }
  if (const std::string pieces = EnvironmentVariable("RAISON_CUBLAS_PIECES"); !pieces.empty()) {
    if (pieces != "1" && pieces != "2") {
      return absl::InvalidArgumentError(
          absl::StrCat("RAISON_CUBLAS_PIECES is \"", pieces, "\": wanted 1 or 2"));
    }
    options.pieces = pieces == "2" ? 2 : 1;
  }
  return options;
}

}  // namespace

uint32_t Device::Count() {
  int count = 0;
  if (!CheckDriver().ok() || cudaGetDeviceCount(&count) != cudaSuccess) return 0;
  return count > 0 ? static_cast<uint32_t>(count) : 0;
}

absl::StatusOr<rsn_device_info> Device::Query(uint32_t index) {
  RSN_RETURN_IF_ERROR(CheckDriver());
  const uint32_t count = Count();
  if (index >= count) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no CUDA device ", index, ", there are ", count));
  }
  cudaDeviceProp properties;
  RSN_RETURN_IF_ERROR(CudaStatus(cudaGetDeviceProperties(&properties, static_cast<int>(index)),
                                 "cudaGetDeviceProperties"));
  rsn_device_info info = Describe(static_cast<int>(index), properties);
  info.memory_free = FreeBytes(properties).value_or(0);
  return info;
}

absl::StatusOr<std::unique_ptr<Device>> Device::Open(const rsn_backend_host* host, uint32_t index) {
  RSN_ASSIGN_OR_RETURN(const rsn_device_info info, Query(index));
  if (info.problem[0] != 0) {
    return absl::UnavailableError(absl::StrCat(info.name, " cannot be opened: ", info.problem));
  }
  auto device = std::unique_ptr<Device>(new Device);
  device->index_ = static_cast<int>(index);
  if (host != nullptr) {
    std::memcpy(&device->host_, host, std::min<size_t>(host->struct_size, sizeof device->host_));
  }
  device->info_ = info;
  const ScopedDevice entered(*device);
  RSN_RETURN_IF_ERROR(entered.status());
  // A build for some cards only, or one card of several that is newer than the code.
  if (const cudaError_t error = FindCode(); error != cudaSuccess) {
    return absl::UnavailableError(absl::StrCat(info.name, " cannot be opened: ",
                                               device->Check(error, "code for the card").message()));
  }
  RSN_ASSIGN_OR_RETURN(device->dense_, DenseOptions());
  device->MakePool();
  RSN_RETURN_IF_ERROR(device->Check(
      cudaStreamCreateWithFlags(&device->stream_, cudaStreamNonBlocking), "opening the card"));
  return device;
}

// Not the process's own: what that keeps is others' choice, and would be kept when the card is closed.
void Device::MakePool() {
  int pools = 0;
  if (cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, index_) != cudaSuccess ||
      pools == 0) {
    return;
  }
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = index_;
  if (cudaMemPoolCreate(&pool_, &properties) != cudaSuccess) {
    cudaGetLastError();  // so that it is not taken for the next call's
    pool_ = nullptr;
    return;
  }
  // Scratch memory is taken and given back by every operation: keep it from the driver.
  uint64_t keep = UINT64_MAX;
  cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep);
}

Device::~Device() {
  const ScopedDevice entered(*this);
  if (!entered.status().ok() && !lost_) return;
  for (int i = 0; i < 2; ++i) {
    if (copied_[i] != nullptr) cudaEventDestroy(copied_[i]);
    if (pieces_[i] != nullptr) cudaFreeHost(pieces_[i]);
  }
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
  if (pool_ != nullptr) cudaMemPoolDestroy(pool_);
}

rsn_device_info Device::Info() {
  rsn_device_info info = info_;
  size_t free = 0, total = 0;
  const ScopedDevice entered(*this);
  if (entered.status().ok() && cudaMemGetInfo(&free, &total) == cudaSuccess) {
    info.memory_free = free;
    info.memory_total = total;
  } else if (lost_) {
    CopyText(info.problem, "the card is lost until the process ends");
  }
  return info;
}

absl::Status Device::Enter() {
  const cudaError_t entered = cudaSetDevice(index_);
  if (lost_) {
    cudaGetLastError();  // so that it is not taken for the next call's
    return absl::UnavailableError(absl::StrCat(
        info_.name, " is lost: an earlier operation failed on the card; other devices go on"));
  }
  return Check(entered, "cudaSetDevice");
}

absl::Status Device::Check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return absl::OkStatus();
  cudaGetLastError();  // so that it is not taken for the next call's
  if (!IsLost(error)) return CudaStatus(error, what);
  lost_ = true;
  return absl::UnavailableError(absl::StrCat(info_.name, " is lost: ",
                                             CudaStatus(error, what).message()));
}

absl::Status Device::OutOfMemory(uint64_t bytes) {
  size_t free = 0, total = 0;
  cudaGetLastError();
  cudaMemGetInfo(&free, &total);
  return absl::ResourceExhaustedError(absl::StrCat(info_.name, " is out of memory: ", bytes,
                                                   " bytes were asked for, ", free, " of ", total,
                                                   " are free"));
}

absl::StatusOr<void*> Device::Allocate(uint64_t bytes) {
  void* p = nullptr;
  cudaError_t error = cudaMalloc(&p, std::max<uint64_t>(bytes, 1));
  if (error == cudaErrorMemoryAllocation && pool_ != nullptr) {
    cudaGetLastError();
    cudaMemPoolTrimTo(pool_, 0);  // what operations have given back
    error = cudaMalloc(&p, std::max<uint64_t>(bytes, 1));
  }
  if (error == cudaErrorMemoryAllocation) return OutOfMemory(bytes);
  RSN_RETURN_IF_ERROR(Check(error, "cudaMalloc"));
  return p;
}

absl::Status Device::CopyIn(void* to, const void* from, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  for (int i = 0; i < 2 && pieces_[i] == nullptr; ++i) {
    if (copied_[i] == nullptr) {
      RSN_RETURN_IF_ERROR(Check(cudaEventCreateWithFlags(&copied_[i], cudaEventDisableTiming),
                                "cudaEventCreate"));
    }
    RSN_RETURN_IF_ERROR(
        Check(cudaHostAlloc(&pieces_[i], kPieceBytes, cudaHostAllocDefault), "pinned memory"));
  }
  const char* const source = static_cast<const char*>(from);
  uint64_t done = 0, told = 0;
  absl::Status status;
  for (int i = 0; done < bytes && status.ok(); i = 1 - i) {
    const uint64_t now = std::min(kPieceBytes, bytes - done);
    // The piece's copy of two rounds ago, or of an earlier weight.
    RSN_RETURN_IF_ERROR(Check(cudaEventSynchronize(copied_[i]), "copying a weight"));
    FillPiece(pieces_[i], source + done, now);
    RSN_RETURN_IF_ERROR(Check(cudaMemcpyAsync(static_cast<char*>(to) + done, pieces_[i], now,
                                              cudaMemcpyHostToDevice, stream_),
                              "copying a weight"));
    RSN_RETURN_IF_ERROR(Check(cudaEventRecord(copied_[i], stream_), "copying a weight"));
    done += now;
    if (done - told >= kToldBytes || done == bytes) {
      status = TellRead(source + told, done - told);
      told = done;
    }
  }
  RSN_RETURN_IF_ERROR(Check(cudaStreamSynchronize(stream_), "copying a weight"));
  return status;
}

void Device::FillPiece(void* to, const char* from, uint64_t bytes) {
  struct Copy {
    char* to;
    const char* from;
    uint64_t bytes;
  } copy{static_cast<char*>(to), from, bytes};
  const auto part = [](void* arg, uint32_t index, uint32_t) {
    const Copy& c = *static_cast<const Copy*>(arg);
    const uint64_t at = index * kPartBytes;
    std::memcpy(c.to + at, c.from + at, std::min(kPartBytes, c.bytes - at));
  };
  const uint32_t parts = static_cast<uint32_t>((bytes + kPartBytes - 1) / kPartBytes);
  if (host_.parallel_for != nullptr && parts > 1) {
    host_.parallel_for(host_.context, parts, part, &copy);
  } else {
    for (uint32_t i = 0; i < parts; ++i) part(&copy, i, 0);
  }
}

absl::Status Device::TellRead(const char* from, uint64_t bytes) const {
  if (host_.weight_read == nullptr) return absl::OkStatus();
  return host_.weight_read(host_.context, from, bytes) == 0
             ? absl::OkStatus()
             : absl::CancelledError("the host gave the weight up");
}

void Device::Log(uint32_t level, const std::string& text) const {
  if (host_.log != nullptr) host_.log(host_.context, level, text.c_str());
}

std::unique_ptr<Dense> Device::NewDense(cudaStream_t stream) {
  constexpr uint32_t kInformation = 2;
  std::lock_guard lock(dense_mutex_);
  const auto without = [&](const absl::Status& why) {
    Log(kInformation, absl::StrCat(info_.name, ": ", why.message(),
                                   "; the plug-in's own kernels multiply prompts"));
    return nullptr;
  };
  if (!sought_cublas_) {
    sought_cublas_ = true;
    if (EnvironmentVariable("RAISON_CUBLAS") == "off") return nullptr;
    absl::StatusOr<std::shared_ptr<Cublas>> cublas = Cublas::Open();
    if (!cublas.ok()) return without(cublas.status());
    cublas_ = *std::move(cublas);
    Log(kInformation, absl::StrCat(info_.name, ": large products of prompts by cuBLAS ",
                                   cublas_->version(), ", ", cublas_->file()));
  }
  if (cublas_ == nullptr) return nullptr;
  absl::StatusOr<std::unique_ptr<Dense>> dense = cublas_->NewDense(stream);
  if (!dense.ok()) return without(dense.status());
  (*dense)->options = dense_;
  return *std::move(dense);
}

absl::Status Device::Zero(void* p, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  RSN_RETURN_IF_ERROR(Check(cudaMemsetAsync(p, 0, bytes, stream_), "clearing a buffer"));
  return Check(cudaStreamSynchronize(stream_), "clearing a buffer");
}

absl::Status Device::Repeat(void* p, uint64_t given, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  char* const at = static_cast<char*>(p);
  for (uint64_t done = given; done < bytes; done *= 2) {  // twice as much with every copy
    RSN_RETURN_IF_ERROR(Check(cudaMemcpyAsync(at + done, at, std::min(done, bytes - done),
                                              cudaMemcpyDeviceToDevice, stream_),
                              "repeating a weight"));
  }
  return Check(cudaStreamSynchronize(stream_), "repeating a weight");
}

absl::Status Device::Pack(void* p, uint64_t bytes) {
  constexpr uint64_t kGroupBytes = 8 * 34;
  std::lock_guard lock(mutex_);
  RSN_RETURN_IF_ERROR(Check(PackQ8(p, static_cast<int64_t>(bytes / kGroupBytes), stream_),
                            "packing a weight"));
  return Check(cudaStreamSynchronize(stream_), "packing a weight");
}

absl::StatusOr<std::unique_ptr<DeviceMemory>> NewMemory(Device& device, uint64_t bytes) {
  auto memory = std::make_unique<DeviceMemory>();
  memory->device = &device;
  memory->bytes = bytes;
  // Whole words: of a block that ends in the middle of one, kernels load all of it (LoadWords).
  RSN_ASSIGN_OR_RETURN(void* const p, device.Allocate((bytes + 3) / 4 * 4));
  memory->data = static_cast<std::byte*>(p);
  return memory;
}

void FreeMemory(DeviceMemory* memory) {
  if (memory == nullptr) return;
  const ScopedDevice entered(*memory->device);
  cudaFree(memory->data);
  delete memory;
}

}  // namespace raison::cuda
