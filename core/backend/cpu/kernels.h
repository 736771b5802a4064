// The inner loops of the CPU back end, as one table of functions per instruction level. The loops
// are written once (kernels_inl.h) over a small set of vector primitives; each kernels_<level>.cc
// gives those primitives and is compiled with that level's flags. This header holds plain structs
// and no inline function: nothing compiled with AVX flags may be merged into baseline code.
#pragma once

#include <cstddef>
#include <cstdint>

namespace raison::cpu {

// Weights are multiplied in groups of 16 rows, interleaved: a field that lies at byte o of a row's
// block and has units of u bytes lies at 16 * o + r * u for row r. Every vector lane then belongs to
// one output row, there is no horizontal sum, and one row of activations takes exactly the same
// steps as a row among many: results do not depend on the batch.
inline constexpr int kGroupRows = 16;

// 32 activations, quantised: x = d * q, |q| <= 127. A block with a NaN or an infinity has d = NaN and
// q = 0, so that its row's products are NaN and no other row's are.
struct ActBlock {
  int8_t q[32];
  float d;
  float sum;          // of q
  int32_t minus_sum;  // the correction for weights stored with an offset
  int32_t minus_low;  // the same for q[0..15]
};
static_assert(sizeof(ActBlock) == 48);

inline constexpr int kMostTokens = 16;  // rows of activations per call of `dots`

// Keys are visited in blocks that start at absolute multiples of this: partial results are merged in
// ascending order, whatever the threads and the batch are.
inline constexpr int kKeyBlock = 256;

enum class CacheType : uint32_t { kF32, kF16, kBF16 };

// One block of keys against `count` query vectors that read the same key head.
struct AttendBlock {
  CacheType type;
  int keys;         // 1..kKeyBlock: keys of this block that any query sees
  int key_width;    // multiple of 1
  int value_width;
  int queries;
  const uint8_t *const *key_rows;    // (keys)
  const uint8_t *const *value_rows;  // (keys)
  const float *const *q;             // (queries) pointers to key_width floats, scale included
  const int *visible;                // (queries): keys of this block that the query sees, >= 0
  float *scores;                     // scratch (queries, kKeyBlock)
  float *packed;                     // scratch (key_width, 2 * 16)
  float *maximum;                    // out (queries); untouched where visible == 0
  float *sum;                        // out (queries)
  float *const *value;               // out (queries) pointers to value_width floats
};

struct LogitSums {
  double maximum;
  double sum;       // of exp(x - maximum)
  double weighted;  // of (x - maximum) * exp(x - maximum)
  bool bad;         // a NaN or +inf was seen
};

struct Kernels {
  const char *name;

  // n a multiple of 32.
  void (*quantize)(const float *x, int64_t n, ActBlock *out);

  // out[t * 16 + r] += row r of the group . activation row t, block after block. `acts` points to
  // ActBlocks for quantised types and to floats for F32, F16 and BF16. tokens 1..kMostTokens.
  // Indexed by the GGUF type id, null where there is none.
  void (*dots[31])(const uint8_t *group, int64_t blocks, const void *const *acts, int tokens,
                   float *out);

  // 16 rows of 4-byte units: out[u * 16 + r] = rows[r][u].
  void (*interleave4)(const uint8_t *const *rows, int64_t units, uint8_t *out);

  void (*attend)(const AttendBlock &block);
  // Merges (m, s, v) of a later block into (maximum, sum, value), both of `width`.
  void (*merge)(float *maximum, float *sum, float *value, float m, float s, const float *v,
                int width);

  void (*rms_norm)(const float *in, const float *weight, float epsilon, float *out, int64_t n);
  void (*silu_mul)(const float *gate, const float *up, float *out, int64_t n);
  void (*scale)(const float *in, float factor, float *out, int64_t n);
  // out += factor * in
  void (*add_scaled)(const float *in, float factor, float *out, int64_t n);
  void (*to_f16)(const float *in, uint16_t *out, int64_t n);
  void (*to_bf16)(const float *in, uint16_t *out, int64_t n);
  // The inverse: n values of a cache row as f32.
  void (*widen)(CacheType type, const uint8_t *in, float *out, int64_t n);
  LogitSums (*logit_sums)(const float *x, int64_t n);
};

const Kernels &BaselineKernels();
#if defined(RAISON_CPU_X86)
const Kernels &Avx2Kernels();
const Kernels &Avx512Kernels();
#endif
#if defined(RAISON_CPU_NEON)
const Kernels &NeonKernels();
#endif

}  // namespace raison::cpu
