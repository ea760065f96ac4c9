#include "kernels/softmax.h"

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const SoftmaxKernels& kernels() { return cuda::softmax_kernels(); }

TEST_BOTH_TYPES(softmax_agrees) {
  constexpr size_t kRows = 5, kChannels = 1003;
  const std::vector<T> x = as_type<T>(normals(kRows * kChannels, 1, 4.0f)),
                       dy = as_type<T>(normals(kRows * kChannels, 2));
  const DeviceArray<T> in(x), ddy(dy), y(x.size()), dx(x.size());
  kernels().softmax_forward(kType, y, in, kRows, kChannels);
  kernels().softmax_backward(kType, dx, ddy, y, kRows, kChannels);
  const std::vector<double> result = as_double(y.get());
  std::vector<double> forward, backward;
  for (size_t row = 0; row < kRows; ++row) {
    double total = 0, dot = 0;
    for (size_t c = 0; c < kChannels; ++c) {
      const size_t i = row * kChannels + c;
      total += std::exp(static_cast<double>(to_float(x[i])));
      dot += to_float(dy[i]) * result[i];
    }
    for (size_t c = 0; c < kChannels; ++c) {
      const size_t i = row * kChannels + c;
      forward.push_back(std::exp(static_cast<double>(to_float(x[i]))) / total);
      backward.push_back(result[i] * (to_float(dy[i]) - dot));
    }
  }
  EXPECT_CLOSE(result, forward, kTolerance<T>);
  EXPECT_CLOSE(as_double(dx.get()), backward, kTolerance<T>);
}

}  // namespace
}  // namespace athanor::test
