#pragma once

#include <cuda_runtime.h>

namespace athanor::cuda {

/// The second queue of core/device_streams.h while it is in use, or null.
cudaStream_t exchange_stream();

}  // namespace athanor::cuda
