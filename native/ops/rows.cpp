#include "ops/rows.h"

#include "kernels/rows.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

void check_matrix(const char* name, const Tensor& t) {
  expect(t.rank() == 2, ErrorCode::kShape, "expected ", name, " to be [rows, channels] but it is ",
         t.shape().text());
}

}  // namespace

Tensor gather_rows(const Tensor& x, const Tensor& rows) {
  check_matrix("x", x);
  check_indices("row", rows, x.dim(0));
  expect(rows.rank() == 1, ErrorCode::kShape, "expected rows to be [m] but it is ", rows.shape().text());
  Tensor out({rows.dim(0), x.dim(1)}, x.dtype(), x.device());
  rows_kernels(x.device())
      .gather(out.raw(), x.raw(), rows.data<int32_t>(), rows.dim(0),
              x.dim(1) * static_cast<int64_t>(dtype_size(x.dtype())));
  return out;
}

void scatter_rows_add(const Tensor& target, const Tensor& source, const Tensor& rows) {
  check_float("target", target);
  check_float("source", source);
  check_matrix("target", target);
  check_indices("row", rows, target.dim(0));
  check_shape("source", source, {rows.numel(), target.dim(1)});
  rows_kernels(target.device())
      .scatter_add(target.dtype(), target.raw(), source.dtype(), source.raw(), rows.data<int32_t>(),
                   rows.numel(), target.dim(1));
  target.storage().mark_written();
}

Tensor column_sum(const Tensor& x) {
  check_float("x", x);
  check_matrix("x", x);
  Tensor out({x.dim(1)}, DType::kF32, x.device());
  rows_kernels(x.device()).column_sum(x.dtype(), out.data<float>(), x.raw(), x.dim(0), x.dim(1));
  return out;
}

Tensor transpose(const Tensor& x) {
  check_matrix("x", x);
  Tensor out({x.dim(1), x.dim(0)}, x.dtype(), x.device());
  rows_kernels(x.device())
      .transpose(out.raw(), x.raw(), x.dim(0), x.dim(1), static_cast<int64_t>(dtype_size(x.dtype())));
  return out;
}

}  // namespace athanor::ops
