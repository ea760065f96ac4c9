// cuda/memory.h and cuda/graph.h on the emulator, where the device's memory is the host's and every
// launch is complete when it returns, unless it is recorded.
#include <algorithm>
#include <cstring>

#include "cuda/graph.h"
#include "cuda/memory.h"
#include "emulator/recording.h"
#include "emulator/runtime.h"

namespace athanor::cuda {

namespace {

MemoryStats in_use{};

}  // namespace

struct RecordedWork {
  emulator::Work work;
};

void* allocate_unrecorded(size_t bytes) {
  void* pointer = emulator::allocate(bytes);
  in_use.allocated_bytes += bytes;
  in_use.peak_bytes = std::max(in_use.peak_bytes, in_use.allocated_bytes);
  return pointer;
}

void free_unrecorded(void* pointer, size_t bytes) noexcept {
  in_use.allocated_bytes -= bytes;
  emulator::release(pointer);
}
void copy_to_device(void* to, const void* from, size_t bytes) {
  expect_no_recording("a copy to the GPU");
  std::memcpy(to, from, bytes);
}
void copy_to_host(void* to, const void* from, size_t bytes) {
  expect_no_recording("a copy from the GPU");
  std::memcpy(to, from, bytes);
}
void copy_on_device(void* to, const void* from, size_t bytes) {
  emulator::run_or_record([=] { std::memmove(to, from, bytes); });
}
void fill_zero(void* pointer, size_t bytes) {
  emulator::run_or_record([=] { std::memset(pointer, 0, bytes); });
}
void synchronize() { expect_no_recording("a wait for the GPU"); }

void start_recording() { emulator::start_recording(); }
RecordedWork* stop_recording() { return new RecordedWork{emulator::stop_recording()}; }
void drop_recording() noexcept { emulator::stop_recording(); }
void queue_recorded(RecordedWork* recorded) {
  for (const auto& step : recorded->work) step();
}
void free_recorded(RecordedWork* recorded) noexcept { delete recorded; }
MemoryStats memory_stats() { return in_use; }
DeviceStatus device_status() { return {true, "the CPU, emulating a GPU for tests"}; }
void begin_range(const char*) noexcept {}
void end_range() noexcept {}
int multiprocessors() { return 3; }
int compute_capability() { return 90; }

}  // namespace athanor::cuda
