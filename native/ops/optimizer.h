#pragma once

#include <vector>

#include "core/tensor.h"

namespace athanor::ops {

/// One AdamW step over all parameters, in place; the five lists are parallel, tensors f32, weight_decay
/// decoupled. gradient_scale multiplies every gradient (clipping, accumulation); step counts from 1.
/// A parameter may be bf16 instead: it is updated in f32 and rounded stochastically, by bits that depend on
/// (seed, step, its place in the list, element) alone.
void adamw_step(const std::vector<Tensor>& parameters, const std::vector<Tensor>& gradients,
                const std::vector<Tensor>& first, const std::vector<Tensor>& second,
                const std::vector<double>& weight_decay, double lr, double beta1, double beta2, double eps,
                int64_t step, double gradient_scale, int64_t seed);
/// Square root of the sum of squares over all tensors (f32 or bf16).
double global_norm(const std::vector<Tensor>& tensors);

}  // namespace athanor::ops
