#pragma once

#include <vector>

#include "core/tensor.h"

namespace athanor::ops {

/// The lists are parallel: one entry per parameter, or per run of a parameter's elements.
struct AdamwInputs {
  std::vector<Tensor> parameters;  // f32 or bf16
  std::vector<Tensor> gradients;   // f32, as the moments
  std::vector<Tensor> first;
  std::vector<Tensor> second;
  std::vector<double> weight_decay;  // decoupled
  std::vector<int64_t> place;        // of the parameter among all that train
  std::vector<int64_t> begin;        // of these elements in the parameter: whole chunks of 4096
  double lr, beta1, beta2, eps;
  int64_t step;           // from 1
  double gradient_scale;  // multiplies every gradient: clipping, accumulation
  int64_t seed;
};

/// One AdamW step over all parameters, in place. A bf16 parameter is updated in f32 and rounded
/// stochastically, by bits that depend on (seed, step, place, element of the parameter) alone.
void adamw_step(const AdamwInputs& in);
/// The sums of squares of each 4096 elements, tensor after tensor (f32 or bf16).
std::vector<double> squares_by_chunk(const std::vector<Tensor>& tensors);

}  // namespace athanor::ops
