// Stands in for libcublas.so.13 on the emulated card: plain loops on the queue's stream, written
// from the library's documentation in its own terms (column-major, transposes, leading dimensions),
// so that what the back end passes is really used. Sums are rounded as tensor cores do it: f32, cut
// off after every 16 products. Refuses what the real one refuses, and counts what is alive.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <vector>

#include "core/base/half.h"
#include "tests/backend/simt/cuda_runtime.h"

namespace {

constexpr int kNotInitialized = 1, kInvalidValue = 7, kNotSupported = 15, kExecutionFailed = 13;

struct Handle {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  int math = 0;
};
std::set<void*> g_handles;

struct Work {
  bool transpose_a, transpose_b;
  int m, n, k, lda, ldb, ldc;
  float alpha, beta;
  const uint16_t *a, *b;
  bool brain;
  float* c;
};

std::vector<std::unique_ptr<Work>> g_work;  // a graph may run it again: kept to the end

float Value(uint16_t bits, bool brain) {
  if (!brain) return raison::F16ToF32(bits);
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float f;
  std::memcpy(&f, &wide, 4);
  return f;
}
// To f32 toward zero.
float CutOff(double v) {
  const float f = static_cast<float>(v);
  if (!(std::fabs(v) < std::numeric_limits<float>::infinity())) return f;
  return std::fabs(f) > std::fabs(v) ? std::nextafter(f, 0.0f) : f;
}

// (count, k) of a column-major operand; `along`: k runs along its columns.
std::vector<float> Rows(const uint16_t* from, int count, int k, int ld, bool along, bool brain) {
  std::vector<float> rows(static_cast<size_t>(count) * static_cast<size_t>(k));
  size_t to = 0;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t n = 0; n < k; ++n)
      rows[to++] = Value(from[along ? n + i * ld : i + n * ld], brain);
  }
  return rows;
}

void Run(void* data) {
  const Work& w = *static_cast<Work*>(data);
  constexpr int kStep = 16;  // products of one instruction of a tensor core
  const std::vector<float> a = Rows(w.a, w.m, w.k, w.lda, w.transpose_a, w.brain);
  const std::vector<float> b = Rows(w.b, w.n, w.k, w.ldb, !w.transpose_b, w.brain);
  for (int j = 0; j < w.n; ++j) {
    for (int i = 0; i < w.m; ++i) {
      const float* x = a.data() + int64_t{i} * w.k;
      const float* y = b.data() + int64_t{j} * w.k;
      float sum = 0;
      for (int first = 0; first < w.k; first += kStep) {
        double part = sum;
        for (int k = first; k < first + kStep && k < w.k; ++k)
          part += static_cast<double>(x[k]) * y[k];
        sum = CutOff(part);
      }
      float* c = w.c + i + int64_t{j} * w.ldc;
      // beta = 0: c is not read, it may hold anything.
      *c = w.beta == 0 ? w.alpha * sum : std::fmaf(w.alpha, sum, w.beta * *c);
    }
  }
}

Handle* Find(void* handle) {
  return g_handles.count(handle) != 0 ? static_cast<Handle*>(handle) : nullptr;
}

}  // namespace

extern "C" {

// What a test sets and reads.
struct CublasDouble {
  int handles = 0;   // alive
  int products = 0;  // asked for
  int odd = 0;       // of another number of rows than 512, or without workspace
  bool starts = true, fails = false;
} cublas_double;

int cublasCreate_v2(void** handle) {
  if (!cublas_double.starts) return kNotInitialized;
  *handle = new Handle;
  g_handles.insert(*handle);
  ++cublas_double.handles;
  return 0;
}
int cublasDestroy_v2(void* handle) {
  if (Find(handle) == nullptr) return kNotInitialized;
  g_handles.erase(handle);
  delete static_cast<Handle*>(handle);
  --cublas_double.handles;
  return 0;
}
int cublasGetProperty(int which, int* value) {
  *value = which == 0 ? 13 : 0;
  return 0;
}
int cublasSetStream_v2(void* handle, cudaStream_t stream) {
  Handle* const h = Find(handle);
  if (h == nullptr) return kNotInitialized;
  h->stream = stream;
  h->workspace = nullptr;  // as the real one
  return 0;
}
int cublasSetWorkspace_v2(void* handle, void* workspace, size_t) {
  Handle* const h = Find(handle);
  if (h == nullptr) return kNotInitialized;
  if (reinterpret_cast<uintptr_t>(workspace) % 256 != 0) return kInvalidValue;
  h->workspace = workspace;
  return 0;
}
int cublasSetMathMode(void* handle, int mode) {
  Handle* const h = Find(handle);
  if (h == nullptr) return kNotInitialized;
  if (mode != 0 && mode != 16) return kInvalidValue;
  h->math = mode;
  return 0;
}
int cublasGemmEx(void* handle, int transa, int transb, int m, int n, int k, const void* alpha,
                 const void* a, int a_type, int lda, const void* b, int b_type, int ldb,
                 const void* beta, void* c, int c_type, int ldc, int compute, int algorithm) {
  Handle* const h = Find(handle);
  if (h == nullptr) return kNotInitialized;
  if (cublas_double.fails) return kExecutionFailed;
  ++cublas_double.products;
  if (n != 512 || h->workspace == nullptr || h->math != 16) ++cublas_double.odd;
  if (a_type != b_type || (a_type != 2 && a_type != 14) || c_type != 0 || compute != 68 ||
      algorithm != -1) {
    return kNotSupported;
  }
  if (m < 0 || n < 0 || k < 0 || transa < 0 || transa > 1 || transb < 0 || transb > 1 ||
      lda < (transa == 1 ? k : m) || ldb < (transb == 1 ? n : k) || ldc < m || a == nullptr ||
      b == nullptr || c == nullptr) {
    return kInvalidValue;
  }
  g_work.push_back(std::make_unique<Work>(
      Work{transa == 1, transb == 1, m, n, k, lda, ldb, ldc, *static_cast<const float*>(alpha),
           *static_cast<const float*>(beta), static_cast<const uint16_t*>(a),
           static_cast<const uint16_t*>(b), a_type == 14, static_cast<float*>(c)}));
  return cudaLaunchHostFunc(h->stream, Run, g_work.back().get()) == cudaSuccess ? 0
                                                                                : kExecutionFailed;
}

}  // extern "C"
