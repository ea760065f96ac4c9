#pragma once

#include "core/tensor.h"

namespace athanor::ops {

/// logits f32 [b, V], tokens i32 [b, k] -> f32 [b, k]: the log-probability of each token under the
/// softmax at that temperature, in nats, with the bits of the losses and of sample. Throws
/// ERR_ARGUMENT for a token outside [0, V) and for a temperature that is not positive.
Tensor token_log_probs(const Tensor& logits, const Tensor& tokens, double temperature);
/// logits f32 [b, V] -> i32 [b, count]: the tokens with the largest logits, the largest first.
/// Where logits are equal the lower token comes first. Throws ERR_ARGUMENT unless 0 <= count <= V.
Tensor top_tokens(const Tensor& logits, int64_t count);
/// softcap tanh(logits / softcap) of logits f32 [b, V], with the bits of the losses. Throws
/// ERR_ARGUMENT for a softcap that is not above 0.
Tensor cap_logits(const Tensor& logits, double softcap);
/// logits f32 [b, V], tokens i32 [b, k], values f32 [b, k] -> f32 [b, V]: the logits, with each
/// value added to its token, in order; -1 is no token. Throws ERR_ARGUMENT for a token outside
/// [-1, V).
Tensor add_at(const Tensor& logits, const Tensor& tokens, const Tensor& values);

}  // namespace athanor::ops
