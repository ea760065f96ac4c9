#include "cuda/graph.h"

#include <algorithm>
#include <memory>

#include "cuda/memory.h"

namespace athanor {

struct DeviceGraph {
  cuda::GraphMemory memory;
  cuda::RecordedWork* work = nullptr;
};

namespace cuda {
namespace {

// The last graph may be in recording. Never destroyed: tensors are freed until the end
// of the process.
auto& graphs = *new std::vector<std::unique_ptr<DeviceGraph>>;
bool is_recording = false;

/// Returns memory to the graph that owns it; false for other memory.
bool free_to_graph(void* pointer) noexcept {
  return std::any_of(graphs.begin(), graphs.end(),
                     [=](const auto& graph) { return graph->memory.give_back(pointer); });
}

void forget(DeviceGraph* graph) noexcept {
  const auto is_it = [=](const std::unique_ptr<DeviceGraph>& other) { return other.get() == graph; };
  const auto found = std::find_if(graphs.begin(), graphs.end(), is_it);
  if (found == graphs.end()) return;
  // First out of the list, so that its blocks are freed as ordinary memory.
  const std::unique_ptr<DeviceGraph> last = std::move(*found);
  graphs.erase(found);
}

void begin() {
  expect_no_recording("another recording");
  synchronize();
  start_recording();
  graphs.push_back(std::make_unique<DeviceGraph>());
  is_recording = true;
}

DeviceGraph* end() {
  expect(is_recording, ErrorCode::kState, "nothing is being recorded");
  DeviceGraph* const graph = graphs.back().get();
  is_recording = false;
  try {
    graph->work = stop_recording();
  } catch (...) {
    forget(graph);
    throw;
  }
  return graph;
}

void abandon() noexcept {
  if (!is_recording) return;
  is_recording = false;
  drop_recording();
  forget(graphs.back().get());
}

void launch_recorded(DeviceGraph* graph) {
  expect_no_recording("a graph");
  queue_recorded(graph->work);
}

void free_graph(DeviceGraph* graph) noexcept {
  free_recorded(graph->work);
  forget(graph);
}

}  // namespace

GraphMemory::~GraphMemory() {
  for (const auto& [bytes, blocks] : free_) {
    for (void* block : blocks) free_unrecorded(block, bytes);
  }
}

void* GraphMemory::take(size_t bytes) {
  std::vector<void*>& blocks = free_[bytes];
  void* block = nullptr;
  if (blocks.empty()) {
    block = allocate_unrecorded(bytes);
  } else {
    block = blocks.back();
    blocks.pop_back();
  }
  in_use_.emplace(block, bytes);
  return block;
}

bool GraphMemory::give_back(void* pointer) {
  const auto found = in_use_.find(pointer);
  if (found == in_use_.end()) return false;
  free_[found->second].push_back(pointer);
  in_use_.erase(found);
  return true;
}

GraphMemory* recording_memory() { return is_recording ? &graphs.back()->memory : nullptr; }

void* device_allocate(size_t bytes) {
  GraphMemory* const own = recording_memory();
  return own != nullptr ? own->take(bytes) : allocate_unrecorded(bytes);
}

void device_free(void* pointer, size_t bytes) noexcept {
  if (pointer != nullptr && !free_to_graph(pointer)) free_unrecorded(pointer, bytes);
}

void expect_no_recording(const char* what) {
  expect(!is_recording, ErrorCode::kState, what, " cannot be part of a recording");
}

const GraphBackend& graph_backend() {
  static constexpr GraphBackend kBackend = {begin, end, abandon, launch_recorded, free_graph};
  return kBackend;
}

}  // namespace cuda
}  // namespace athanor
