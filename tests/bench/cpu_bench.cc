// The CPU back end's operations on the shapes of real models, through the C table.
// usage: cpu_bench [--threads=N] [Google Benchmark's own options]
// Rates: "mac" multiply-adds and "weights" bytes of weights (or cache) per second. With one thread
// Google Benchmark's CPU time is the whole work, so the rates hold on a busy machine, too.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/backend/cpu/cpu_backend.h"
#include "core/base/dtype.h"
#include "core/base/half.h"
#include "core/base/thread_pool.h"

namespace raison {
namespace {

uint32_t g_threads = 1;

class Bench {
 public:
  Bench() : pool_(g_threads) {
    host_ = {.struct_size = sizeof host_,
             .threads = pool_.size(),
             .context = &pool_,
             .log = nullptr,
             .parallel_for =
                 [](void* context, uint32_t count, void (*task)(void*, uint32_t, uint32_t),
                    void* arg) { static_cast<ThreadPool*>(context)->ParallelFor(count, task, arg); },
             .cache_directory = nullptr};
    table.struct_size = sizeof table;
    OpenCpuBackend(&host_, &table);
    table.device_open(&host_, 0, &device_);
    table.queue_new(device_, &queue);
  }
  ~Bench() {
    table.queue_free(queue);
    for (rsn_buffer* b : buffers_) table.buffer_free(b);
    table.device_close(device_);
  }

  static rsn_tensor Describe(DType type, std::vector<int64_t> shape) {
    rsn_tensor t{};
    t.dtype = static_cast<uint32_t>(type);
    t.rank = static_cast<uint32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), t.shape);
    t.stride[t.rank - 1] = Traits(type).bytes;
    int64_t bytes = static_cast<int64_t>(RowBytes(type, static_cast<size_t>(shape.back())));
    for (uint32_t d = t.rank - 1; d-- > 0;) {
      t.stride[d] = bytes;
      bytes *= shape[d];
    }
    return t;
  }
  static uint64_t Bytes(const rsn_tensor& t) {
    uint64_t n = RowBytes(static_cast<DType>(t.dtype), static_cast<size_t>(t.shape[t.rank - 1]));
    for (uint32_t d = 0; d + 1 < t.rank; ++d) n *= static_cast<uint64_t>(t.shape[d]);
    return n;
  }
  rsn_tensor New(DType type, std::vector<int64_t> shape) {
    rsn_tensor t = Describe(type, shape);
    table.buffer_new(device_, Bytes(t), &t.buffer);
    buffers_.push_back(t.buffer);
    return t;
  }
  rsn_tensor Floats(std::vector<int64_t> shape) {
    rsn_tensor t = New(DType::kF32, shape);
    std::vector<float> x(Bytes(t) / 4);
    for (float& v : x) v = static_cast<float>(static_cast<int32_t>(random_())) * 0x1p-31f;
    table.upload(queue, t.buffer, 0, x.data(), Bytes(t));
    return t;
  }
  rsn_tensor Ints(const std::vector<int32_t>& x) {
    rsn_tensor t = New(DType::kI32, {static_cast<int64_t>(x.size())});
    table.upload(queue, t.buffer, 0, x.data(), x.size() * 4);
    return t;
  }
  // Blocks of random codes with small scales.
  rsn_tensor Weight(DType type, std::vector<int64_t> shape, bool repack) {
    rsn_tensor t = Describe(type, shape);
    std::vector<uint8_t> bytes(Bytes(t));
    for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
      const uint32_t r = random_() & 0x3f3f3f3fu;  // as f16: never NaN or infinity
      std::memcpy(&bytes[i], &r, 4);
    }
    uint32_t referenced = 0;
    table.weight(device_, &t, bytes.data(), bytes.size(), repack ? RSN_WEIGHT_MAY_REPACK : 0u,
                 &referenced);
    buffers_.push_back(t.buffer);
    return t;
  }

  rsn_backend table{};
  rsn_queue* queue = nullptr;

 private:
  ThreadPool pool_;
  rsn_backend_host host_{};
  rsn_device_state* device_ = nullptr;
  std::vector<rsn_buffer*> buffers_;
  std::minstd_rand random_{7};
};

void Rates(benchmark::State& state, double macs, double bytes) {
  const double n = static_cast<double>(state.iterations());
  state.counters["mac"] = benchmark::Counter(macs * n, benchmark::Counter::kIsRate);
  state.counters["weights"] = benchmark::Counter(bytes * n, benchmark::Counter::kIsRate);
}

// Rows of activations times (out, in).
void MatMul(benchmark::State& state, DType type, int64_t out, int64_t in, bool repack) {
  Bench b;
  const int64_t rows = state.range(0);
  rsn_matmul a{.struct_size = sizeof a, .terms = 1};
  a.in = b.Floats({rows, in});
  a.term[0].weight = b.Weight(type, {out, in}, repack);
  a.term[0].out = b.Floats({rows, out});
  for (auto _ : state) b.table.matmul(b.queue, &a);
  if (b.table.synchronize(b.queue) != 0) state.SkipWithError(b.table.last_error());
  Rates(state, static_cast<double>(rows * out * in),
        static_cast<double>(Bench::Bytes(Bench::Describe(type, {out, in}))));
}

