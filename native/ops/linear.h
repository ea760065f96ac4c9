#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"
#include "kernels/linear.h"

namespace athanor::ops {

struct LinearForwardInputs {
  Tensor x;                         // [n, in] f32 or bf16
  Tensor weight;                    // [out, in] f32 or bf16, rounded to x's dtype
  std::optional<Tensor> bias = {};  // f32 [out]
  Activation activation = Activation::kNone;
  bool save_preactivation = false;
  std::optional<Tensor> addend = {};  // [n, out] of x's dtype
};

/// y = activation(x W^T + b + addend). Returns y [n, out] of x's dtype and, with
/// save_preactivation, the value before the activation.
std::tuple<Tensor, std::optional<Tensor>> linear_forward(const LinearForwardInputs& in);
/// dx [n, in] = dy [n, out] W + addend [n, in], times GELU'(preactivation [n, in]) when given.
Tensor linear_backward_input(const Tensor& dy, const Tensor& weight,
                             const std::optional<Tensor>& preactivation,
                             const std::optional<Tensor>& addend = std::nullopt);
/// dweight f32 [out, in] += dy^T x, or = with `overwrite` (it may then hold anything before);
/// dbias f32 [out] += column sums of dy.
void linear_backward_weight(const Tensor& dy, const Tensor& x, const Tensor& dweight,
                            const std::optional<Tensor>& dbias, std::optional<bool> overwrite = false);
/// op(a) op(b), both of one dtype; the result is f32 or bf16 as asked.
Tensor gemm(const Tensor& a, const Tensor& b, bool a_transposed, bool b_transposed, DType out_dtype);

/// The weight [rows, columns] packed as B [k, n] of `dtype`: W^T (k = columns) for forward, W (k =
/// rows) for backward. Packed again when the weight was written since; the memory is kept. Valid
/// until the next write. On a GPU a bf16 weight needs no copy.
const void* packed_weight(const Tensor& weight, DType dtype, bool transposed);

/// Frees the packed copies of the weight, and of others in its storage. The next product packs
/// again.
void release_packed(const Tensor& weight);

}  // namespace athanor::ops
