#include "kernels/frozen.h"

#include "cpu/largest_magnitude.h"
#include "cpu/loops.h"
#include "kernels/nf4_math.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

// --- int8 ----------------------------------------------------------------------------------------

constexpr float kLevels = 127.0f;

typedef int8_t VecB __attribute__((vector_size(kLanes)));

template <class T>
ATHANOR_INLINE void quantize_int8_row(const FrozenMatrix& to, int64_t row, const T* weight) {
  const T* from = weight + row * to.columns;
  uint8_t* codes = to.codes + row * to.columns;
  const float scale = largest_magnitude(from, to.columns) / kLevels;
  to.scales[row] = scale;
  for_lanes(0, to.columns, [&](int64_t i, auto lanes) {
    VecF levels = load(from + i, lanes) / set1(scale);
    // A row of zeros, and one that is not finite: its scale says so.
    levels = abs(levels) < set1(kLevels + 0.5f) ? round_small(levels) : zero();
    const VecB bytes = __builtin_convertvector(__builtin_convertvector(levels, VecI), VecB);
    std::memcpy(codes + i, &bytes, static_cast<size_t>(smaller<int64_t>(kLanes, to.columns - i)));
  });
}

template <class T>
ATHANOR_INLINE void dequantize_int8_row(T* out, const FrozenMatrix& from, int64_t row) {
  const uint8_t* codes = from.codes + row * from.columns;
  const VecF scale = set1(from.scales[row]);
  for_lanes(0, from.columns, [&](int64_t i, auto lanes) {
    VecB bytes{};
    std::memcpy(&bytes, codes + i, static_cast<size_t>(smaller<int64_t>(kLanes, from.columns - i)));
    const VecI whole = __builtin_convertvector(bytes, VecI);
    store(out + row * from.columns + i, __builtin_convertvector(whole, VecF) * scale, lanes);
  });
}

// --- NF4 -----------------------------------------------------------------------------------------

/// The values of both halves of every byte.
struct Nf4Pairs {
  float values[256][2];
};

constexpr Nf4Pairs kPairs = [] {
  Nf4Pairs pairs{};
  for (int byte = 0; byte < 256; ++byte) {
    pairs.values[byte][0] = nf4_value(byte >> 4);
    pairs.values[byte][1] = nf4_value(byte & 15);
  }
  return pairs;
}();

template <class T>
ATHANOR_INLINE void quantize_nf4_block(float* scale, uint8_t* codes, const T* weight, int64_t count) {
  *scale = largest_magnitude(weight, count);
  const VecF inverse = set1(1.0f / (*scale < kNf4SmallestDivisor ? kNf4SmallestDivisor : *scale));
  int32_t found[kNf4Block + kLanes] = {};
  for_lanes(0, count, [&](int64_t i, auto lanes) {
    const VecF x = load(weight + i, lanes) * inverse;
    VecI code{};
    for (int bound = 0; bound < kNf4Bounds; ++bound) code -= x > set1(nf4_bound(bound));
    std::memcpy(found + i, &code, sizeof code);
  });
  if (count % 2 != 0) found[count] = kNf4Zero;
  for (int64_t i = 0; i < count; i += 2) codes[i / 2] = static_cast<uint8_t>(found[i] << 4 | found[i + 1]);
}

template <class T>
ATHANOR_INLINE void dequantize_nf4_block(T* out, float scale, const uint8_t* codes, int64_t count) {
  float values[kNf4Block + 2];
  for (int64_t i = 0; i < count; i += 2) std::memcpy(values + i, kPairs.values[codes[i / 2]], 8);
  for_lanes(0, count,
            [&](int64_t i, auto lanes) { store(out + i, load(values + i, lanes) * set1(scale), lanes); });
}

/// Calls body(block, first, count) in parallel over the blocks of a matrix.
template <class Body>
ATHANOR_INLINE void for_blocks(const FrozenMatrix& m, Body&& body) {
  const int64_t all = m.rows * m.columns;
  for_chunks(all, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kNf4Block)
      body(first / kNf4Block, first, smaller(kNf4Block, end - first));
  });
}

// --- both ----------------------------------------------------------------------------------------

void quantize(const FrozenMatrix& to, const void* weight, DType dtype) {
  for_dtype(dtype, [&](auto type) {
    const auto* from = static_cast<const decltype(type)*>(weight);
    if (to.format == FrozenFormat::kInt8) {
      for_row_blocks(to.rows, to.columns, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) quantize_int8_row(to, row, from);
      });
      return;
    }
    for_blocks(to, [&](int64_t block, int64_t first, int64_t count) {
      quantize_nf4_block(to.scales + block, to.codes + first / 2, from + first, count);
    });
  });
}

void dequantize(void* out, DType dtype, const FrozenMatrix& from) {
  for_dtype(dtype, [&](auto type) {
    auto* to = static_cast<decltype(type)*>(out);
    if (from.format == FrozenFormat::kInt8) {
      for_row_blocks(from.rows, from.columns, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) dequantize_int8_row(to, from, row);
      });
      return;
    }
    for_blocks(from, [&](int64_t block, int64_t first, int64_t count) {
      dequantize_nf4_block(to + first, from.scales[block], from.codes + first / 2, count);
    });
  });
}

}  // namespace

constinit const FrozenKernels frozen_kernels_table = complete_table<FrozenKernels>(quantize, dequantize);

}  // namespace athanor::cpu::ATHANOR_ISA
