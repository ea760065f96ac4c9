// Weights that do not train, in fewer bits. A matrix [rows, columns] is kept as
// - int8: a scale per row, the largest absolute value of the row divided by 127, and a signed byte
//   per element;
// - NF4 (Dettmers et al., "QLoRA", 2023): a scale per 64 elements in stored order, their largest
//   absolute value, and 4 bits per element, the even one in the upper half of a byte.
// Scales and codes of NF4 are those that bitsandbytes has on the CPU. In its kernels for GPUs a few
// bounds between codes differ in the last bit.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/integers.h"
#include "kernels/family.h"

namespace athanor {

enum class FrozenFormat { kInt8, kNf4 };

constexpr int64_t kNf4Block = 64;

/// The number of f32 scales.
ATHANOR_INLINE int64_t frozen_scales(FrozenFormat format, int64_t rows, int64_t columns) {
  return format == FrozenFormat::kInt8 ? rows : ceil_divide(rows * columns, kNf4Block);
}

ATHANOR_INLINE int64_t frozen_code_bytes(FrozenFormat format, int64_t rows, int64_t columns) {
  return format == FrozenFormat::kInt8 ? rows * columns : ceil_divide(rows * columns, int64_t{2});
}

struct FrozenMatrix {
  FrozenFormat format;
  int64_t rows, columns;
  float* scales;
  uint8_t* codes;
};

struct FrozenKernels {
  /// weight [rows, columns] of `dtype` -> scales and codes.
  void (*quantize)(const FrozenMatrix& to, const void* weight, DType dtype);
  /// Scales and codes -> out [rows, columns] of `dtype`. Values are f32 products, then rounded.
  void (*dequantize)(void* out, DType dtype, const FrozenMatrix& from);
};
ATHANOR_KERNEL_FAMILY(FrozenKernels, frozen_kernels)

}  // namespace athanor
