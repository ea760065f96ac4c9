// Blocks of 256 weights: q4_k and q5_k have 8 parts with a scale and a least value each, q6_k has
// 16 parts with a scale. Scales are found by a search over candidates. The parts of a block are
// searched side by side: the innermost loops run over them, and each adds up its own sums in order.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/dtype.h"
#include "gguf/codecs.h"

namespace athanor::gguf {
namespace {

constexpr int kWeights = 256;

/// One value of each of four parts of a block: a register of every machine.
typedef float Quad __attribute__((vector_size(16)));
constexpr int kQuad = 4;

/// Four parts of this length side by side: value i of part p is [i][p].
void side_by_side(const float* from, int length, Quad* to) {
  for (int i = 0; i < length; ++i) {
    for (int p = 0; p < kQuad; ++p) to[i][p] = from[p * length + i];
  }
}

/// To the nearest whole numbers, as `nearest`, and then into a range.
ATHANOR_INLINE Quad nearest_within(Quad x, float low, float high) {
  const Quad whole = (x + 12582912.0f) - 12582912.0f, least = Quad{} + low, most = Quad{} + high;
  const Quad under = whole < most ? whole : most;
  return under > least ? under : least;
}

ATHANOR_INLINE Quad magnitude(Quad x) { return x < Quad{} ? -x : x; }

// ---- q4_k: x = scale * level - least, levels from 0 to 15 ----

constexpr int kParts = 8, kEach = 32, kSteps = 20;
constexpr float kTop = 15.0f;

/// The fit of each part: its scale, what is taken off, and how the levels of the fit are rounded.
struct Fits {
  Quad scale, least, inverse, from;
};

/// The weights of a search, by the root mean square of each part, and their sums.
struct Weighted {
  Quad weights[kEach], sum_w, sum_x, least, most;
};

void weigh(const Quad* x, Weighted& out) {
  Quad squares{}, mean;
  for (int i = 0; i < kEach; ++i) squares += x[i] * x[i];
  for (int p = 0; p < kQuad; ++p) mean[p] = std::sqrt(squares[p] / static_cast<float>(kEach));
  out.least = out.most = x[0];
  out.sum_w = out.sum_x = Quad{};
  for (int i = 0; i < kEach; ++i) {
    const Quad w = out.weights[i] = mean + magnitude(x[i]);
    out.least = x[i] < out.least ? x[i] : out.least;
    out.most = x[i] > out.most ? x[i] : out.most;
    out.sum_w += w;
    out.sum_x += w * x[i];
  }
  out.least = out.least > Quad{} ? Quad{} : out.least;
}

/// The weighted squared error of levels.
Quad error_of(const Quad* x, const Quad* weights, const Quad* levels, const Quad& scale, const Quad& least) {
  Quad error{};
  for (int i = 0; i < kEach; ++i) {
    const Quad diff = scale * levels[i] + least - x[i];
    error += weights[i] * (diff * diff);
  }
  return error;
}

/// One candidate: levels in units of 1 / inverse above fits.least, and the line that fits them.
void try_step(const Quad* x, const Weighted& weighted, const Quad& inverse, Fits& fits, Quad& best) {
  Quad levels[kEach], sum_l{}, sum_l2{}, sum_xl{};
  for (int i = 0; i < kEach; ++i) {
    const Quad l = levels[i] = nearest_within(Quad(inverse * (x[i] - fits.least)), 0.0f, kTop);
    const Quad wl = weighted.weights[i] * l;
    sum_l += wl;
    sum_l2 += wl * l;
    sum_xl += wl * x[i];
  }
  const Quad determinant = weighted.sum_w * sum_l2 - sum_l * sum_l;
  const auto has_line = determinant > Quad{};
  const Quad divisor = has_line ? determinant : Quad{} + 1.0f;
  Quad scale = (weighted.sum_w * sum_xl - weighted.sum_x * sum_l) / divisor;
  Quad least = (sum_l2 * weighted.sum_x - sum_l * sum_xl) / divisor;
  const auto is_above = least > Quad{};
  scale = is_above ? sum_xl / sum_l2 : scale;
  least = is_above ? Quad{} : least;
  const Quad error = error_of(x, weighted.weights, levels, scale, least);
  const auto is_better = has_line & (error < best);
  best = is_better ? error : best;
  fits.from = is_better ? fits.least : fits.from;
  fits.scale = is_better ? scale : fits.scale;
  fits.least = is_better ? least : fits.least;
  fits.inverse = is_better ? inverse : fits.inverse;
}

void fit_parts(const Quad* x, Fits& fits) {
  Weighted weighted;
  weigh(x, weighted);
  const Quad most = weighted.most, lowest = weighted.least;
  const auto is_flat = most == lowest;
  const auto inverse_of = [&](float top) { return is_flat ? Quad{} : (Quad{} + top) / (most - fits.least); };
  fits.least = fits.from = lowest;
  fits.inverse = inverse_of(kTop);
  fits.scale = is_flat ? Quad{} : 1.0f / fits.inverse;
  Quad levels[kEach];
  for (int i = 0; i < kEach; ++i) {
    levels[i] = nearest_within(Quad(fits.inverse * (x[i] - lowest)), 0.0f, kTop);
  }
  Quad best = error_of(x, weighted.weights, levels, fits.scale, lowest);
  for (int step = 0; step <= kSteps; ++step) {
    try_step(x, weighted, inverse_of(-1.0f + 0.1f * static_cast<float>(step) + kTop), fits, best);
  }
  fits.scale = is_flat ? Quad{} : fits.scale;
  fits.least = is_flat ? -lowest : -fits.least;
}

/// Part p of the 6-bit scales and least values of a block.
void put_part(uint8_t* packed, int p, uint8_t scale, uint8_t least) {
  if (p < 4) {
    packed[p] = scale;
    packed[p + 4] = least;
    return;
  }
  packed[p + 4] = static_cast<uint8_t>((scale & 15) | (least & 15) << 4);
  packed[p - 4] |= static_cast<uint8_t>(scale >> 4 << 6);
  packed[p] |= static_cast<uint8_t>(least >> 4 << 6);
}

struct Part {
  int scale, least;
};
Part part_at(const uint8_t* packed, int p) {
  if (p < 4) return {packed[p] & 63, packed[p + 4] & 63};
  return {(packed[p + 4] & 15) | packed[p - 4] >> 6 << 4, packed[p + 4] >> 4 | packed[p] >> 6 << 4};
}

float clamped(float x, float low, float high) {
  const float under = x < high ? x : high;
  return under > low ? under : low;
}

uint8_t six_bits(float value) {
  return std::min<uint8_t>(63, static_cast<uint8_t>(static_cast<int>(nearest(value))));
}

// ---- q6_k: x = scale * level, levels from -32 to 31 ----

constexpr int kScales = 16, kScaled = 16;
constexpr float kLow = -32.0f, kHigh = 31.0f, kNothing = 1e-15f;

struct Scales {
  Quad scale, inverse;
};

void signed_sums(const Quad* x, const Quad& inverse, Quad& sum_xl, Quad& sum_l2) {
  sum_xl = sum_l2 = Quad{};
  for (int i = 0; i < kScaled; ++i) {
    const Quad w = x[i] * x[i], l = nearest_within(Quad(inverse * x[i]), kLow, kHigh);
    sum_xl += w * x[i] * l;
    sum_l2 += w * l * l;
  }
}

void find_scales(const Quad* x, Scales& found) {
  Quad top{}, most{}, sum_xl, sum_l2;
  for (int i = 0; i < kScaled; ++i) {
    const Quad size = magnitude(x[i]);
    const auto is_more = size > most;
    top = is_more ? x[i] : top;
    most = is_more ? size : most;
  }
  const auto is_nothing = most < Quad{} + kNothing;
  const auto inverse_of = [&](float levels) { return is_nothing ? Quad{} : (Quad{} - levels) / top; };
  found.inverse = inverse_of(-kLow);
  signed_sums(x, found.inverse, sum_xl, sum_l2);
  found.scale = sum_l2 != Quad{} ? sum_xl / sum_l2 : Quad{};
  Quad best = found.scale * sum_xl;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const Quad inverse = inverse_of(32.0f + 0.1f * static_cast<float>(step));
    signed_sums(x, inverse, sum_xl, sum_l2);
    const auto is_better = (sum_l2 > Quad{}) & (sum_xl * sum_xl > best * sum_l2);
    const Quad scale = sum_xl / sum_l2;
    found.scale = is_better ? scale : found.scale;
    best = is_better ? scale * sum_xl : best;
    found.inverse = is_better ? inverse : found.inverse;
  }
}

}  // namespace

