// What the two passes of reduce_logits leave each other in scratch: for every row its sorted
// candidates, those of all chunks, the chunks' sums and the adjusted logits.
const uint kChunk = 4096u;  // logits of a workgroup
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer Adjusted { float v[]; };

// Over a chunk, or a row: of e^(z - largest), and of that times (z - largest).
struct Sums {
  vec2 sum, weighted;  // of two floats each
  float largest;
};
struct Chunk {
  Sums raw, adjusted;
  float strange;  // 1: a NaN or +inf among the raw logits
};
const uint kChunkFloats = 12u;

struct LogitScratch {
  uint64_t sorted, candidates, chunks, adjusted;
};
LogitScratch ScratchOf(uint64_t scratch, uint row, uint vocabulary, uint keep, uint sorted) {
  const uint64_t n = uint64_t((vocabulary + kChunk - 1u) / kChunk);
  const uint64_t of_sorted = uint64_t(sorted) * 8ul, of_candidates = n * uint64_t(keep) * 8ul;
  const uint64_t of_chunks = n * uint64_t(kChunkFloats * 4u);
  const uint64_t all = of_sorted + of_candidates + of_chunks + uint64_t((vocabulary + 1u) / 2u) * 8ul;
  LogitScratch s;
  s.sorted = scratch + uint64_t(row) * all;
  s.candidates = s.sorted + of_sorted;
  s.chunks = s.candidates + of_candidates;
  s.adjusted = s.chunks + of_chunks;
  return s;
}

void Store(uint64_t chunks, uint chunk, Chunk c) {
  Floats f = Floats(chunks + uint64_t(chunk * kChunkFloats) * 4ul);
  f.v[0] = c.raw.sum.x, f.v[1] = c.raw.sum.y;
  f.v[2] = c.raw.weighted.x, f.v[3] = c.raw.weighted.y;
  f.v[4] = c.raw.largest;
  f.v[5] = c.adjusted.sum.x, f.v[6] = c.adjusted.sum.y;
  f.v[7] = c.adjusted.largest;
  f.v[8] = c.strange;
}
Chunk Load(uint64_t chunks, uint chunk) {
  Floats f = Floats(chunks + uint64_t(chunk * kChunkFloats) * 4ul);
  return Chunk(Sums(vec2(f.v[0], f.v[1]), vec2(f.v[2], f.v[3]), f.v[4]),
               Sums(vec2(f.v[5], f.v[6]), vec2(0, 0), f.v[7]), f.v[8]);
}

// A row's first adjustment and the one behind its last; numbers that make no sense give none.
ivec2 AdjustmentsOf(uint64_t adjust_begin, uint row, uint capacity) {
  Ints begin = Ints(adjust_begin);
  const int first = clamp(begin.v[row], 0, int(capacity));
  return ivec2(first, clamp(begin.v[row + 1u], first, int(capacity)));
}
