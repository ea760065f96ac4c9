#include "core/device_graph.h"

#include <map>
#include <mutex>

namespace athanor {
namespace {

struct Graphs {
  std::mutex mutex;
  std::map<int64_t, DeviceGraph*> by_number;
  int64_t last = 0;
};
Graphs& graphs() {
  static auto* const all = new Graphs;
  return *all;
}

DeviceGraph* find(Graphs& all, int64_t number) {
  const auto found = all.by_number.find(number);
  expect(found != all.by_number.end(), ErrorCode::kArgument, "there is no graph ", number);
  return found->second;
}

}  // namespace

void begin_recording() {
  expect(default_device().type == DeviceType::kCuda, ErrorCode::kState,
         "the CPU queues nothing that could be recorded");
  cuda::graph_backend().begin();
}

int64_t end_recording() {
  DeviceGraph* const made = cuda::graph_backend().end();
  Graphs& all = graphs();
  const std::lock_guard lock(all.mutex);
  all.by_number.emplace(++all.last, made);
  return all.last;
}

void abandon_recording() { cuda::graph_backend().abandon(); }

void launch_graph(int64_t graph, const std::vector<Tensor>& written) {
  Graphs& all = graphs();
  const std::lock_guard lock(all.mutex);
  cuda::graph_backend().launch(find(all, graph));
  for (const Tensor& tensor : written) tensor.storage().mark_written();
}

void free_graph(int64_t graph) {
  Graphs& all = graphs();
  const std::lock_guard lock(all.mutex);
  cuda::graph_backend().free(find(all, graph));
  all.by_number.erase(graph);
}

}  // namespace athanor
