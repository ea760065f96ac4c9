// Copies to the GPU for which nobody waits. From ordinary memory the driver copies through a buffer
// of its own and may wait for the stream. From pinned memory the copy engine reads while the CPU
// continues, so the next batch is copied while the GPU computes this one.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace athanor::cuda {

/// Two pinned buffers in turn: one is filled while the other is copied.
class Uploader {
 public:
  /// `from` may be overwritten when this returns.
  void copy(void* to, const void* from, size_t bytes, cudaStream_t stream);

 private:
  struct Buffer {
    void* memory = nullptr;
    cudaEvent_t copied = nullptr;
  };
  Buffer& next_buffer();

  // As large as a batch of a million tokens; weights go through in pieces.
  static constexpr size_t kBytes = size_t{4} << 20;
  Buffer buffers_[2];
  int next_ = 0;
};

}  // namespace athanor::cuda