// V2-Lite's experts: 64 of 1408 x 2048, 6 chosen for each token.
void Experts(benchmark::State& state) {
  Bench b;
  const int64_t rows = state.range(0), experts = 64, used = 6, width = 2048, inner = 1408;
  rsn_moe_experts a{.struct_size = sizeof a};
  a.in = b.Floats({rows, width});
  std::vector<int32_t> ids, slots;
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t i = 0; i < used; ++i) ids.push_back(static_cast<int32_t>((t * 5 + i * 10) % 64));
    std::sort(ids.end() - used, ids.end());
  }
  for (int32_t e = 0; e < experts; ++e) slots.push_back(e);
  a.ids = b.Ints(ids);
  a.ids.rank = 2;
  a.ids.shape[0] = rows, a.ids.shape[1] = used, a.ids.stride[0] = used * 4, a.ids.stride[1] = 4;
  a.weights = b.Floats({rows, used});
  a.slots = b.Ints(slots);
  a.gate = b.Weight(DType::kQ4_K, {experts, inner, width}, true);
  a.up = b.Weight(DType::kQ4_K, {experts, inner, width}, true);
  a.down = b.Weight(DType::kQ5_0, {experts, width, inner}, true);
  a.out = b.Floats({rows, width});
  for (auto _ : state) b.table.moe_experts(b.queue, &a);
  if (b.table.synchronize(b.queue) != 0) state.SkipWithError(b.table.last_error());
  const double touched = static_cast<double>(std::min<int64_t>(experts, rows * used));
  Rates(state, static_cast<double>(rows * used * 3 * inner * width),
        touched * static_cast<double>(inner * width) * (2 * 4.5 + 5.5) / 8);
}

constexpr int64_t kPageTokens = 64;

void FillCache(Bench& b, const rsn_tensor& cache) {
  std::vector<uint16_t> keys(Bench::Bytes(cache) / 2);
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i] = F32ToF16(static_cast<float>(i % 91) * 0.01f - 0.45f);
  }
  b.table.upload(b.queue, cache.buffer, 0, keys.data(), keys.size() * 2);
}

// rows of one sequence at the end of `depth` keys.
rsn_ragged OneSequence(Bench& b, int64_t rows, int64_t depth) {
  std::vector<int32_t> pages;
  for (int32_t p = 0; p * kPageTokens < depth; ++p) pages.push_back(p);
  rsn_ragged g{};
  g.row_begin = b.Ints({0, static_cast<int32_t>(rows)});
  g.kv_length = b.Ints({static_cast<int32_t>(depth)});
  g.page_begin = b.Ints({0});
  g.pages = b.Ints(pages);
  g.page_tokens = static_cast<uint32_t>(kPageTokens);
  return g;
}

void Attention(benchmark::State& state, int64_t heads, int64_t kv_heads, int64_t width,
               int64_t value) {
  Bench b;
  const int64_t rows = state.range(0), depth = state.range(1), page = kPageTokens;
  const int64_t pages = (depth + page - 1) / page;
  rsn_attention a{.struct_size = sizeof a, .scale = 0.1f};
  a.q = b.Floats({rows, heads, width});
  a.k_cache = b.New(DType::kF16, {pages, kv_heads, page, width});
  a.v_cache = a.k_cache;
  a.v_cache.shape[3] = value;
  FillCache(b, a.k_cache);
  a.out = b.Floats({rows, heads, value});
  a.ragged = OneSequence(b, rows, depth);
  for (auto _ : state) b.table.attention(b.queue, &a);
  if (b.table.synchronize(b.queue) != 0) state.SkipWithError(b.table.last_error());
  const double pairs = static_cast<double>(rows) * static_cast<double>(depth - (rows - 1) / 2);
  Rates(state, pairs * static_cast<double>(heads * (width + value)),
        static_cast<double>(depth * kv_heads * (width + (value == width ? value : 0)) * 2));
}

// V2-Lite's latent attention; range(2) is the form: 1 absorbs, 2 expands.
void LatentAttention(benchmark::State& state) {
  Bench b;
  const int64_t rows = state.range(0), depth = state.range(1), heads = 16;
  const int64_t nope = 128, rope = 64, latent = 512, value = 128;
  rsn_mla_attention a{.struct_size = sizeof a,
                      .scale = 0.1f,
                      .form = static_cast<uint32_t>(state.range(2))};
  a.q_nope = b.Floats({rows, heads, nope});
  a.q_rope = b.Floats({rows, heads, rope});
  a.w_k = b.Weight(DType::kQ8_0, {heads, latent, nope}, true);
  a.w_v = b.Weight(DType::kQ8_0, {heads, value, latent}, true);
  a.cache = b.New(DType::kF16, {(depth + kPageTokens - 1) / kPageTokens, 1, kPageTokens,
                                latent + rope});
  FillCache(b, a.cache);
  a.out = b.Floats({rows, heads, value});
  a.ragged = OneSequence(b, rows, depth);
  for (auto _ : state) b.table.mla_attention(b.queue, &a);
  if (b.table.synchronize(b.queue) != 0) state.SkipWithError(b.table.last_error());
  const double pairs = static_cast<double>(rows) * static_cast<double>(depth - (rows - 1) / 2);
  Rates(state, pairs * static_cast<double>(heads * (nope + rope + value)),
        static_cast<double>(depth * (latent + rope) * 2));
}