void write_q4_k(const float* x, uint8_t* block) {
  Fits fits[kParts / kQuad];
  float most_scale = 0.0f, most_least = 0.0f;
  for (int quad = 0; quad < kParts / kQuad; ++quad) {
    Quad turned[kEach];
    side_by_side(x + quad * kQuad * kEach, kEach, turned);
    fit_parts(turned, fits[quad]);
    for (int p = 0; p < kQuad; ++p) {
      most_scale = std::max(most_scale, fits[quad].scale[p]);
      most_least = std::max(most_least, fits[quad].least[p]);
    }
  }
  const float to_scale = most_scale > 0.0f ? 63.0f / most_scale : 0.0f;
  const float to_least = most_least > 0.0f ? 63.0f / most_least : 0.0f;
  uint8_t* const packed = block + 4;
  uint8_t* const levels = block + 16;
  put_half(block, most_scale / 63.0f);
  put_half(block + 2, most_least / 63.0f);
  for (int p = 0; p < kParts; ++p) {
    const Fits& fit = fits[p / kQuad];
    put_part(packed, p, six_bits(to_scale * fit.scale[p % kQuad]), six_bits(to_least * fit.least[p % kQuad]));
  }
  for (int p = 0; p < kParts; ++p) {
    const Part part = part_at(packed, p);
    const Fits& fit = fits[p / kQuad];
    const float scale = half_at(block) * static_cast<float>(part.scale);
    const float least = half_at(block + 2) * static_cast<float>(part.least);
    for (int i = 0; i < kEach; ++i) {
      const float value = x[p * kEach + i];
      // Without a scale the levels of the search stay.
      const float wanted =
          scale != 0.0f ? (value + least) / scale : fit.inverse[p % kQuad] * (value - fit.from[p % kQuad]);
      const auto level = static_cast<uint8_t>(clamped(nearest(wanted), 0.0f, kTop));
      uint8_t& pair = levels[p / 2 * kEach + i];
      pair = p % 2 == 0 ? level : static_cast<uint8_t>(pair | level << 4);
    }
  }
}

