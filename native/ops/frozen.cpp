#include "ops/frozen.h"

#include "ops/check.h"

namespace athanor::ops {

std::tuple<Tensor, Tensor> quantize_frozen(const Tensor& weight, FrozenFormat format) {
  check_float("weight", weight);
  expect(weight.rank() == 2, ErrorCode::kShape, "expected weight to be a matrix but it is ",
         weight.shape().text());
  const int64_t rows = weight.dim(0), columns = weight.dim(1);
  const Tensor codes({frozen_code_bytes(format, rows, columns)}, DType::kU8, weight.device());
  const Tensor scales({frozen_scales(format, rows, columns)}, DType::kF32, weight.device());
  frozen_kernels(weight.device())
      .quantize({format, rows, columns, scales.data<float>(), codes.data<uint8_t>()}, weight.raw(),
                weight.dtype());
  return {codes, scales};
}

Tensor dequantize_frozen(const FrozenWeight& weight, DType dtype) {
  const auto& [codes, scales, format, outputs, inputs] = weight;
  expect(outputs >= 0 && inputs >= 0, ErrorCode::kArgument,
         "expected outputs and inputs to be at least 0 but they are ", outputs, " and ", inputs);
  expect(dtype == DType::kF32 || dtype == DType::kBF16, ErrorCode::kDtype,
         "expected an f32 or bf16 result but got ", dtype_name(dtype));
  check_dtype("codes", codes, DType::kU8);
  check_shape("codes", codes, {frozen_code_bytes(format, outputs, inputs)});
  check_dtype("scales", scales, DType::kF32);
  check_shape("scales", scales, {frozen_scales(format, outputs, inputs)});
  const Tensor out({outputs, inputs}, dtype, codes.device());
  frozen_kernels(codes.device())
      .dequantize(out.raw(), dtype, {format, outputs, inputs, scales.data<float>(), codes.data<uint8_t>()});
  return out;
}

}  // namespace athanor::ops
