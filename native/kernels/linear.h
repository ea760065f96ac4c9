// Matrix products. On the CPU every element of a result is one chain of fused multiply-adds over k
// in rising order, so its bits depend on its own row and column only: not on the other rows, the
// blocking or the threads. On GPUs they depend on the shape as well, since cuBLASLt has an
// algorithm for each shape; see cuda/gemm/linear.cu.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

enum class Activation { kNone, kGelu };

/// The steps between an element's product and its store, in this order.
struct Epilogue {
  /// [n], added.
  const float* bias = nullptr;
  /// [m, n] of the output's dtype, added.
  const void* addend = nullptr;
  /// [m, n] of the output's dtype: receives the value before the activation.
  void* preactivation = nullptr;
  Activation activation = Activation::kNone;
  /// [m, n] of the output's dtype: the value is multiplied by GELU'(gelu_input).
  const void* gelu_input = nullptr;
  /// f32 output only: the chain starts from the output's old value.
  bool accumulate = false;
};

/// out [m, n] = A [m, k] B [k, n]. A and B are of `dtype`; a transposed operand is stored as [k, m]
/// or [n, k].
struct GemmArgs {
  int64_t m, n, k;
  DType dtype;
  const void* a;
  bool a_transposed = false;
  int64_t a_stride = 0;  // elements between A's stored rows; 0: they follow one another
  const void* b;
  bool b_transposed = false;
  void* out;
  DType out_dtype;
  Epilogue epilogue = {};
  float* a_row_sums = nullptr;  // [m], += the sum of each row of A
};

struct LinearKernels {
  void (*gemm)(const GemmArgs& args);
  /// Bytes that pack needs.
  size_t (*packed_bytes)(int64_t k, int64_t n, DType dtype);
  /// Packs B [k, n] (stored [n, k] when transposed), f32 or bf16, into panels of `dtype`, in the
  /// order that the backend multiplies fastest.
  void (*pack)(void* panels, const void* b, DType b_dtype, int64_t k, int64_t n, bool b_transposed,
               DType dtype);
  /// args.b holds packed panels of args.dtype; b_transposed is as pack had it.
  void (*gemm_packed)(const GemmArgs& args);
  /// Whether panels have B's stored layout: one copy then serves B and B^T, and a B of the panels'
  /// dtype needs none.
  bool packs_as_stored;
};
ATHANOR_KERNEL_FAMILY(LinearKernels, linear_kernels)

}  // namespace athanor
