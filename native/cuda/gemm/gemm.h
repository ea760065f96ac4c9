// The parts of a matrix product: by cuBLASLt, by the engine's own kernels, and the
// choice between them.
#pragma once

#include "cuda/gemm/cublaslt.h"
#include "kernels/linear.h"

namespace athanor::cuda {

/// The product by the engine's own kernels, for machines without cuBLASLt and for products
/// that cuBLASLt has no algorithm for. They take any layout, stride and epilogue, but no row
/// sums. Each element is one sum over k in rising order (in steps of 16 for bf16), independent
/// of the other rows.
void engine_gemm(const GemmArgs& args);
void engine_gemm_f32(const GemmArgs& args);
void engine_gemm_bf16(const GemmArgs& args);

/// The whole product with `library`, or with the engine's own kernels where it is null.
void gemm_with(CublasLt* library, const GemmArgs& args);

}  // namespace athanor::cuda
