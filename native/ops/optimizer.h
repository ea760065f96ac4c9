#pragma once

#include <vector>

#include "core/tensor.h"

namespace athanor::ops {

/// The lists are parallel: one entry per parameter.
struct AdamwInputs {
  std::vector<Tensor> parameters;  // f32 or bf16
  std::vector<Tensor> gradients;   // f32, as the moments
  std::vector<Tensor> first;
  std::vector<Tensor> second;
  std::vector<double> weight_decay;  // decoupled
  double lr, beta1, beta2, eps;
  int64_t step;           // from 1
  double gradient_scale;  // multiplies every gradient: clipping, accumulation
  int64_t seed;
};

/// One AdamW step over all parameters, in place. A bf16 parameter is updated in f32 and rounded
/// stochastically, by bits that depend on (seed, step, its place in the list, element) alone.
void adamw_step(const AdamwInputs& in);
/// Square root of the sum of squares over all tensors (f32 or bf16).
double global_norm(const std::vector<Tensor>& tensors);

}  // namespace athanor::ops
