// The definition of attention's arithmetic, shared by its two forms. Keys are taken in blocks of 128
// absolute positions; each block gives its largest score, the sum of its weights and its weighted
// values, and blocks are folded in ascending order. Whether one workgroup does all blocks of a row
// and head or each block has its own, the bits are the same.
const uint kBlock = 128;

// Partial results before and after folding: largest score, sum of weights.
struct Running {
  float largest;
  float sum;
};

// e^(score - largest), 0 where nothing but -inf was seen.
float Weight(float score, float largest) {
  if (IsNan(score)) return score;
  if (IsMinusInfinity(score)) return 0.0;
  return Exp(score - largest);
}
float Larger(float a, float b) { return b > a ? b : a; }
