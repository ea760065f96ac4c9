// Sampling contract: one token a row of logits, each row by itself, by a random number that is a function of
// (seed, stream, step) alone.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct SamplingSettings {
  double temperature;         // 0: the largest logit, the first where several are equal
  int64_t top_k;              // 0: all
  double top_p;               // 1: all
  double min_p;               // 0: all
  double repetition_penalty;  // 1: none
  uint64_t seed;
};

struct SamplingKernels {
  /// logits [rows, vocabulary] of dtype; history i32 [rows, history_length] or null, -1 is no token.
  /// Filters run in the order repetition penalty, temperature, top-k, top-p over what top-k kept, min-p.
  /// Where logits are equal the lower token counts as the larger. tokens[row] is -1 where the row is no
  /// distribution (NaN, +inf, or nothing above -inf). log_probs are of the logits as given, unpenalised and
  /// unfiltered, divided by temperature (by 1 where that is 0).
  void (*sample)(DType dtype, int32_t* tokens, float* log_probs, const void* logits, const int32_t* history,
                 int64_t history_length, const int32_t* streams, const int32_t* steps,
                 const SamplingSettings& settings, int64_t rows, int64_t vocabulary);
};
ATHANOR_KERNEL_FAMILY(SamplingKernels, sampling_kernels)

}  // namespace athanor
