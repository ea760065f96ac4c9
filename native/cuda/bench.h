#pragma once

#include <cstdint>

namespace athanor::cuda {

/// multiply_add of BenchKernels on the tensor cores: by wgmma, which sm_90a alone has,
/// or by mma.sync.
double multiply_matrices(bool by_wgmma, int64_t rounds, float* sink);

}  // namespace athanor::cuda
