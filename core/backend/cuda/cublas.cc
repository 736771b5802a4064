#include "core/backend/cuda/cublas.h"

#include <glob.h>

#include "core/backend/cuda/errors.h"
#include "core/base/os/library_path.h"
#include "raison/backend.h"

namespace raison::cuda {

// Of <cublas_api.h> and <library_types.h>.
namespace {
constexpr int kNoTranspose = 0, kTranspose = 1;
constexpr int kF16 = 2, kBF16 = 14, kF32 = 0;
constexpr int kComputeF32 = 68;
constexpr int kDefaultAlgorithm = -1;
// Partial sums of a product that the library splits stay f32.
constexpr int kSumsInF32 = 16;
constexpr int kMajor = 0, kMinor = 1, kPatch = 2;  // libraryPropertyType

// What cuBLAS itself takes on Hopper; on older cards it takes less.
constexpr size_t kWorkspaceBytes = 32 << 20;

constexpr const char* kName = "libcublas.so.13";
constexpr const char* kLightName = "libcublasLt.so.13";

void AddFolder(std::vector<Library::Candidate>& to, const std::string& folder) {
  to.push_back({absl::StrCat(folder, "/", kName), absl::StrCat(folder, "/", kLightName)});
}

void AddFolders(std::vector<Library::Candidate>& to, const std::string& pattern) {
  glob_t found{};
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) AddFolder(to, found.gl_pathv[i]);
  }
  globfree(&found);
}
}  // namespace

std::vector<Library::Candidate> Cublas::Candidates() {
  if (const std::string wished = EnvironmentVariable("RAISON_CUBLAS"); !wished.empty()) return {{wished}};
  std::vector<Library::Candidate> all;
  const std::string own = LibraryFolder(), home = EnvironmentVariable("HOME");
  if (!own.empty()) AddFolder(all, own);
  for (const char* toolkit : {"CUDA_HOME", "CUDA_PATH"}) {
    const std::string root = EnvironmentVariable(toolkit);
    if (root.empty()) continue;
    AddFolder(all, root + "/lib64");
    AddFolder(all, root + "/lib");
  }
  AddFolder(all, "/usr/local/cuda/lib64");
  AddFolders(all, "/usr/local/cuda-13*/lib64");
  all.push_back({kName});  // the loader's own path
  // Python's packages: of the environment in use, of the one that the plug-in is installed in, and
  // of the user and the system. CUDA 13's wheels use nvidia/cu13, some have a folder for each
  // library.
  std::vector<std::string> packages;
  for (const char* root : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    const std::string folder = EnvironmentVariable(root);
    if (!folder.empty()) packages.push_back(folder + "/lib/python3*/site-packages");
  }
  for (const char* up : {"/..", "/../..", "/../../.."}) {
    if (!own.empty()) packages.push_back(own + up);
  }
  if (!home.empty()) packages.push_back(home + "/.local/lib/python3*/site-packages");
  packages.push_back("/usr/local/lib/python3*/*-packages");
  packages.push_back("/usr/lib/python3*/*-packages");
  for (const std::string& folder : packages) {
    AddFolders(all, folder + "/nvidia/*/lib");
  }
  // The toolkit as packaging/setup.sh --with-cuda unpacks it.
  if (const std::string cache = CacheFolder(); !cache.empty()) {
    AddFolders(all, cache + "/cuda-13.0/nvidia/*/lib");
  }
  return all;
}

absl::StatusOr<std::shared_ptr<Cublas>> Cublas::Open() {
  auto cublas = std::make_shared<Cublas>();
  cublas->library_ = Library::Open(Candidates());
  if (!cublas->library_) {
    return absl::UnavailableError(
        absl::StrCat("cuBLAS (", kName, ") does not open: ", cublas->library_.problem()));
  }
  RSN_RETURN_IF_ERROR(cublas->Find());
  return cublas;
}

absl::Status Cublas::Find() {
  const bool all = library_.Find("cublasCreate_v2", calls_.create) &&
                   library_.Find("cublasDestroy_v2", calls_.destroy) &&
                   library_.Find("cublasGetProperty", calls_.property) &&
                   library_.Find("cublasSetStream_v2", calls_.set_stream) &&
                   library_.Find("cublasSetWorkspace_v2", calls_.set_workspace) &&
                   library_.Find("cublasSetMathMode", calls_.set_math) &&
                   library_.Find("cublasGemmEx", calls_.gemm);
  return all ? absl::OkStatus() : absl::UnavailableError(library_.problem());
}

std::string Cublas::version() const {
  int v[3] = {};
  for (const int which : {kMajor, kMinor, kPatch}) calls_.property(which, &v[which]);
  return absl::StrCat(v[0], ".", v[1], ".", v[2]);
}

// -------- one queue's
// ---------------------------------------------------------------------------------

class CublasDense : public Dense {
 public:
  explicit CublasDense(std::shared_ptr<Cublas> cublas) : cublas_(std::move(cublas)) {}
  ~CublasDense() override {
    if (handle_ != nullptr) cublas_->calls_.destroy(handle_);
    if (workspace_ != nullptr) cudaFree(workspace_);
  }

  absl::Status Init(cudaStream_t stream) {
    const Cublas::Calls& calls = cublas_->calls_;
    if (const cudaError_t error = cudaMalloc(&workspace_, kWorkspaceBytes); error != cudaSuccess) {
      workspace_ = nullptr;
      cudaGetLastError();  // so that it is not taken for the next call's
      return CudaStatus(error, "the workspace of cuBLAS");
    }
    // The stream first: setting it takes the workspace away again.
    int status = calls.create(&handle_);
    if (status == 0) status = calls.set_stream(handle_, stream);
    if (status == 0) status = calls.set_workspace(handle_, workspace_, kWorkspaceBytes);
    if (status == 0) status = calls.set_math(handle_, kSumsInF32);
    if (status == 0) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("cuBLAS does not start: its status is ", status));
  }

  // Row-major c = b a^T is column-major c^T = a b^T: a transposed, b as it is.
  bool Multiply(const Gemm& g) override {
    const float beta = g.add ? 1.0f : 0.0f;
    const int type = g.type == RSN_DTYPE_F16 ? kF16 : kBF16;
    const auto number = [](int64_t n) { return static_cast<int>(n); };
    const int status = cublas_->calls_.gemm(
        handle_, kTranspose, kNoTranspose, number(g.outputs), number(g.rows), number(g.width),
        &g.alpha, g.a, type, number(g.a_stride), g.b, type, number(g.width), &beta, g.c, kF32,
        number(g.c_stride), kComputeF32, kDefaultAlgorithm);
    if (status == 0) return true;
    problem = absl::StrCat("cuBLAS refuses a product of ", g.rows, " rows, ", g.outputs,
                           " outputs and width ", g.width, " with its status ", status,
                           "; RAISON_CUBLAS=off does without it");
    return false;
  }

 private:
  std::shared_ptr<Cublas> cublas_;
  void* handle_ = nullptr;
  void* workspace_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Dense>> Cublas::NewDense(cudaStream_t stream) {
  auto dense = std::make_unique<CublasDense>(shared_from_this());
  RSN_RETURN_IF_ERROR(dense->Init(stream));
  return dense;
}

}  // namespace raison::cuda
