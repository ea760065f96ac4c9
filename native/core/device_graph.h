// Work that is recorded once and queued again as one: the launches of a decoding step, a hundred of a few
// microseconds each, cost the host more than the GPU.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace athanor {

/// What was queued from begin to end, bound to the addresses that it had: inputs are written into the tensors
/// that were read then, outputs come in those that were made then. Nothing of it has run yet.
struct DeviceGraph;

struct GraphBackend {
  void (*begin)();
  DeviceGraph* (*end)();
  /// Instead of end: forgets what was recorded.
  void (*abandon)() noexcept;
  void (*launch)(DeviceGraph* graph);
  void (*free)(DeviceGraph* graph) noexcept;
};

namespace cuda {
const GraphBackend& graph_backend();
}

/// From here on work is recorded and does not run, and what waits for the device or is sent to it throws.
/// Throws ERR_STATE on the CPU, which queues nothing, and inside a recording.
void begin_recording();
/// Returns a number for the graph. What it uses of memory is its own until free_graph.
int64_t end_recording();
void abandon_recording();
/// `written`: tensors that the graph writes to.
void launch_graph(int64_t graph, const std::vector<Tensor>& written);
void free_graph(int64_t graph);

}  // namespace athanor
