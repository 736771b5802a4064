#include "core/backend/conformance/oracle.h"

#include <algorithm>
#include <cmath>

#include "core/base/dequantize.h"

namespace raison::conformance {
namespace {

// Activation blocks in use: 32 values (every quantised type), 256 (superblocks).
constexpr int64_t kBlocks[] = {32, 256};

std::vector<double> Activations(const float* x, int64_t rows, int64_t width, int64_t block,
                                std::vector<double>* undecided = nullptr) {
  std::vector<double> out(static_cast<size_t>(rows * width));
  if (undecided != nullptr) undecided->assign(out.size(), 0);
  for (int64_t t = 0; t < rows; ++t) {
    if (block == 0) {
      for (int64_t i = 0; i < width; ++i)
        out[static_cast<size_t>(t * width + i)] = x[t * width + i];
    } else {
      QuantizeActivations(x + t * width, width, block, &out[static_cast<size_t>(t * width)],
                          undecided == nullptr ? nullptr : undecided->data() + t * width);
    }
  }
  return out;
}

// To the 11 bits of an f16's significand, whatever the exponent: rows are scaled by powers of two, so that
// theirs fit.
double RoundToHalf(double v) {
  if (!std::isfinite(v)) return v;
  int exponent;
  const double fraction = std::frexp(v, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 11)), exponent - 11);
}

struct Sum {
  double value = 0;
  double magnitude = 0;
  void Add(double term) {
    value += term;
    magnitude += std::fabs(term);
  }
};

Sum Dot(const float* w, const double* x, int64_t n) {
  Sum sum;
  for (int64_t i = 0; i < n; ++i) sum.Add(w[i] * x[i]);
  return sum;
}

Definition ProductDefinition(const Product& p, const char* name, const std::vector<double>& x) {
  Definition d{.name = name, .want = {}, .magnitude = {}};
  for (int64_t t = 0; t < p.rows; ++t) {
    for (int64_t b = 0; b < p.batch; ++b) {
      for (int64_t o = 0; o < p.out; ++o) {
        Sum sum = Dot(p.weight + (b * p.out + o) * p.in,
                      &x[static_cast<size_t>((t * p.batch + b) * p.in)], p.in);
        if (p.bias != nullptr) sum.Add(p.bias[o]);
        if (p.before != nullptr) sum.Add(p.before[(t * p.batch + b) * p.out + o]);
        d.want.push_back(sum.value);
        d.magnitude.push_back(sum.magnitude);
      }
    }
  }
  return d;
}

Definition ExpertDefinition(const Experts& e, const char* name, int64_t block) {
  const std::vector<double> x = Activations(e.x, e.rows, e.width, block);
  Definition d{.name = name, .want = {}, .magnitude = {}};
  std::vector<float> hidden(static_cast<size_t>(e.inner));
  for (int64_t t = 0; t < e.rows; ++t) {
    std::vector<Sum> sums(static_cast<size_t>(e.width));
    std::vector<double> slack(static_cast<size_t>(e.width));
    if (e.before != nullptr) {
      for (int64_t o = 0; o < e.width; ++o)
        sums[static_cast<size_t>(o)].Add(e.before[t * e.width + o]);
    }
    for (int64_t k = 0; k < e.used; ++k) {  // ids are ascending
      const int64_t slot = e.slots[e.ids[t * e.used + k]];
      if (slot < 0) continue;
      for (int64_t i = 0; i < e.inner; ++i) {
        const double* row = &x[static_cast<size_t>(t * e.width)];
        const double gate = Dot(e.gate + (slot * e.inner + i) * e.width, row, e.width).value;
        const double up = Dot(e.up + (slot * e.inner + i) * e.width, row, e.width).value;
        hidden[static_cast<size_t>(i)] = static_cast<float>(gate / (1 + std::exp(-gate)) * up);
      }
      std::vector<double> undecided;
      const std::vector<double> h = Activations(hidden.data(), 1, e.inner, block, &undecided);
      for (int64_t o = 0; o < e.width; ++o) {
        const Sum down = Dot(e.down + (slot * e.width + o) * e.inner, h.data(), e.inner);
        Sum& sum = sums[static_cast<size_t>(o)];
        const double weight = e.weights[t * e.used + k];
        sum.value += weight * down.value;
        sum.magnitude += std::fabs(weight) * down.magnitude;
        const Sum loose = Dot(e.down + (slot * e.width + o) * e.inner, undecided.data(), e.inner);
        slack[static_cast<size_t>(o)] += std::fabs(weight) * loose.magnitude;
      }
    }
    for (const Sum& sum : sums) {
      d.want.push_back(sum.value);
      d.magnitude.push_back(sum.magnitude);
    }
    d.slack.insert(d.slack.end(), slack.begin(), slack.end());
  }
  return d;
}

