#include "ops/segments.h"

#include "kernels/segments.h"
#include "ops/check.h"

namespace athanor::ops {

void check_starts(const Tensor& starts, int64_t count) {
  check_dtype("starts", starts, DType::kI32);
  expect(starts.rank() == 1 && starts.dim(0) >= 1, ErrorCode::kShape,
         "expected starts to be [segments + 1] but it is ", starts.shape().text());
  const auto* start = starts.host<int32_t>();
  const int64_t segments = starts.dim(0) - 1;
  expect(start[0] == 0 && start[segments] == count, ErrorCode::kArgument, "expected starts to run from 0 to ",
         count, " but they run from ", start[0], " to ", start[segments]);
  for (int64_t i = 0; i < segments; ++i) {
    expect(start[i] <= start[i + 1], ErrorCode::kArgument, "expected starts to rise but entry ", i + 1,
           " is ", start[i + 1], " after ", start[i]);
  }
}

Tensor segment_sum(const Tensor& x, const Tensor& starts) {
  check_dtype("x", x, DType::kF32);
  expect(x.rank() == 1, ErrorCode::kShape, "expected x to be [n] but it is ", x.shape().text());
  check_starts(starts, x.dim(0));
  const int64_t segments = starts.dim(0) - 1;
  Tensor out({segments}, DType::kF32, x.device());
  segments_kernels(x.device()).sum(out.data<float>(), x.data<float>(), starts.data<int32_t>(), segments);
  return out;
}

Tensor segment_broadcast(const Tensor& values, const Tensor& starts) {
  check_dtype("values", values, DType::kF32);
  check_dtype("starts", starts, DType::kI32);
  const int64_t segments = values.numel();
  check_shape("starts", starts, {segments + 1});
  const int64_t count = starts.host<int32_t>()[segments];
  check_starts(starts, count);
  Tensor out({count}, DType::kF32, values.device());
  segments_kernels(values.device())
      .broadcast(out.data<float>(), values.data<float>(), starts.data<int32_t>(), segments);
  return out;
}

}  // namespace athanor::ops
