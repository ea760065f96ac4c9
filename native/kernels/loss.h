// Losses over rows of f32 logits; the GEMMs around them are the operation's. Gradients take the
// logits' place, because a chunk of logits is the largest thing in memory: row r of dtype begins
// where row r of the logits did, so rows are vocab * 4 bytes apart in either dtype.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct LossRows {
  float* logits;           // [rows, vocab]
  const int32_t* targets;  // [rows]; negative: ignored, with a loss and a gradient of zero
  int64_t rows, vocab;
  DType dtype;  // of the gradients
};

struct LossKernels {
  /// losses[r] = -log softmax(logits[r])[target]. Unless row_scale is null, logits[r] becomes
  /// (softmax - one-hot) * row_scale[r].
  void (*cross_entropy)(const LossRows& in, float* losses, const float* row_scale);
  /// log_probs[r] = log softmax(logits[r] / temperature)[target], entropies[r] the entropy of that
  /// distribution, in nats.
  void (*log_prob)(const LossRows& in, float inverse_temperature, float* log_probs, float* entropies);
  /// logits[r] becomes its gradient, from dlog_probs[r] and dentropies[r] (null: none).
  void (*log_prob_backward)(const LossRows& in, float inverse_temperature, const float* dlog_probs,
                            const float* dentropies);
};
ATHANOR_KERNEL_FAMILY(LossKernels, loss_kernels)

}  // namespace athanor
