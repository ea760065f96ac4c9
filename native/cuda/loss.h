#pragma once

#include <cstdint>

namespace athanor::cuda {

/// log_probs[r] = log softmax(logits[r] * inverse_temperature)[tokens[r]] by the kernel of the
/// losses, so with the same bits; 0 for a token below 0.
void token_log_probs(float* log_probs, const float* logits, const int32_t* tokens, int64_t rows,
                     int64_t vocab, float inverse_temperature);

}  // namespace athanor::cuda
