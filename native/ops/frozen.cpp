#include "ops/frozen.h"

#include "ops/check.h"

namespace athanor::ops {
namespace {

int64_t bytes_of(FrozenFormat format, int64_t rows, int64_t columns) {
  const int64_t scales = frozen_scales(format, rows, columns) * static_cast<int64_t>(sizeof(float));
  return scales + frozen_code_bytes(format, rows, columns);
}

FrozenMatrix matrix_in(const Tensor& data, FrozenFormat format, int64_t rows, int64_t columns) {
  auto* scales = data.data<float>();
  auto* codes = reinterpret_cast<uint8_t*>(scales + frozen_scales(format, rows, columns));
  return {format, rows, columns, scales, codes};
}

}  // namespace

Tensor quantize_frozen(const Tensor& weight, FrozenFormat format) {
  check_float("weight", weight);
  expect(weight.rank() == 2, ErrorCode::kShape, "expected weight to be a matrix but it is ",
         weight.shape().text());
  const int64_t rows = weight.dim(0), columns = weight.dim(1);
  const Tensor data({bytes_of(format, rows, columns)}, DType::kU8, weight.device());
  frozen_kernels(weight.device())
      .quantize(matrix_in(data, format, rows, columns), weight.raw(), weight.dtype());
  return data;
}

Tensor dequantize_frozen(const FrozenWeight& weight, DType dtype) {
  const auto& [data, format, outputs, inputs] = weight;
  expect(outputs >= 0 && inputs >= 0, ErrorCode::kArgument,
         "expected outputs and inputs to be at least 0 but they are ", outputs, " and ", inputs);
  expect(dtype == DType::kF32 || dtype == DType::kBF16, ErrorCode::kDtype,
         "expected an f32 or bf16 result but got ", dtype_name(dtype));
  check_dtype("data", data, DType::kU8);
  check_shape("data", data, {bytes_of(format, outputs, inputs)});
  const Tensor out({outputs, inputs}, dtype, data.device());
  frozen_kernels(data.device()).dequantize(out.raw(), dtype, matrix_in(data, format, outputs, inputs));
  return out;
}

}  // namespace athanor::ops
