// attention and mla_attention over the paged cache. Scores, softmax and sums are f64. The latent
// form is computed absorbed whatever `form` says: without roundings in between both forms are one
// value.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/backend/reference/loops.h"
#include "core/backend/reference/ops.h"
#include "core/backend/reference/view.h"
#include "core/base/dequantize.h"

namespace raison::reference {
namespace {

// One row of the step: where it stands and which pages hold its keys.
struct Place {
  int64_t keys;          // visible to this row: positions 0 .. keys - 1
  const int32_t* pages;  // (ceil(keys / page_tokens))
};

// The places of all rows; every number of the step buffer is checked here.
absl::StatusOr<std::vector<Place>> PlacesOf(const rsn_ragged& g, int64_t rows, int64_t page_count) {
  const int64_t sequences = g.row_begin.shape[0] - 1;
  const int32_t* row_begin = I32At(g.row_begin);    // (sequences + 1)
  const int32_t* kv_length = I32At(g.kv_length);    // (sequences)
  const int32_t* page_begin = I32At(g.page_begin);  // (sequences)
  const int32_t* pages = I32At(g.pages);            // (capacity)
  if (row_begin[0] != 0 || row_begin[sequences] != rows) {
    return absl::InvalidArgumentError(absl::StrCat("row_begin runs from ", row_begin[0], " to ",
                                                   row_begin[sequences], ", rows are ", rows));
  }
  std::vector<Place> places(static_cast<size_t>(rows));
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t count = int64_t{row_begin[s + 1]} - row_begin[s];
    if (count < 0 || row_begin[s + 1] > rows) {
      return absl::InvalidArgumentError(
          absl::StrCat("row_begin[", s + 1, "] is ", row_begin[s + 1]));
    }
    if (count == 0) continue;
    if (kv_length[s] < count) {
      return absl::InvalidArgumentError(
          absl::StrCat("kv_length[", s, "] is ", kv_length[s], " for ", count, " rows"));
    }
    const int64_t used = (int64_t{kv_length[s]} + g.page_tokens - 1) / g.page_tokens;
    if (page_begin[s] < 0 || page_begin[s] + used > g.pages.shape[0]) {
      return absl::InvalidArgumentError(absl::StrCat("page_begin[", s, "] is ", page_begin[s]));
    }
    for (int64_t p = page_begin[s]; p < page_begin[s] + used; ++p) {
      if (pages[p] < 0 || pages[p] >= page_count) {
        return absl::InvalidArgumentError(
            absl::StrCat("pages[", p, "] is ", pages[p], ", there are ", page_count));
      }
    }
    for (int64_t r = row_begin[s]; r < row_begin[s + 1]; ++r) {
      places[static_cast<size_t>(r)] = {.keys = kv_length[s] - (row_begin[s + 1] - r) + 1,
                                        .pages = pages + page_begin[s]};
    }
  }
  return places;
}

// scores -> exp(score - largest), returns their sum. A NaN score makes every weight NaN.
double Softmax(std::vector<double>& scores) {
  double largest = -std::numeric_limits<double>::infinity();
  for (double s : scores) largest = std::max(largest, s);
  double sum = 0;
  for (double& s : scores) {
    // Nothing but -inf: all weights are 0 and so is the output.
    s = largest == -std::numeric_limits<double>::infinity() && !std::isnan(s)
            ? 0
            : std::exp(s - largest);
    sum += s;
  }
  return sum;
}

}  // namespace

absl::Status Run(const rsn_attention& a, const rsn_backend_host& host) {
  const int64_t heads = a.q.shape[1];
  const int64_t width = a.q.shape[2];
  const int64_t value_width = a.v_cache.shape[3];
  const int64_t group = heads / a.k_cache.shape[1];
  const int64_t page_tokens = a.ragged.page_tokens;
  RSN_ASSIGN_OR_RETURN(const std::vector<Place> places,
                       PlacesOf(a.ragged, a.q.shape[0], a.k_cache.shape[0]));
  return ForEach(host, a.q.shape[0] * heads, [&](int64_t task) {
    const int64_t r = task / heads;
    const int64_t h = task % heads;
    const Place& place = places[static_cast<size_t>(r)];
    const float* q = F32At(a.q, r, h);  // (width)
    std::vector<double> scores(static_cast<size_t>(place.keys));
    for (int64_t p = 0; p < place.keys; ++p) {
      const std::byte* k =
          RowAt(a.k_cache, place.pages[p / page_tokens], h / group, p % page_tokens);
      double sum = 0;
      for (int64_t i = 0; i < width; ++i) {
        sum += static_cast<double>(q[i]) * Element(a.k_cache.dtype, k, i);
      }
      scores[static_cast<size_t>(p)] = sum * a.scale;
    }
    const double total = Softmax(scores);
    std::vector<double> sum(static_cast<size_t>(value_width));
    for (int64_t p = 0; p < place.keys; ++p) {
      const std::byte* v =
          RowAt(a.v_cache, place.pages[p / page_tokens], h / group, p % page_tokens);
      for (int64_t i = 0; i < value_width; ++i) {
        sum[static_cast<size_t>(i)] +=
            scores[static_cast<size_t>(p)] * Element(a.v_cache.dtype, v, i);
      }
    }
    float* out = F32At(a.out, r, h);  // (value_width)
    for (int64_t i = 0; i < value_width; ++i) {
      out[i] = total == 0 ? 0.0f : static_cast<float>(sum[static_cast<size_t>(i)] / total);
    }
    return absl::OkStatus();
  });
}