void write_q6_k(const float* x, uint8_t* block) {
  Scales found[kScales / kQuad];
  float most = 0.0f, top = 0.0f;
  for (int quad = 0; quad < kScales / kQuad; ++quad) {
    Quad turned[kScaled];
    side_by_side(x + quad * kQuad * kScaled, kScaled, turned);
    find_scales(turned, found[quad]);
    for (int p = 0; p < kQuad; ++p) {
      const float scale = found[quad].scale[p];
      if (std::fabs(scale) <= most) continue;
      most = std::fabs(scale);
      top = scale;
    }
  }
  uint8_t *const low = block, *const high = block + 128, *const scales = block + 192;
  std::memset(block, 0, 210);
  if (most < kNothing) return;
  const float inverse = -128.0f / top;
  put_half(block + 208, 1.0f / inverse);
  uint8_t levels[kWeights];
  for (int p = 0; p < kScales; ++p) {
    const float own = found[p / kQuad].inverse[p % kQuad];
    const float whole = std::min(127.0f, nearest(inverse * found[p / kQuad].scale[p % kQuad]));
    scales[p] = static_cast<uint8_t>(static_cast<int8_t>(whole));
    const float scale = half_at(block + 208) * whole;
    for (int i = 0; i < kScaled; ++i) {
      const float value = x[p * kScaled + i];
      // Without a scale the levels of the search stay; a part of zeros has the level 0.
      const float wanted = scale != 0.0f ? value / scale : own * value;
      const float level = scale == 0.0f && own == 0.0f ? kLow : clamped(nearest(wanted), kLow, kHigh);
      levels[p * kScaled + i] = static_cast<uint8_t>(level + 32.0f);
    }
  }
  for (int half = 0; half < 2; ++half) {
    const uint8_t* const q = levels + 128 * half;
    for (int i = 0; i < 32; ++i) {
      low[64 * half + i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 64] & 15) << 4);
      low[64 * half + i + 32] = static_cast<uint8_t>((q[i + 32] & 15) | (q[i + 96] & 15) << 4);
      high[32 * half + i] =
          static_cast<uint8_t>(q[i] >> 4 | q[i + 32] >> 4 << 2 | q[i + 64] >> 4 << 4 | q[i + 96] >> 4 << 6);
    }
  }
}

void read_q4_k(const uint8_t* block, float* y) {
  for (int p = 0; p < kParts; ++p) {
    const Part part = part_at(block + 4, p);
    const float scale = half_at(block) * static_cast<float>(part.scale);
    const float least = half_at(block + 2) * static_cast<float>(part.least);
    const uint8_t* const levels = block + 16 + p / 2 * kEach;
    for (int i = 0; i < kEach; ++i) {
      const int level = p % 2 == 0 ? levels[i] & 15 : levels[i] >> 4;
      y[p * kEach + i] = scale * static_cast<float>(level) - least;
    }
  }
}

void read_q5_k(const uint8_t* block, float* y) {
  for (int p = 0; p < kParts; ++p) {
    const Part part = part_at(block + 4, p);
    const float scale = half_at(block) * static_cast<float>(part.scale);
    const float least = half_at(block + 2) * static_cast<float>(part.least);
    const uint8_t *const fifth = block + 16, *const levels = block + 48 + p / 2 * kEach;
    for (int i = 0; i < kEach; ++i) {
      const int level = (p % 2 == 0 ? levels[i] & 15 : levels[i] >> 4) | (fifth[i] >> p & 1) << 4;
      y[p * kEach + i] = scale * static_cast<float>(level) - least;
    }
  }
}

void read_q6_k(const uint8_t* block, float* y) {
  const float scale = half_at(block + 208);
  for (int at = 0; at < kWeights; ++at) {
    const int half = at / 128, quarter = at % 128 / 32, i = at % 32;
    const uint8_t pair = block[64 * half + 32 * (quarter % 2) + i];
    const int low = quarter < 2 ? pair & 15 : pair >> 4;
    const int level = low | (block[128 + 32 * half + i] >> (2 * quarter) & 3) << 4;
    const auto part = static_cast<float>(static_cast<int8_t>(block[192 + at / kScaled]));
    y[at] = scale * part * static_cast<float>(level - 32);
  }
}

}  // namespace athanor::gguf
