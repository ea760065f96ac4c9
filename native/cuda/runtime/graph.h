#pragma once

#include <cuda_runtime.h>

namespace athanor::cuda {

/// Takes part in no recording.
cudaStream_t memory_stream();

}  // namespace athanor::cuda
