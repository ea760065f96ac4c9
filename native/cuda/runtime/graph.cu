// cuda/graph.h on a GPU: the stream is captured. Memory is not captured: a second stream, outside
// of any capture, allocates and frees meanwhile.
#include "cuda/graph.h"

#include "core/operation.h"
#include "cuda/gpu.h"
#include "cuda/runtime/graph.h"

namespace athanor::cuda {

struct RecordedWork {
  cudaGraphExec_t work;
};

cudaStream_t memory_stream() {
  static const cudaStream_t stream = [] {
    cudaStream_t made = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "graph");
    return made;
  }();
  return stream;
}

void start_recording() {
  memory_stream();
  check_cuda(cudaStreamBeginCapture(current_stream(), cudaStreamCaptureModeRelaxed), "graph");
}

RecordedWork* stop_recording() {
  cudaGraph_t graph = nullptr;
  const cudaError_t captured = cudaStreamEndCapture(current_stream(), &graph);
  // The graph's memory must exist before work on the other stream uses or frees it.
  const cudaError_t memory = cudaStreamSynchronize(memory_stream());
  check_cuda(captured, "graph");
  cudaGraphExec_t work = nullptr;
  const cudaError_t made = cudaGraphInstantiate(&work, graph, 0);
  cudaGraphDestroy(graph);
  check_cuda(memory, "graph");
  check_cuda(made, "graph");
  return new RecordedWork{work};
}

void drop_recording() noexcept {
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(current_stream(), &graph) == cudaSuccess) cudaGraphDestroy(graph);
  cudaStreamSynchronize(memory_stream());
  cudaGetLastError();
}

void queue_recorded(RecordedWork* recorded) {
  check_cuda(cudaGraphLaunch(recorded->work, current_stream()), "graph");
  check_launch();
}

void free_recorded(RecordedWork* recorded) noexcept {
  cudaStreamSynchronize(current_stream());  // it may still run
  cudaGraphExecDestroy(recorded->work);
  delete recorded;
}

}  // namespace athanor::cuda
