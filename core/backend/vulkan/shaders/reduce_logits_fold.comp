#version 450
// reduce_logits, second pass: one workgroup per row adds its chunks' sums in their order, and sorts the
// best of their candidates.
#define GROUP 256u
#include "common.glsl"
#include "math.glsl"
#include "logits.glsl"
layout(local_size_x = 256) in;
layout(push_constant) uniform Push {
  uint64_t logits, adjust_begin, records, ids, values, raw;
  uint64_t scratch;
  uint logits_row, records_row, ids_row, values_row, raw_row;
  uint rows, vocabulary, capacity, keep, sorted, count;
} p;

uint64_t candidates;

#include "candidates.glsl"
uint64_t RankAt(uint i) { return Ranks(candidates).v[i]; }

// Adds what a chunk has below the row's largest.
void Add(inout Sums row, Sums chunk) {
  const vec2 below = TwoSum(chunk.largest, -row.largest);
  if (!(below.x >= -80.0)) return;
  const vec2 factor = Exp2Parts(below);
  row.sum = Add2(row.sum, Multiply2(factor, chunk.sum));
  row.weighted =
      Add2(row.weighted, Multiply2(factor, Add2(chunk.weighted, Multiply2(below, chunk.sum))));
}
float LogOf(Sums row) { return IsMinusInfinity(row.largest) ? row.largest : row.largest + Log(row.sum); }

void WriteRecord(uint row, uint64_t chunks_at, uint chunks) {
  float strange = 0.0;
  Sums raw = Sums(vec2(0, 0), vec2(0, 0), -Infinity()), adjusted = raw;
  for (uint c = 0u; c < chunks; ++c) {
    const Chunk of = Load(chunks_at, c);
    strange = max(strange, of.strange);
    raw.largest = max(raw.largest, of.raw.largest);
    adjusted.largest = max(adjusted.largest, of.adjusted.largest);
  }
  for (uint c = 0u; c < chunks; ++c) {
    const Chunk of = Load(chunks_at, c);
    Add(raw, of.raw);
    Add(adjusted, of.adjusted);
  }
  const float log_sum = LogOf(raw);
  float entropy = 0.0;
  if (!IsMinusInfinity(raw.largest)) {
    const vec2 mean = Divide2(raw.weighted, raw.sum);
    entropy = Log(raw.sum) - (mean.x + mean.y);
  }
  const ivec2 list = AdjustmentsOf(p.adjust_begin, row, p.capacity);
  const float nan = uintBitsToFloat(0x7fc00000u);
  const uint64_t at = p.records + uint64_t(row) * uint64_t(p.records_row);
  Floats record = Floats(at);
  record.v[0] = strange > 0.0 ? nan : log_sum;
  record.v[1] = strange > 0.0 ? nan : entropy;
  record.v[2] = strange > 0.0 ? nan : list.x == list.y ? log_sum : LogOf(adjusted);
  Words words = Words(at);
  words.v[3] = strange > 0.0 ? 1u : 0u;
  words.v[4] = p.count;
  words.v[5] = 0u;
  words.v[6] = 0u;
  words.v[7] = 0u;
}

void main() {
  const uint row = GroupIndex(), t = gl_LocalInvocationIndex;
  if (row >= p.rows) return;
  const uint chunks = (p.vocabulary + kChunk - 1u) / kChunk;
  const LogitScratch scratch = ScratchOf(p.scratch, row, p.vocabulary, p.keep, p.sorted);
  if (t == 0u) WriteRecord(row, scratch.chunks, chunks);
  if (p.count == 0u) return;
  candidates = scratch.candidates;
  Ranks ranks = Ranks(scratch.sorted);
  Gather(chunks * p.keep, LeastOfBest(chunks * p.keep, p.count), ranks, p.sorted);
  // Bitonic, descending; `sorted` is a power of two.
  for (uint size = 2u; size <= p.sorted; size <<= 1) {
    for (uint distance = size >> 1; distance > 0u; distance >>= 1) {
      for (uint i = t; i < p.sorted / 2u; i += GROUP) {
        const uint low = i / distance * 2u * distance + i % distance, high = low + distance;
        const uint64_t a = ranks.v[low], b = ranks.v[high];
        if ((a < b) == ((low & size) == 0u)) {
          ranks.v[low] = b;
          ranks.v[high] = a;
        }
      }
      memoryBarrierBuffer();
      barrier();
    }
  }
  const uint64_t r = uint64_t(row);
  Ints ids = Ints(p.ids + r * uint64_t(p.ids_row));
  Floats values = Floats(p.values + r * uint64_t(p.values_row)), raws = Floats(p.raw + r * uint64_t(p.raw_row));
  Floats raw = Floats(p.logits + r * uint64_t(p.logits_row));
  for (uint i = t; i < p.count; i += GROUP) {
    const uint id = PlaceOf(ranks.v[i]);
    ids.v[i] = int(id);
    values.v[i] = Adjusted(scratch.adjusted).v[id];
    raws.v[i] = raw.v[id];
  }
}
