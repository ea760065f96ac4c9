// Checks that operations share. Each throws ERR_SHAPE, ERR_DTYPE or ERR_DEVICE under
// the operation's name.
#pragma once

#include "core/tensor.h"

namespace athanor::ops {

inline void check_dtype(const char* name, const Tensor& t, DType dtype) {
  expect(t.dtype() == dtype, ErrorCode::kDtype, "expected ", name, " to be ", dtype_name(dtype),
         " but it is ", dtype_name(t.dtype()));
}

inline void check_float(const char* name, const Tensor& t) {
  expect(t.dtype() == DType::kF32 || t.dtype() == DType::kBF16, ErrorCode::kDtype, "expected ", name,
         " to be f32 or bf16 but it is ", dtype_name(t.dtype()));
}

inline void check_shape(const char* name, const Tensor& t, const Shape& shape) {
  expect(t.shape() == shape, ErrorCode::kShape, "expected ", name, " to be ", shape.text(), " but it is ",
         t.shape().text());
}

inline void check_same_place(const Tensor& a, const Tensor& b) {
  expect(a.shape() == b.shape(), ErrorCode::kShape, "expected two tensors of one shape but got ",
         a.shape().text(), " and ", b.shape().text());
  expect(a.device() == b.device(), ErrorCode::kDevice, "expected two tensors on one device");
}

inline void check_same(const Tensor& a, const Tensor& b) {
  check_same_place(a, b);
  expect(a.dtype() == b.dtype(), ErrorCode::kDtype, "expected two tensors of one dtype but got ",
         dtype_name(a.dtype()), " and ", dtype_name(b.dtype()));
}

/// Every element of an i32 tensor in [0, limit); names the first that is not: "token 50304 at 17".
inline void check_indices(const char* name, const Tensor& indices, int64_t limit) {
  check_dtype(name, indices, DType::kI32);
  const auto* index = indices.host<int32_t>();
  for (int64_t i = 0, count = indices.numel(); i < count; ++i) {
    expect(index[i] >= 0 && index[i] < limit, ErrorCode::kArgument, name, ' ', index[i], " at ", i,
           " is outside the table of ", limit, " rows");
  }
}

}  // namespace athanor::ops
