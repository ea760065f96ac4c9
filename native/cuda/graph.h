// Graphs, and device memory in and out of them (device_allocate and device_free of memory.h): the
// common part of GPU and emulator. Each has its own way of recording and its own memory.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "core/device_graph.h"

namespace athanor::cuda {

/// Memory of one graph, whose work is bound to addresses. Blocks that are freed within the
/// recording are used again in it, since its work runs in order. They are returned only
/// with the graph.
class GraphMemory {
 public:
  GraphMemory() = default;
  /// Blocks that are still in use live on as ordinary memory.
  ~GraphMemory();
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

  void* take(size_t bytes);
  /// False for memory that is not this graph's.
  bool give_back(void* pointer);

 private:
  std::unordered_map<void*, size_t> in_use_;
  std::unordered_map<size_t, std::vector<void*>> free_;
};

/// The memory of the graph that is being recorded, or null.
GraphMemory* recording_memory();
/// Throws ERR_STATE within a recording.
void expect_no_recording(const char* what);

// Defined twice: cuda/runtime/graph.cu for GPUs, emulator/memory_emulated.cpp for the emulator.

struct RecordedWork;
void start_recording();
RecordedWork* stop_recording();
/// Ends a recording in which an operation has failed.
void drop_recording() noexcept;
void queue_recorded(RecordedWork* work);
void free_recorded(RecordedWork* work) noexcept;
/// Ordinary memory, during a recording or not.
void* allocate_unrecorded(size_t bytes);
void free_unrecorded(void* pointer, size_t bytes) noexcept;

}  // namespace athanor::cuda
