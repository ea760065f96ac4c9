#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

struct SampleInputs {
  Tensor logits;                          // [b, V] f32 or bf16
  double temperature;                     // 0: the largest logit
  int64_t top_k;                          // 0: all
  double top_p;                           // 1: all
  double min_p;                           // 0: all
  double repetition_penalty;              // 1: none
  std::optional<Tensor> history = {};     // i32 [b, h], the tokens to penalise; -1 is no token
  std::optional<Tensor> suppressed = {};  // i32 [s], tokens that are never drawn
  std::optional<Tensor> allowed = {};     // i32 [b, ceil(V / 32)], bits: tokens that may be drawn
  int64_t seed;
  Tensor streams;  // i32 [b]
  Tensor steps;    // i32 [b]
};

/// -> tokens i32 [b], log_probs f32 [b]. The latter are under the unfiltered softmax over all V
/// tokens at that temperature, or at 1 where the temperature is 0. The random number of row i is a
/// function of (seed, streams[i], steps[i]). Throws ERR_NOT_FINITE that names the row when logits
/// hold NaN, +inf or nothing above -inf among the tokens that may be drawn.
std::tuple<Tensor, Tensor> sample(const SampleInputs& in);

}  // namespace athanor::ops
