// Dense products of a prompt's chunk: cuBLAS's own bf16 rate, and beside it the CUDA back end's at
// the same shapes, by cuBLAS and by its own kernels; how fast one row reads the weight, and a copy
// on the card. For tests/gpu.sh: needs a card, and neither a compiler nor a model.
//
//   raison-cuda-rate PLUGIN [ROWS OUTPUTS WIDTH]...     PLUGIN: libraison-cuda.so
//
// Exit status: 0 measured (or cuBLAS is not there, and that is said), 1 something is wrong, 77 no
// card.
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/backend/cuda/cublas.h"
#include "core/backend/cuda/cuda_backend.h"
#include "core/backend/cuda/errors.h"
#include "raison/backend.h"

namespace raison {
namespace {

using Clock = std::chrono::steady_clock;
using OpenFunction = int32_t (*)(const rsn_backend_host*, rsn_backend*);

struct Shape {
  int64_t rows, outputs, width;
};
// Qwen2-7B's q, gate or up, and down; V3's output of attention; one chunk of a prompt.
constexpr Shape kShapes[] = {
    {512, 3584, 3584}, {512, 18944, 3584}, {512, 3584, 18944}, {512, 7168, 16384}};

struct Type {
  uint32_t dtype;
  const char* name;
  int64_t block, bytes;
};
constexpr Type kTypes[] = {{RSN_DTYPE_Q8_0, "q8_0", 32, 34},
                           {RSN_DTYPE_Q4_K, "q4_k", 256, 144},
                           {RSN_DTYPE_F16, "f16", 1, 2},
                           {RSN_DTYPE_BF16, "bf16", 1, 2}};

// Small numbers in any of these types: what lies where a half is read is below 2.
std::vector<unsigned char> Bytes(int64_t count) {
  std::vector<unsigned char> bytes(static_cast<size_t>(count));
  uint64_t state = 1;
  for (size_t i = 0; i < bytes.size(); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    bytes[i] = static_cast<unsigned char>(i % 2 == 1 ? 0x30 + (state >> 60) / 2 : state >> 56);
  }
  return bytes;
}

// Seconds for one call of many; `wait` ends them.
template <typename Call, typename Wait>
double Seconds(const Call& call, const Wait& wait) {
  constexpr int kWarm = 3;
  constexpr double kLong = 0.2;  // enough for the clock and for the card's own
  for (int i = 0; i < kWarm; ++i) call();
  wait();
  for (int count = 10;; count *= 4) {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < count; ++i) call();
    wait();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (seconds > kLong) return seconds / count;
  }
}

int Fail(const char* what, const std::string& why) {
  std::fprintf(stderr, "cuda-rate: %s: %s\n", what, why.c_str());
  return 1;
}

double Work(const Shape& s) {  // in units of 1e12 operations
  return 2e-12 * static_cast<double>(s.rows) * static_cast<double>(s.outputs) *
         static_cast<double>(s.width);
}

// Bytes read and written per second by a copy on the card, in 1e9; 0: it does not work.
double CopyRate() {
  constexpr size_t kBytes = size_t{256} << 20;  // more than the card keeps near
  cudaStream_t stream = nullptr;
  void *from = nullptr, *to = nullptr;
  double rate = 0;
  if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess) return 0;
  if (cudaMalloc(&from, kBytes) == cudaSuccess && cudaMalloc(&to, kBytes) == cudaSuccess) {
    bool works = true;
    const double seconds = Seconds(
        [&] {
          works = works && cudaMemcpyAsync(to, from, kBytes, cudaMemcpyDeviceToDevice, stream) ==
                               cudaSuccess;
        },
        [&] { works = works && cudaStreamSynchronize(stream) == cudaSuccess; });
    if (works) rate = 2e-9 * static_cast<double>(kBytes) / seconds;
  }
  for (void* p : {from, to}) cudaFree(p);
  cudaStreamDestroy(stream);
  return rate;
}

// -------- the library alone
// -----------------------------------------------------------------------------

