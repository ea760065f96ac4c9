// The yardsticks must do the work that they say they did.
#include "kernels/bench.h"

#include "cuda/bench.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

TEST(tensor_cores_do_the_products_that_are_counted) {
  constexpr int64_t kRounds = 3;
  const bool is_hopper = cuda::compute_capability() == 90;
  const DeviceArray<float> sink(1);
  for (bool by_wgmma : {false, true}) {
    if (by_wgmma && !is_hopper) continue;
    const double operations = cuda::multiply_matrices(by_wgmma, kRounds, sink);
    // All operands are 1, so that each multiply-add adds 1 to one element.
    EXPECT(operations > 0 && sink.get()[0] == operations / 2);
  }
  const double fastest = cuda::multiply_matrices(is_hopper, kRounds, sink);
  EXPECT(cuda::bench_kernels().multiply_add(DType::kBF16, kRounds, sink) == fastest);
}

TEST(multiply_adds_near_their_limit) {
  const DeviceArray<float> sink(1);
  const double once = cuda::bench_kernels().multiply_add(DType::kF32, 1, sink);
  const double operations = cuda::bench_kernels().multiply_add(DType::kF32, 40, sink);
  EXPECT(operations == 40 * once);
  EXPECT(std::fabs(sink.get()[0] / once - 1.0) < 1e-6);  // once / 2 chains of 2
}

TEST(copies_are_copies) {
  const std::vector<float> x = normals(2051, 1);
  const DeviceArray<float> from(x), to(x.size());
  cuda::bench_kernels().copy(to, from, 2051);
  EXPECT(to.get() == x);
}

}  // namespace
}  // namespace athanor::test
