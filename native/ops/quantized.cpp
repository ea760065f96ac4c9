#include "ops/quantized.h"

#include "kernels/quantized.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

void check_depth(int64_t in) {
  expect(in <= kMaxQuantizedDepth, ErrorCode::kShape, "expected at most ", kMaxQuantizedDepth,
         " inputs of a weight in int8 but got ", in);
}

}  // namespace

Tensor quantize_weight(const Tensor& weight) {
  check_float("weight", weight);
  expect(weight.rank() == 2, ErrorCode::kShape, "expected weight to be a matrix but it is ",
         weight.shape().text());
  const int64_t out = weight.dim(0), in = weight.dim(1);
  check_depth(in);
  const QuantizedKernels& kernels = quantized_kernels(weight.device());
  const Tensor panels({ceil_divide(out, kQuantizedColumns), quantized_panel_bytes(in)}, DType::kU8,
                      weight.device());
  kernels.quantize(panels.data<uint8_t>(), weight.raw(), weight.dtype(), out, in);
  return panels;
}

Tensor quantized_linear(const QuantizedLinearInputs& given) {
  const auto& [x, weight, outputs, bias, activation, addend, dtype] = given;
  check_float("x", x);
  expect(x.rank() == 2, ErrorCode::kShape, "expected x to be a matrix but it is ", x.shape().text());
  const int64_t n = x.dim(0), in = x.dim(1);
  check_depth(in);
  check_dtype("weight", weight, DType::kU8);
  expect(outputs >= 0, ErrorCode::kArgument, "expected outputs to be at least 0 but it is ", outputs);
  check_shape("weight", weight, {ceil_divide(outputs, kQuantizedColumns), quantized_panel_bytes(in)});
  expect(dtype == DType::kF32 || dtype == DType::kBF16, ErrorCode::kDtype,
         "expected an f32 or bf16 result but got ", dtype_name(dtype));
  if (bias) {
    check_dtype("bias", *bias, DType::kF32);
    check_shape("bias", *bias, {outputs});
  }
  if (addend) {
    check_dtype("addend", *addend, dtype);
    check_shape("addend", *addend, {n, outputs});
  }
  Tensor y({n, outputs}, dtype, x.device());
  quantized_kernels(x.device())
      .linear({.m = n,
               .n = outputs,
               .k = in,
               .dtype = x.dtype(),
               .x = x.raw(),
               .panels = weight.data<uint8_t>(),
               .out = y.raw(),
               .out_dtype = dtype,
               .epilogue = {.bias = bias ? bias->data<float>() : nullptr,
                            .addend = addend ? addend->raw() : nullptr,
                            .activation = activation}});
  return y;
}

}  // namespace athanor::ops
