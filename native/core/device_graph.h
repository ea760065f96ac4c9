// Work that is recorded once and queued again as one: the launches of a decoding step, a hundred of
// a few microseconds each, cost the host more than the GPU.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace athanor {

/// Returns the work that was queued since begin, bound to its addresses: inputs are written into
/// the tensors that were read then, outputs come in the tensors that were made then. None of it
/// has run yet.
struct DeviceGraph;

struct GraphBackend {
  void (*begin)();
  DeviceGraph* (*end)();
  /// Instead of end: forgets the recording.
  void (*abandon)() noexcept;
  void (*launch)(DeviceGraph* graph);
  void (*free)(DeviceGraph* graph) noexcept;
};

namespace cuda {
const GraphBackend& graph_backend();
}

/// Records the work from here on instead of running it; waiting for the device or copying to it
/// throws meanwhile. Throws ERR_STATE on the CPU, which queues nothing, and inside a recording.
void begin_recording();
/// Returns a number for the graph. The graph keeps its memory until free_graph.
int64_t end_recording();
void abandon_recording();
/// `written` lists the tensors that the graph writes to.
void launch_graph(int64_t graph, const std::vector<Tensor>& written);
void free_graph(int64_t graph);

}  // namespace athanor