void Logits(benchmark::State& state) {
  Bench b;
  const int64_t n = 151936, top = 64;
  rsn_reduce_logits a{.struct_size = sizeof a, .top = static_cast<uint32_t>(top)};
  a.logits = b.Floats({1, n});
  a.adjust_begin = b.Ints({0, 0});
  a.adjust_id = b.Ints({0});
  a.adjust_divisor = b.Floats({1});
  a.adjust_add = b.Floats({1});
  a.records = b.Floats({1, 8});
  a.ids = b.New(DType::kI32, {1, top});
  a.values = b.Floats({1, top});
  a.raw = b.Floats({1, top});
  for (auto _ : state) b.table.reduce_logits(b.queue, &a);
  Rates(state, 0, static_cast<double>(n * 4));
}

// What an operation costs beside its work.
void SmallNorm(benchmark::State& state) {
  Bench b;
  rsn_rms_norm a{.struct_size = sizeof a, .epsilon = 1e-6f};
  a.in = b.Floats({1, 64});
  a.weight = b.Floats({64});
  a.out = b.Floats({1, 64});
  for (auto _ : state) b.table.rms_norm(b.queue, &a);
}

void ForkJoin(benchmark::State& state) {
  ThreadPool pool(g_threads);
  for (auto _ : state) pool.ParallelFor(g_threads, [](uint32_t, uint32_t) {});
}

void Register() {
  struct Type {
    const char* name;
    DType type;
  };
  for (const Type& t :
       {Type{"Q4_K", DType::kQ4_K}, Type{"Q8_0", DType::kQ8_0}, Type{"Q6_K", DType::kQ6_K},
        Type{"Q5_0", DType::kQ5_0}, Type{"Q4_0", DType::kQ4_0}, Type{"Q4_1", DType::kQ4_1},
        Type{"Q5_1", DType::kQ5_1}, Type{"Q5_K", DType::kQ5_K}, Type{"F16", DType::kF16},
        Type{"BF16", DType::kBF16}, Type{"F32", DType::kF32}}) {
    for (const bool repack : {true, false}) {
      const std::string name =
          std::string("matmul/") + t.name + (repack ? "/repacked" : "/plain") + "/rows";
      auto* bench = benchmark::RegisterBenchmark(
          name.c_str(), [t, repack](benchmark::State& s) { MatMul(s, t.type, 8960, 1536, repack); });
      bench->Arg(1)->Arg(8)->Arg(16)->Arg(512);
    }
  }
  // Larger than any cache: the rate at which weights stream from memory.
  for (const Type& t : {Type{"Q4_K", DType::kQ4_K}, Type{"Q8_0", DType::kQ8_0},
                        Type{"Q6_K", DType::kQ6_K}, Type{"Q5_0", DType::kQ5_0}}) {
    for (const bool repack : {true, false}) {
      const std::string name =
          std::string("head/") + t.name + (repack ? "/repacked" : "/plain") + "/rows";
      benchmark::RegisterBenchmark(name.c_str(), [t, repack](benchmark::State& s) {
        MatMul(s, t.type, 151936, 1536, repack);
      })->Arg(1)->Arg(8);
    }
  }
  benchmark::RegisterBenchmark("moe_experts/rows", Experts)->Arg(1)->Arg(8)->Arg(512);
  benchmark::RegisterBenchmark("attention/qwen2-1.5b", [](benchmark::State& s) {
    Attention(s, 12, 2, 128, 128);
  })->Args({1, 512})->Args({1, 8192})->Args({512, 512});
  benchmark::RegisterBenchmark("attention/v2-lite", [](benchmark::State& s) {
    Attention(s, 16, 1, 576, 512);
  })->Args({1, 512})->Args({1, 8192})->Args({128, 512});
  benchmark::RegisterBenchmark("mla/v2-lite", LatentAttention)
      ->ArgNames({"rows", "depth", "form"})
      ->ArgsProduct({{32, 64, 128, 256, 512}, {512, 4096}, {1, 2}});
  benchmark::RegisterBenchmark("reduce_logits", Logits);
  benchmark::RegisterBenchmark("small_norm", SmallNorm);
  benchmark::RegisterBenchmark("fork_join", ForkJoin)->UseRealTime();
}

}  // namespace
}  // namespace raison

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--threads=", 10) != 0) continue;
    raison::g_threads = static_cast<uint32_t>(std::atoi(argv[i] + 10));
    for (int j = i; j + 1 < argc; ++j) argv[j] = argv[j + 1];
    --argc;
    break;
  }
  raison::Register();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