// In 1e12 operations per second; 0: it does not work.
double LibraryRate(cuda::Cublas& cublas, const Shape& s) {
  cudaStream_t stream = nullptr;
  void *a = nullptr, *b = nullptr, *c = nullptr;
  double rate = 0;
  const auto bytes = [](int64_t n, int64_t size) { return static_cast<size_t>(n * size); };
  if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess) return 0;
  {
    auto dense = cublas.NewDense(stream);
    if (dense.ok() && cudaMalloc(&a, bytes(s.outputs * s.width, 2)) == cudaSuccess &&
        cudaMalloc(&b, bytes(s.rows * s.width, 2)) == cudaSuccess &&
        cudaMalloc(&c, bytes(s.rows * s.outputs, 4)) == cudaSuccess &&
        cudaMemsetAsync(a, 0x3c, bytes(s.outputs * s.width, 2), stream) == cudaSuccess &&
        cudaMemsetAsync(b, 0x3d, bytes(s.rows * s.width, 2), stream) == cudaSuccess) {
      const cuda::Gemm g{.outputs = s.outputs,
                         .rows = s.rows,
                         .width = s.width,
                         .a = a,
                         .a_stride = s.width,
                         .b = b,
                         .type = RSN_DTYPE_BF16,
                         .c = static_cast<float*>(c),
                         .c_stride = s.outputs,
                         .alpha = 1,
                         .add = false};
      bool works = true;
      const double seconds =
          Seconds([&] { works = works && (*dense)->Multiply(g); },
                  [&] { works = works && cudaStreamSynchronize(stream) == cudaSuccess; });
      if (works) rate = Work(s) / seconds;
    }
  }
  for (void* p : {a, b, c}) cudaFree(p);
  cudaStreamDestroy(stream);
  return rate;
}

// -------- the back end
// ----------------------------------------------------------------------------------

class Table {
 public:
  explicit Table(OpenFunction open) {
    table_.struct_size = sizeof table_;
    good_ = open(nullptr, &table_) == 0 && table_.device_count() > 0 &&
            table_.device_open(nullptr, 0, &device_) == 0 &&
            table_.queue_new(device_, &queue_) == 0;
    if (!good_) problem_ = table_.device_count() == 0 ? "there is no card" : table_.last_error();
  }
  ~Table() {
    if (queue_ != nullptr) table_.queue_free(queue_);
    if (device_ != nullptr) table_.device_close(device_);
  }
  bool good() const { return good_; }
  const std::string& problem() const { return problem_; }

  // The rate of one product; `chunk`: as a prompt's, which may go to the library.
  double Rate(const Type& type, const Shape& s, bool chunk) {
    const std::vector<unsigned char> bytes = Bytes(s.outputs * s.width / type.block * type.bytes);
    rsn_matmul a{};
    a.struct_size = sizeof a;
    a.terms = 1;
    rsn_tensor& weight = a.term[0].weight;
    weight = {.dtype = type.dtype,
              .rank = 2,
              .shape = {s.outputs, s.width},
              .stride = {s.width / type.block * type.bytes, type.bytes}};
    a.in = {
        .dtype = RSN_DTYPE_F32, .rank = 2, .shape = {s.rows, s.width}, .stride = {s.width * 4, 4}};
    a.term[0].out = {.dtype = RSN_DTYPE_F32,
                     .rank = 2,
                     .shape = {s.rows, s.outputs},
                     .stride = {s.outputs * 4, 4}};
    const rsn_chunk whole{0, static_cast<uint32_t>(s.rows)};
    if (chunk) a.chunk = &whole, a.chunks = 1;
    uint32_t referenced = 0;
    double rate = 0;
    if (table_.weight(device_, &weight, bytes.data(), bytes.size(), RSN_WEIGHT_MAY_REPACK,
                      &referenced) == 0 &&
        table_.buffer_new(device_, static_cast<uint64_t>(s.rows * s.width * 4), &a.in.buffer) ==
            0 &&
        table_.buffer_new(device_, static_cast<uint64_t>(s.rows * s.outputs * 4),
                          &a.term[0].out.buffer) == 0) {
      bool works = true;
      const double seconds = Seconds([&] { works = works && table_.matmul(queue_, &a) == 0; },
                                     [&] { works = table_.synchronize(queue_) == 0 && works; });
      if (works) rate = Work(s) / seconds;
    }
    if (rate == 0) problem_ = table_.last_error();
    for (rsn_buffer* b : {weight.buffer, a.in.buffer, a.term[0].out.buffer}) {
      if (b != nullptr) table_.buffer_free(b);
    }
    return rate;
  }

