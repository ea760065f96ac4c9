#include "kernels/activation.h"

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const ActivationKernels& kernels() { return cuda::activation_kernels(); }

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
double gelu_slope(double x) {
  const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x), t = std::tanh(u);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

double gelu_erf(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double gelu_erf_slope(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI);
}

using Unary = void (*)(DType, void*, const void*, int64_t);
using Binary = void (*)(DType, void*, const void*, const void*, int64_t);

template <class T>
void expect_unary(DType type, Unary kernel, double (*f)(double)) {
  const std::vector<T> x = as_type<T>(normals(2051, 1, 3.0f));
  const DeviceArray<T> dx(x), y(x.size());
  kernel(type, y, dx, static_cast<int64_t>(x.size()));
  std::vector<double> reference;
  for (double v : as_double(x)) reference.push_back(f(v));
  EXPECT_CLOSE(as_double(y.get()), reference, kTolerance<T>);
}

template <class T>
void expect_binary(DType type, Binary kernel, double (*slope)(double)) {
  const std::vector<T> dy = as_type<T>(normals(2051, 1)), saved = as_type<T>(normals(2051, 2, 0.5f));
  const DeviceArray<T> ddy(dy), dsaved(saved), dx(dy.size());
  kernel(type, dx, ddy, dsaved, static_cast<int64_t>(dy.size()));
  std::vector<double> reference;
  for (size_t i = 0; i < dy.size(); ++i) reference.push_back(to_float(dy[i]) * slope(to_float(saved[i])));
  EXPECT_CLOSE(as_double(dx.get()), reference, kTolerance<T>);
}

TEST_BOTH_TYPES(activations_agree) {
  expect_unary<T>(kType, kernels().gelu_forward, gelu);
  expect_unary<T>(kType, kernels().gelu_erf_forward, gelu_erf);
  expect_unary<T>(kType, kernels().relu_forward, [](double x) { return x < 0 ? 0.0 : x; });
  expect_unary<T>(kType, kernels().tanh_forward, [](double x) { return std::tanh(x); });
  expect_unary<T>(kType, kernels().sigmoid_forward, sigmoid);
}

TEST_BOTH_TYPES(slopes_of_activations_agree) {
  expect_binary<T>(kType, kernels().gelu_backward, gelu_slope);
  expect_binary<T>(kType, kernels().gelu_erf_backward, gelu_erf_slope);
  expect_binary<T>(kType, kernels().relu_backward, [](double y) { return y > 0 ? 1.0 : 0.0; });
  expect_binary<T>(kType, kernels().tanh_backward, [](double y) { return 1 - y * y; });
  expect_binary<T>(kType, kernels().sigmoid_backward, [](double y) { return y * (1 - y); });
}

using Gated = void (*)(DType, void*, const void*, int64_t, int64_t);
using GatedBackward = void (*)(DType, void*, const void*, const void*, int64_t, int64_t);

template <class T>
void expect_gated(DType type, Gated forward, GatedBackward backward, double (*f)(double),
                  double (*slope)(double)) {
  for (int64_t channels : {24, 13}) {  // vectors, and one by one
    constexpr int64_t kRows = 37;
    const std::vector<T> gate_up = as_type<T>(normals(static_cast<size_t>(kRows * 2 * channels), 1));
    const std::vector<T> dy = as_type<T>(normals(static_cast<size_t>(kRows * channels), 2));
    std::vector<double> y, dgate_up(gate_up.size());
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t at = row * 2 * channels + c;
        const double gate = to_float(gate_up[at]), up = to_float(gate_up[at + channels]);
        const double d = to_float(dy[row * channels + c]);
        y.push_back(f(gate) * up);
        dgate_up[at] = d * up * slope(gate);
        dgate_up[at + channels] = d * f(gate);
      }
    }
    const DeviceArray<T> in(gate_up), ddy(dy), out(dy.size()), din(gate_up.size());
    forward(type, out, in, kRows, channels);
    backward(type, din, ddy, in, kRows, channels);
    EXPECT_CLOSE(as_double(out.get()), y, kTolerance<T>);
    EXPECT_CLOSE(as_double(din.get()), dgate_up, kTolerance<T>);
  }
}

TEST_BOTH_TYPES(swiglu_agrees) {
  expect_gated<T>(
      kType, kernels().swiglu_forward, kernels().swiglu_backward, [](double x) { return x * sigmoid(x); },
      [](double x) { return sigmoid(x) * (1 + x * (1 - sigmoid(x))); });
}
TEST_BOTH_TYPES(geglu_agrees) {
  expect_gated<T>(kType, kernels().geglu_forward, kernels().geglu_backward, gelu, gelu_slope);
}

}  // namespace
}  // namespace athanor::test
