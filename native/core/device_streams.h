// A second queue of a GPU, for exchange with other ranks while kernels compute. One thread at a
// time uses it, the one that queues the kernels.
#pragma once

namespace athanor {

/// A point in the second queue.
struct DevicePoint;

struct StreamBackend {
  /// What is queued from here on goes to the second queue, behind what was queued so far.
  void (*enter)();
  /// Back to the first queue. Returns the point that the second one has come to.
  DevicePoint* (*leave)();
  /// What is queued from here on is behind the point, which is freed.
  void (*wait_for)(DevicePoint* point);
  /// The cudaStream_t of the queue that is in use.
  void* (*native_stream)();
};

namespace cuda {
const StreamBackend& stream_backend();
}

}  // namespace athanor
