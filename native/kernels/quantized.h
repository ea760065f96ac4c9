// Products with weights in int8. A weight [n, k] has one scale per row (output channel): the
// largest absolute value of the row divided by 127. Each row of x is quantized when it is
// multiplied, to 16 bits with a scale of its own. The sum over k is of integers, so it is exact,
// and a row's bits depend on nothing but that row and the weight: not on the batch, the threads or
// the instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/integers.h"
#include "kernels/family.h"
#include "kernels/linear.h"

namespace athanor {

// A packed weight is a sequence of panels of 32 channels. A panel is 32 f32 scales, 32 i32 offsets
// (the start of a channel's sum), and for each 4 elements of k the 4 int8 of each channel. Channels
// and elements that do not exist are 0.
constexpr int64_t kQuantizedColumns = 32;
constexpr int64_t kQuantizedDepth = 4;
constexpr int64_t kQuantizedHeader = 2 * 4 * kQuantizedColumns;
/// The longest sum that fits 32 bits: 255 * 127 * 2^16 < 2^31.
constexpr int64_t kMaxQuantizedDepth = int64_t{1} << 16;

ATHANOR_INLINE int64_t quantized_panel_bytes(int64_t k) {
  return kQuantizedHeader + ceil_divide(k, kQuantizedDepth) * kQuantizedColumns * kQuantizedDepth;
}

struct QuantizedLinearArgs {
  int64_t m, n, k;
  DType dtype;
  const void* x;          // [m, k] of `dtype`
  const uint8_t* panels;  // of a weight [n, k]
  void* out;              // [m, n]
  DType out_dtype;
  Epilogue epilogue = {};  // bias, addend and activation only
};

struct QuantizedKernels {
  /// weight [n, k] of `dtype` -> panels.
  void (*quantize)(uint8_t* panels, const void* weight, DType dtype, int64_t n, int64_t k);
  void (*linear)(const QuantizedLinearArgs& args);
};
ATHANOR_KERNEL_FAMILY(QuantizedKernels, quantized_kernels)

/// Whether the machine has AVX512-VNNI; no when ATHANOR_VNNI is none.
bool vnni_supported();

}  // namespace athanor
