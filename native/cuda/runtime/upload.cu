#include "cuda/runtime/upload.h"

#include <algorithm>
#include <cstring>

#include "cuda/gpu.h"

namespace athanor::cuda {

/// The buffer whose turn it is, free to be filled.
Uploader::Buffer& Uploader::next_buffer() {
  Buffer& buffer = buffers_[next_];
  next_ = 1 - next_;
  if (buffer.memory != nullptr) {
    check_cuda(cudaEventSynchronize(buffer.copied), "copy to the GPU");
    return buffer;
  }
  check_cuda(cudaEventCreateWithFlags(&buffer.copied, cudaEventDisableTiming), "copy to the GPU");
  check_cuda(cudaHostAlloc(&buffer.memory, kBytes, cudaHostAllocDefault), "pinned memory");
  return buffer;
}

void Uploader::copy(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  for (size_t done = 0; done < bytes; done += kBytes) {
    const size_t part = std::min(kBytes, bytes - done);
    const Buffer& buffer = next_buffer();
    std::memcpy(buffer.memory, static_cast<const char*>(from) + done, part);
    check_cuda(
        cudaMemcpyAsync(static_cast<char*>(to) + done, buffer.memory, part, cudaMemcpyHostToDevice, stream),
        "copy to the GPU");
    check_cuda(cudaEventRecord(buffer.copied, stream), "copy to the GPU");
  }
}

}  // namespace athanor::cuda
