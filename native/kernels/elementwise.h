// Elementwise contract: `count` elements; every pointer has the given dtype unless its
// function says otherwise.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

/// Equal parts that lie `stride` elements apart; one of them, number `own_index`, is at `own`.
struct SummedParts {
  const void* base;
  int64_t stride;
  const void* own;
  int own_index;
  int count;
};

struct ElementwiseKernels {
  /// out = a * alpha + b * beta
  void (*axpby)(DType dtype, void* out, const void* a, float alpha, const void* b, float beta, int64_t count);
  /// target += weight * (source - target): where the two are equal, target keeps its bits.
  void (*lerp)(DType dtype, void* target, const void* source, float weight, int64_t count);
  /// out = a * alpha
  void (*scale)(DType dtype, void* out, const void* a, float alpha, int64_t count);
  /// out = a * b
  void (*multiply)(DType dtype, void* out, const void* a, const void* b, int64_t count);
  void (*fill)(DType dtype, void* out, float value, int64_t count);
  /// Between f32 and bf16, rounding to nearest even.
  void (*cast)(DType to, void* out, DType from, const void* in, int64_t count);
  /// Sum of all elements in f32 and in a fixed order: chunks of 4,096 elements, then the
  /// chunks in order.
  float (*sum)(DType dtype, const void* a, int64_t count);
  /// out = part 0 + part 1 + ..., from left to right in f32, rounded once. `out` may be `own`.
  void (*sum_parts)(DType dtype, void* out, const SummedParts& parts, int64_t count);
};
ATHANOR_KERNEL_FAMILY(ElementwiseKernels, elementwise_kernels)

}  // namespace athanor
