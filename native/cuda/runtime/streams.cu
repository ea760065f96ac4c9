// core/device_streams.h on a GPU.
#include "core/device_streams.h"

#include "cuda/gpu.h"
#include "cuda/graph.h"
#include "cuda/runtime/streams.h"

namespace athanor {

struct DevicePoint {
  cudaEvent_t event;
};

namespace cuda {
namespace {

bool is_inside = false;

cudaEvent_t recorded_event() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
  check_cuda(cudaEventRecord(event, current_stream()), "event");
  return event;
}

void wait_and_free(cudaEvent_t event) {
  check_cuda(cudaStreamWaitEvent(current_stream(), event, 0), "event");
  check_cuda(cudaEventDestroy(event), "event");  // the wait keeps what it needs
}

void enter() {
  expect_no_recording("an exchange with other ranks");
  const cudaEvent_t before = recorded_event();
  is_inside = true;
  wait_and_free(before);
}

DevicePoint* leave() {
  const cudaEvent_t event = recorded_event();
  is_inside = false;
  return new DevicePoint{event};
}

void wait_for(DevicePoint* point) {
  wait_and_free(point->event);
  delete point;
}

void* native_stream() { return current_stream(); }

}  // namespace

cudaStream_t exchange_stream() {
  if (!is_inside) return nullptr;
  static const cudaStream_t stream = [] {
    // Before the kernels that compute: an exchange is short, and other GPUs wait for it.
    int least = 0, greatest = 0;
    check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), "stream");
    cudaStream_t made = nullptr;
    check_cuda(cudaStreamCreateWithPriority(&made, cudaStreamNonBlocking, greatest), "stream");
    return made;
  }();
  return stream;
}

const StreamBackend& stream_backend() {
  static constexpr StreamBackend kBackend = {enter, leave, wait_for, native_stream};
  return kBackend;
}

}  // namespace cuda
}  // namespace athanor
