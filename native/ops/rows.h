#pragma once

#include "core/tensor.h"

namespace athanor::ops {

/// x [n, d] of any dtype, rows i32 [m] -> [m, d]. Throws ERR_ARGUMENT for a row outside [0, n).
Tensor gather_rows(const Tensor& x, const Tensor& rows);
/// target[rows[i]] += source[i], in the order of i; target [n, d] and source [m, d] f32
/// or bf16 each.
void scatter_rows_add(const Tensor& target, const Tensor& source, const Tensor& rows);
/// x [n, d] -> f32 [d], the sum over n; 0 for no rows.
Tensor column_sum(const Tensor& x);
/// x [n, d] of any dtype -> [d, n].
Tensor transpose(const Tensor& x);

}  // namespace athanor::ops