Definition LatentDefinition(const LatentHeads& l, const char* name, int64_t block) {
  Definition d{.name = name, .want = {}, .magnitude = {}};
  const int64_t q_width = l.nope + l.rope;
  for (int64_t r = 0; r < l.rows; ++r) {
    const auto& keys = l.keys[static_cast<size_t>(r)];
    double largest_out = 0;
    for (int64_t h = 0; h < l.heads; ++h) {
      const float* q = l.q + (r * l.heads + h) * q_width;
      const std::vector<double> nope = Activations(q, 1, l.nope, block);
      std::vector<double> query(static_cast<size_t>(l.latent));
      for (int64_t i = 0; i < l.latent; ++i) {
        query[static_cast<size_t>(i)] =
            Dot(l.w_k + (h * l.latent + i) * l.nope, nope.data(), l.nope).value;
      }
      for (int64_t i = 0; i < l.rope; ++i) query.push_back(q[l.nope + i]);
      std::vector<double> scores;
      for (const float* key : keys) {
        scores.push_back(Dot(key, query.data(), l.latent + l.rope).value * l.scale);
      }
      const double largest = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      std::vector<double> sum(static_cast<size_t>(l.latent));
      for (size_t k = 0; k < keys.size(); ++k) {
        const double weight = std::exp(scores[k] - largest);
        total += weight;
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += weight * keys[k][i];
      }
      std::vector<float> mixed;
      for (double s : sum) mixed.push_back(static_cast<float>(s / total));
      std::vector<double> undecided;
      const std::vector<double> latent = Activations(mixed.data(), 1, l.latent, block, &undecided);
      for (int64_t v = 0; v < l.value; ++v) {
        const float* w_v = l.w_v + (h * l.value + v) * l.latent;
        const double out = Dot(w_v, latent.data(), l.latent).value;
        d.slack.push_back(Dot(w_v, undecided.data(), l.latent).magnitude);
        d.want.push_back(out);
        largest_out = std::max(largest_out, std::fabs(out));
      }
    }
    d.magnitude.resize(d.want.size(), largest_out);
  }
  return d;
}

}  // namespace

std::vector<float> Dequantize(uint32_t dtype, const std::vector<std::byte>& bytes, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  DequantizeRow(static_cast<DType>(dtype), bytes.data(), values.size(), values.data());
  return values;
}

void QuantizeActivations(const float* x, int64_t n, int64_t block, double* out, double* undecided) {
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t end = std::min(begin + block, n);
    float amax = 0;
    bool finite = true;
    for (int64_t i = begin; i < end; ++i) {
      finite = finite && std::isfinite(x[i]);
      amax = std::max(amax, std::fabs(x[i]));
    }
    const bool zero = amax < 1e-35f;
    const float inverse = zero ? 0 : 127.0f / amax;
    const double d = finite ? (zero ? 0.0f : amax / 127.0f) : std::nan("");
    for (int64_t i = begin; i < end; ++i) {
      const float steps = x[i] * inverse;
      out[i] = finite ? d * std::nearbyint(steps) : d;
      if (undecided != nullptr) {
        const double border = std::fabs(std::fabs(steps - std::floor(steps)) - 0.5);
        undecided[i] = finite && border < kUndecided ? d : 0;
      }
    }
  }
}

std::vector<Definition> ProductDefinitions(const Product& p) {
  const auto activations = [&](int64_t block) {
    return Activations(p.x, p.rows * p.batch, p.in, block);
  };
  std::vector<Definition> definitions;
  std::vector<double> x = activations(0);
  definitions.push_back(ProductDefinition(p, "exact", x));
  if (p.quantized) {
    definitions.push_back(
        ProductDefinition(p, "activations in blocks of 32", activations(kBlocks[0])));
  }
  if (p.superblock != 0) {
    definitions.push_back(
        ProductDefinition(p, "activations in blocks of 256", activations(kBlocks[1])));
  }
  if (p.halves) {
    for (double& v : x) v = RoundToHalf(v);
    std::vector<float> weight(p.weight, p.weight + p.batch * p.out * p.in);
    for (float& w : weight) w = static_cast<float>(RoundToHalf(w));
    Product rounded = p;
    rounded.weight = weight.data();
    definitions.push_back(ProductDefinition(rounded, "weights and activations in f16", x));
  }
  return definitions;
}

std::vector<Definition> ExpertDefinitions(const Experts& e) {
  std::vector<Definition> definitions;
  definitions.push_back(ExpertDefinition(e, "exact", 0));
  if (e.quantized) {
    definitions.push_back(ExpertDefinition(e, "activations in blocks of 32", kBlocks[0]));
  }
  return definitions;
}

std::vector<Definition> LatentDefinitions(const LatentHeads& l) {
  std::vector<Definition> definitions;
  definitions.push_back(LatentDefinition(l, "exact", 0));
  definitions.push_back(LatentDefinition(l, "absorbed, activations in blocks of 32", kBlocks[0]));
  return definitions;
}

}  // namespace raison::conformance
