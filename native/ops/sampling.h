#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

/// logits [b, V] f32 or bf16 -> tokens i32 [b], log_probs f32 [b] (under the unfiltered softmax at that
/// temperature, or at 1 where temperature is 0, which means the largest logit). top_k 0, top_p 1, min_p 0 and
/// repetition_penalty 1 filter nothing. history i32 [b, h] holds the tokens to penalise, -1 is none. The
/// random number of row i is a function of (seed, streams[i], steps[i]). Throws ERR_NOT_FINITE that names the
/// row when logits hold NaN, +inf or nothing above -inf.
std::tuple<Tensor, Tensor> sample(const Tensor& logits, double temperature, int64_t top_k, double top_p,
                                  double min_p, double repetition_penalty,
                                  const std::optional<Tensor>& history, int64_t seed, const Tensor& streams,
                                  const Tensor& steps);

}  // namespace athanor::ops
