#pragma once

#include "core/tensor.h"
#include "kernels/frozen.h"

namespace athanor::ops {

/// A matrix that does not train, in fewer bits.
struct FrozenWeight {
  Tensor data;  // from quantize_frozen
  FrozenFormat format;
  int64_t outputs, inputs;  // of the matrix [outputs, inputs]
};

/// The weight [outputs, inputs], f32 or bf16, as u8 [bytes]: f32 scales, then codes. See
/// kernels/frozen.h.
Tensor quantize_frozen(const Tensor& weight, FrozenFormat format);
/// [outputs, inputs] of `dtype`, f32 or bf16.
Tensor dequantize_frozen(const FrozenWeight& weight, DType dtype);

}  // namespace athanor::ops
