#pragma once

#include <tuple>

#include "core/tensor.h"
#include "kernels/frozen.h"

namespace athanor::ops {

/// A matrix that does not train, in fewer bits.
struct FrozenWeight {
  Tensor codes, scales;  // from quantize_frozen
  FrozenFormat format;
  int64_t outputs, inputs;  // of the matrix [outputs, inputs]
};

/// Codes, u8 [bytes], and scales, f32 [groups], of a weight [outputs, inputs], f32 or bf16. See
/// kernels/frozen.h. Two tensors, because sizes just above a power of two waste memory.
std::tuple<Tensor, Tensor> quantize_frozen(const Tensor& weight, FrozenFormat format);
/// [outputs, inputs] of `dtype`, f32 or bf16.
Tensor dequantize_frozen(const FrozenWeight& weight, DType dtype);

}  // namespace athanor::ops
