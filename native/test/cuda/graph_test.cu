#include "cuda/graph.h"

#include "kernels/elementwise.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const GraphBackend& graphs() { return cuda::graph_backend(); }

template <class Body>
bool throws_state(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code() == ErrorCode::kState;
  }
  return false;
}

constexpr int64_t kCount = 700;
constexpr size_t kBytes = kCount * sizeof(float);

/// out = 3 in + 1, through memory that is allocated, freed and allocated again.
void queue_work(float* out, const float* in) {
  const ElementwiseKernels& kernels = cuda::elementwise_kernels();
  void* const zeros = cuda::device_allocate(kBytes);
  cuda::fill_zero(zeros, kBytes);
  void* const tripled = cuda::device_allocate(kBytes);
  kernels.axpby(DType::kF32, tripled, in, 3.0f, zeros, 1.0f, kCount);
  cuda::device_free(zeros, kBytes);
  void* const ones = cuda::device_allocate(kBytes);
  EXPECT(ones == zeros || cuda::recording_memory() == nullptr);
  kernels.fill(DType::kF32, ones, 1.0f, kCount);
  kernels.axpby(DType::kF32, tripled, tripled, 1.0f, ones, 1.0f, kCount);
  cuda::copy_on_device(out, tripled, kBytes);
  cuda::device_free(tripled, kBytes);
  cuda::device_free(ones, kBytes);
}

TEST(a_graph_does_again_what_was_recorded_with_what_its_inputs_hold_now) {
  cuda::synchronize();
  const uint64_t before = cuda::memory_stats().allocated_bytes;
  {
    const DeviceArray<float> in(normals(kCount, 1)), out(std::vector<float>(kCount, -7.0f));
    graphs().begin();
    queue_work(out, in);
    DeviceGraph* const graph = graphs().end();
    EXPECT(out.get() == std::vector<float>(kCount, -7.0f));  // nothing has run
    const uint64_t own = cuda::memory_stats().allocated_bytes;
    for (unsigned seed : {2, 3, 4}) {
      const std::vector<float> values = normals(kCount, seed);
      cuda::copy_to_device(in, values.data(), kBytes);
      // Memory of others does not come out of the graph's.
      const DeviceArray<float> other(std::vector<float>(kCount, 5.0f));
      graphs().launch(graph);
      std::vector<double> wanted(kCount);
      for (size_t i = 0; i < kCount; ++i) wanted[i] = 3.0 * values[i] + 1.0;
      EXPECT_CLOSE(out.get(), wanted, 1e-6);
      EXPECT(other.get() == std::vector<float>(kCount, 5.0f));
    }
    EXPECT(cuda::memory_stats().allocated_bytes == own);
    graphs().free(graph);
  }
  cuda::synchronize();
  EXPECT(cuda::memory_stats().allocated_bytes == before);
}

TEST(memory_outlives_its_graph_and_a_recording_the_memory_from_before) {
  cuda::synchronize();
  const uint64_t before = cuda::memory_stats().allocated_bytes;
  void* const earlier = cuda::device_allocate(kBytes);
  graphs().begin();
  cuda::device_free(earlier, kBytes);
  void* const result = cuda::device_allocate(kBytes);
  cuda::elementwise_kernels().fill(DType::kF32, result, 2.0f, kCount);
  DeviceGraph* const graph = graphs().end();
  graphs().launch(graph);
  graphs().free(graph);
  std::vector<float> got(kCount);
  cuda::copy_to_host(got.data(), result, kBytes);
  EXPECT(got == std::vector<float>(kCount, 2.0f));
  cuda::device_free(result, kBytes);
  cuda::synchronize();
  EXPECT(cuda::memory_stats().allocated_bytes == before);
}

TEST(a_recording_refuses_what_waits_and_can_be_abandoned) {
  const DeviceArray<float> out(std::vector<float>(kCount, 1.0f));
  std::vector<float> host(kCount);
  EXPECT(throws_state([] { graphs().end(); }));
  graphs().begin();
  EXPECT(throws_state([] { graphs().begin(); }));
  EXPECT(throws_state([&] { cuda::copy_to_host(host.data(), out, kBytes); }));
  EXPECT(throws_state([&] { cuda::copy_to_device(out, host.data(), kBytes); }));
  EXPECT(throws_state([] { cuda::synchronize(); }));
  cuda::fill_zero(out, kBytes);
  graphs().abandon();
  EXPECT(out.get() == std::vector<float>(kCount, 1.0f));
  cuda::fill_zero(out, kBytes);
  EXPECT(out.get() == std::vector<float>(kCount, 0.0f));
}

}  // namespace
}  // namespace athanor::test
