// Logits contract: reports on rows of logits and changes to them, each row by itself.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct LogitsKernels {
  /// log_probs[r, i] = log softmax(logits[r] * inverse_temperature)[tokens[r, i]], with the bits
  /// of the losses and of the sampler. Tokens are in range.
  void (*token_log_probs)(float* log_probs, const float* logits, const int32_t* tokens, int64_t rows,
                          int64_t vocabulary, int64_t count, float inverse_temperature);
  /// tokens[r, 0 .. count): the largest logits of the row, the largest first. Where logits are
  /// equal the lower token counts as the larger. NaN counts as the smallest. count <= vocabulary.
  void (*top_tokens)(int32_t* tokens, const float* logits, int64_t rows, int64_t vocabulary, int64_t count);
  /// out = logits, then out[r, tokens[r, i]] += values[r, i] in the order of i; -1 is no token.
  void (*add_at)(float* out, const float* logits, const int32_t* tokens, const float* values, int64_t rows,
                 int64_t vocabulary, int64_t count);
  /// logits become cap tanh(logits / cap), in place. `slopes` receives the derivatives; null: not
  /// wanted.
  void (*cap)(float* logits, float* slopes, int64_t count, float cap);
  /// gradients[r, i] *= slopes[r, i]; gradients of `dtype` have `stride` elements from row to row.
  void (*multiply_slopes)(DType dtype, void* gradients, int64_t stride, const float* slopes, int64_t rows,
                          int64_t vocabulary);
};
ATHANOR_KERNEL_FAMILY(LogitsKernels, logits_kernels)

}  // namespace athanor
