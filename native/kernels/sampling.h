// Sampling contract: one token per row of logits, each row by itself, by a random number that is a
// function of (seed, stream, step) alone.
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

struct SampleArgs {
  DType dtype;             // of the logits
  int32_t* tokens;         // [rows]; -1 if the row is no distribution (NaN, +inf, or only -inf)
  float* log_probs;        // [rows], of the given logits over the temperature or 1; unfiltered,
                           // suppressed tokens included
  const void* logits;      // [rows, vocabulary]
  const int32_t* history;  // [rows, history_length], -1 is no token; null: none
  int64_t history_length;
  const int32_t* suppressed;  // [suppressed_count], tokens that are never drawn; null: none
  int64_t suppressed_count;
  const int32_t* allowed;  // [rows, ceil(vocabulary / 32)], a bit per token to draw from; null: all
  const int32_t* streams;  // [rows]
  const int32_t* steps;    // [rows]
  SamplingSettings settings;
  int64_t rows, vocabulary;
};

struct SamplingKernels {
  /// Filters run in this order: repetition penalty, suppressed and allowed tokens, temperature,
  /// top-k, top-p over the tokens that top-k kept, min-p. Where logits are equal the lower token
  /// counts as the larger.
  void (*sample)(const SampleArgs& args);
};
ATHANOR_KERNEL_FAMILY(SamplingKernels, sampling_kernels)

}  // namespace athanor