 private:
  rsn_backend table_{};
  rsn_device_state* device_ = nullptr;
  rsn_queue* queue_ = nullptr;
  bool good_ = false;
  std::string problem_;
};

int Measure(OpenFunction open, const std::vector<Shape>& shapes) {
  if (const absl::Status driver = cuda::CheckDriver(); !driver.ok()) {
    std::printf("not measured: %s\n", std::string(driver.message()).c_str());
    return 77;
  }
  setenv("RAISON_CUBLAS_LEAST", "0", 1);
  Table table(open);
  if (!table.good()) {
    std::printf("not measured: %s\n", table.problem().c_str());
    return 77;
  }
  auto cublas = cuda::Cublas::Open();
  if (cublas.ok()) {
    std::printf("cuBLAS %s, %s\n", (*cublas)->version().c_str(), (*cublas)->file().c_str());
  } else {
    std::printf("cuBLAS: not measured: %s\n", std::string(cublas.status().message()).c_str());
  }
  std::printf("a copy on the card: %.0f GB/s, read and written\n", CopyRate());
  std::printf("1e12 operations per second, rows x outputs x width\n");
  for (const Shape& s : shapes) {
    const double library = cublas.ok() ? LibraryRate(**cublas, s) : 0;
    std::printf("%lld x %lld x %lld: cuBLAS bf16 ", static_cast<long long>(s.rows),
                static_cast<long long>(s.outputs), static_cast<long long>(s.width));
    cublas.ok() ? std::printf("%.1f\n", library) : std::printf("not measured\n");
    if (cublas.ok() && library == 0) return Fail("cuBLAS", "a product fails");
    for (const Type& type : kTypes) {
      std::printf("  %-5s", type.name);
      for (const bool chunk : {false, true}) {
        if (chunk && !cublas.ok()) continue;
        const double rate = table.Rate(type, s, chunk);
        if (rate == 0) return Fail(type.name, table.problem());
        std::printf("  %s %.1f", chunk ? "by cuBLAS" : "own kernels", rate);
        if (library > 0) std::printf(" (%.0f %% of bf16)", 100 * rate / library);
      }
      // What a token being generated waits for: the weight's bytes.
      const double rate = table.Rate(type, {1, s.outputs, s.width}, false);
      if (rate == 0) return Fail(type.name, table.problem());
      std::printf("  one row: %.1f GB/s\n", 1e3 * rate / 2 * static_cast<double>(type.bytes) /
                                                static_cast<double>(type.block));
    }
  }
  return 0;
}

// The plug-in's own, or what the program was linked with.
OpenFunction Find(const char* plugin, std::string& problem) {
#ifdef RAISON_CUDA_LINKED
  (void)plugin, (void)problem;
  return OpenCudaBackend;
#else
  void* const file = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
  if (file == nullptr) return problem = dlerror(), nullptr;
  problem = "it is no back end";
  return reinterpret_cast<OpenFunction>(dlsym(file, "rsn_backend_open"));
#endif
}

}  // namespace
}  // namespace raison

int main(int count, char** arguments) {
  using namespace raison;
  if (count < 2 || (count - 2) % 3 != 0) {
    std::fprintf(stderr, "usage: %s PLUGIN [ROWS OUTPUTS WIDTH]...\n", arguments[0]);
    return 2;
  }
  std::string problem;
  const OpenFunction open = Find(arguments[1], problem);
  if (open == nullptr) return Fail(arguments[1], problem);
  std::vector<Shape> shapes;
  for (int i = 2; i + 2 < count; i += 3) {
    const Shape s{std::atoll(arguments[i]), std::atoll(arguments[i + 1]),
                  std::atoll(arguments[i + 2])};
    // Whole blocks of every type; a size that no card has is refused by the back end.
    if (s.rows < 1 || s.outputs < 1 || s.width < 256 || s.width % 256 != 0) {
      return Fail("a shape", "wanted positive numbers and a width of whole 256");
    }
    shapes.push_back(s);
  }
  if (shapes.empty()) shapes.assign(std::begin(kShapes), std::end(kShapes));
  return Measure(open, shapes);
}
