// NVIDIA's cuBLAS, opened at run time: it is half a GiB, and most machines have it already or do
// without. Sought where RAISON_CUBLAS says, in the toolkit, in the loader's path and in Python's
// packages. A machine without it gets a sentence, and the plug-in's own kernels do all the work.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/backend/cuda/context.h"
#include "core/backend/cuda/library.h"
#include "core/base/status.h"

namespace raison::cuda {

class Cublas : public std::enable_shared_from_this<Cublas> {
 public:
  // Where it is sought, in order.
  static std::vector<Library::Candidate> Candidates();
  static absl::StatusOr<std::shared_ptr<Cublas>> Open();

  const std::string& file() const { return library_.file(); }
  std::string version() const;
  // Dense products on a stream of the current card, with a workspace of their own: so that what is
  // chosen inside depends on the shapes alone.
  absl::StatusOr<std::unique_ptr<Dense>> NewDense(cudaStream_t stream);

 private:
  friend class CublasDense;
  absl::Status Find();

  // The few functions of <cublas_v2.h> that are used; a status is an int, 0 is success.
  struct Calls {
    int (*create)(void** handle);
    int (*destroy)(void* handle);
    int (*property)(int which, int* value);
    int (*set_stream)(void* handle, cudaStream_t stream);
    int (*set_workspace)(void* handle, void* workspace, size_t bytes);
    int (*set_math)(void* handle, int mode);
    int (*gemm)(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
                const void* alpha, const void* a, int a_type, int lda, const void* b, int b_type,
                int ldb, const void* beta, void* c, int c_type, int ldc, int compute,
                int algorithm);
  };
  Library library_;
  Calls calls_{};
};

}  // namespace raison::cuda