absl::Status Run(const rsn_mla_attention& a, const rsn_backend_host& host) {
  const int64_t rows = a.q_nope.shape[0];
  const int64_t heads = a.q_nope.shape[1];
  const int64_t nope = a.q_nope.shape[2];
  const int64_t rope = a.q_rope.shape[2];
  const int64_t latent = a.w_k.shape[1];
  const int64_t value = a.w_v.shape[1];
  const int64_t page_tokens = a.ragged.page_tokens;
  RSN_ASSIGN_OR_RETURN(const std::vector<Place> places, PlacesOf(a.ragged, rows, a.cache.shape[0]));
  return ForEach(host, heads, [&](int64_t h) {
    std::vector<float> w_k(static_cast<size_t>(latent * nope));   // (latent, nope)
    std::vector<float> w_v(static_cast<size_t>(value * latent));  // (value, latent)
    for (int64_t l = 0; l < latent; ++l) {
      DequantizeRow(static_cast<DType>(a.w_k.dtype), RowAt(a.w_k, h, l), static_cast<size_t>(nope),
                    &w_k[static_cast<size_t>(l * nope)]);
    }
    for (int64_t v = 0; v < value; ++v) {
      DequantizeRow(static_cast<DType>(a.w_v.dtype), RowAt(a.w_v, h, v),
                    static_cast<size_t>(latent), &w_v[static_cast<size_t>(v * latent)]);
    }
    std::vector<double> query(static_cast<size_t>(latent));
    std::vector<double> mixed(static_cast<size_t>(latent));
    for (int64_t r = 0; r < rows; ++r) {
      const Place& place = places[static_cast<size_t>(r)];
      const float* q_rope = F32At(a.q_rope, r, h);  // (rope)
      for (int64_t l = 0; l < latent; ++l) {
        query[static_cast<size_t>(l)] =
            Dot(&w_k[static_cast<size_t>(l * nope)], F32At(a.q_nope, r, h), nope);
      }
      std::vector<double> scores(static_cast<size_t>(place.keys));
      for (int64_t p = 0; p < place.keys; ++p) {
        const std::byte* c = RowAt(a.cache, place.pages[p / page_tokens], 0, p % page_tokens);
        double sum = 0;
        for (int64_t l = 0; l < latent; ++l) {
          sum += query[static_cast<size_t>(l)] * Element(a.cache.dtype, c, l);
        }
        for (int64_t i = 0; i < rope; ++i) {
          sum += static_cast<double>(q_rope[i]) * Element(a.cache.dtype, c, latent + i);
        }
        scores[static_cast<size_t>(p)] = sum * a.scale;
      }
      const double total = Softmax(scores);
      std::fill(mixed.begin(), mixed.end(), 0.0);
      for (int64_t p = 0; p < place.keys; ++p) {
        const std::byte* c = RowAt(a.cache, place.pages[p / page_tokens], 0, p % page_tokens);
        for (int64_t l = 0; l < latent; ++l) {
          mixed[static_cast<size_t>(l)] +=
              scores[static_cast<size_t>(p)] * Element(a.cache.dtype, c, l);
        }
      }
      float* out = F32At(a.out, r, h);  // (value)
      for (int64_t v = 0; v < value; ++v) {
        double sum = 0;
        for (int64_t l = 0; l < latent; ++l) {
          sum += mixed[static_cast<size_t>(l)] * w_v[static_cast<size_t>(v * latent + l)];
        }
        out[v] = total == 0 ? 0.0f : static_cast<float>(sum / total);
      }
    }
    return absl::OkStatus();
  });
}

}  // namespace raison::reference
