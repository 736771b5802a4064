#include "core/backend/cuda/errors.h"

#include <cctype>
#include <fstream>

#include "core/backend/reference/guard.h"

namespace raison::cuda {
namespace {

std::string& ErrorText() {
  thread_local std::string text;
  return text;
}

// The toolkit's version that the code is built with: its driver is the oldest that works.
constexpr int kNeededVersion = 13000;

std::string VersionText(int version) {  // 13000 -> "13.0"
  return absl::StrCat(version / 1000, ".", version % 1000 / 10);
}

}  // namespace

const char* LastError() { return ErrorText().c_str(); }

int32_t Keep(const absl::Status& status) noexcept {
  if (status.ok()) return 0;
  try {
    ErrorText() = std::string(status.message());
  } catch (...) {  // not even the sentence can be kept; the number can
    ErrorText().clear();
  }
  return reference::CodeOf(status);
}

bool IsLost(cudaError_t error) {
  const int e = static_cast<int>(error);
  switch (e) {
    case 35:   // insufficient driver
    case 46:   // devices unavailable
    case 100:  // no device
    case 214:  // uncorrectable memory error
    case 220:  // uncorrectable error of a link
    case 226:  // an error that the driver has contained: the process must end
    case 700:  // illegal address
    case 702:  // launch timeout
    case 709:  // the context is destroyed
    case 710:  // device-side assertion
    case 714:  // stack error
    case 715:  // illegal instruction
    case 716:  // misaligned address
    case 717:  // invalid address space
    case 718:  // invalid program counter
    case 719:  // launch failure
    case 810:  // the client of a shared card was terminated
      return true;
    default:
      return false;
  }
}

absl::Status CudaStatus(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return absl::OkStatus();
  const std::string text =
      absl::StrCat(what, ": ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
  if (error == cudaErrorMemoryAllocation) return absl::ResourceExhaustedError(text);
  if (IsLost(error)) return absl::UnavailableError(text);
  return absl::InternalError(text);
}

absl::Status CheckDriver() {
  int version = 0;
  if (cudaDriverGetVersion(&version) != cudaSuccess) version = 0;
  if (version == 0) {
    return absl::UnavailableError(
        absl::StrCat("no NVIDIA driver is installed: the CUDA back end needs one that supports CUDA ",
                     VersionText(kNeededVersion), " (580 or newer)"));
  }
  if (version < kNeededVersion) {
    return absl::UnavailableError(
        absl::StrCat("the NVIDIA driver supports CUDA ", VersionText(version),
                     ", the CUDA back end needs ", VersionText(kNeededVersion),
                     ": install driver 580 or newer"));
  }
  // A driver without its kernel module, of another version than that, or that may show no card.
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  cudaGetLastError();  // so that it is not taken for the next call's
  if (error == cudaSuccess && count > 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "the NVIDIA driver shows no card: ",
      error == cudaSuccess ? "there is none" : CudaStatus(error, "cudaGetDeviceCount").message()));
}

std::string DriverVersion() {
  std::ifstream file("/sys/module/nvidia/version");
  std::string text;
  if (file && std::getline(file, text) && !text.empty() &&
      std::isdigit(static_cast<unsigned char>(text[0])) != 0) {
    return text;
  }
  int version = 0;
  if (cudaDriverGetVersion(&version) != cudaSuccess || version == 0) return "";
  return absl::StrCat("CUDA ", VersionText(version));
}

}  // namespace raison::cuda
