#pragma once

#include <optional>

#include "core/tensor.h"
#include "kernels/linear.h"

namespace athanor::ops {

struct QuantizedLinearInputs {
  Tensor x;                         // [n, in] f32 or bf16
  Tensor weight;                    // from quantize_weight
  int64_t outputs;                  // channels of the weight
  std::optional<Tensor> bias = {};  // f32 [outputs]
  Activation activation = Activation::kNone;
  std::optional<Tensor> addend = {};  // [n, outputs] of the result's dtype
  DType dtype;                        // of the result: f32 or bf16
};

/// The weight [out, in] in int8, symmetric, with one scale per output channel: u8 [panels, bytes]
/// in the layout of kernels/quantized.h. Only on the CPU.
Tensor quantize_weight(const Tensor& weight);
/// activation(x W^T + b + addend) for a weight in int8, [n, outputs]. Rows of x are rounded to
/// 16 bits with a scale each.
Tensor quantized_linear(const QuantizedLinearInputs& in);

}  // namespace athanor::ops
