// int8 weights are for decoding on the CPU, which waits for the memory. The family has a file here,
// so that a build with CUDA refuses them by name.
#include "kernels/quantized.h"

#include "core/error.h"

namespace athanor::cuda {

const QuantizedKernels& quantized_kernels() {
  fail(ErrorCode::kArgument, "int8 weights are for decoding on the CPU, and the device is a GPU");
}

}  // namespace athanor::cuda
