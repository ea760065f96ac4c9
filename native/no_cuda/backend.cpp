// Replaces native/cuda/backend.cpp in a build without CUDA. native/cuda/cuda.cmake writes the stubs
// of the kernel families from their contracts.
#include "core/device_graph.h"
#include "core/device_memory.h"
#include "core/device_streams.h"
#include "core/error.h"

namespace athanor::cuda {
namespace {

constexpr const char* kReason =
    "this build has no CUDA kernels; install the CUDA toolkit (12.4 or later), so that nvcc is on the PATH, "
    "and build again with: npm run build";

template <class Result, class... Arguments>
Result refuse(Arguments...) {
  fail(ErrorCode::kCudaUnavailable, kReason);
}
void refuse_to_free(void*, size_t) noexcept {}
void abandon_nothing() noexcept {}
void free_no_graph(DeviceGraph*) noexcept {}
DeviceStatus status() { return {false, kReason}; }
void begin_no_range(const char*) noexcept {}
void end_no_range() noexcept {}

constexpr DeviceBackend kNoBackend = {refuse<void*>, refuse_to_free, refuse<void>, refuse<void>,
                                      refuse<void>,  refuse<void>,   refuse<void>, refuse<MemoryStats>,
                                      status,        begin_no_range, end_no_range};
constexpr GraphBackend kNoGraphs = {refuse<void>, refuse<DeviceGraph*>, abandon_nothing, refuse<void>,
                                    free_no_graph};

constexpr StreamBackend kNoStreams = {refuse<void>, refuse<DevicePoint*>, refuse<void>, refuse<void*>};

}  // namespace

const DeviceBackend& backend() { return kNoBackend; }
const GraphBackend& graph_backend() { return kNoGraphs; }
const StreamBackend& stream_backend() { return kNoStreams; }

}  // namespace athanor::cuda
