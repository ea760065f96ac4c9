// The parts of a matrix product: by cuBLASLt, by the engine's own kernels, and what is done around them.
#pragma once

#include "cuda/gemm/cublaslt.h"
#include "kernels/linear.h"

namespace athanor::cuda {

/// The product by own kernels, for machines without cuBLASLt and products that it has no algorithm for: any
/// layout, stride and epilogue; row sums are not its work. Each element is one sum over k in rising order
/// (in steps of 16 for bf16), whatever the other rows are.
void own_gemm(const GemmArgs& args);
void own_gemm_f32(const GemmArgs& args);
void own_gemm_bf16(const GemmArgs& args);

/// The whole product with `library`, or with own kernels where it is null.
void gemm_with(CublasLt* library, const GemmArgs& args);

}  // namespace athanor::cuda
