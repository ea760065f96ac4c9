#include "kernels/norm.h"

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const NormKernels& kernels() { return cuda::norm_kernels(); }

struct Reference {
  std::vector<double> y, sum, mean, rstd, dx, dweight, dbias;
};

/// Forward from x + delta rounded to T, and backward from dy and dsum; without centring it
/// is RMS norm.
template <class T>
Reference reference_norm(bool centered, const std::vector<T>& x, const std::vector<T>& delta,
                         const std::vector<float>& weight, const std::vector<float>& bias,
                         const std::vector<T>& dy, const std::vector<T>& dsum, size_t rows, size_t channels) {
  Reference r;
  r.dweight.assign(channels, 0.0);
  r.dbias.assign(channels, 0.0);
  const double n = static_cast<double>(channels);
  for (size_t row = 0; row < rows; ++row) {
    std::vector<double> v(channels), normal(channels), g(channels);
    double mean = 0, variance = 0, g_mean = 0, gn_mean = 0;
    for (size_t c = 0; c < channels; ++c) {
      v[c] = to_float(from_float<T>(to_float(x[row * channels + c]) + to_float(delta[row * channels + c])));
      mean += v[c] / n;
    }
    if (!centered) mean = 0;
    for (double value : v) variance += (value - mean) * (value - mean) / n;
    const double rstd = 1 / std::sqrt(variance + 1e-5);
    for (size_t c = 0; c < channels; ++c) {
      const double d = to_float(dy[row * channels + c]);
      normal[c] = (v[c] - mean) * rstd;
      g[c] = d * weight[c];
      g_mean += g[c] / n;
      gn_mean += g[c] * normal[c] / n;
      r.dweight[c] += d * normal[c];
      r.dbias[c] += d;
      r.sum.push_back(v[c]);
      r.y.push_back(normal[c] * weight[c] + (centered ? bias[c] : 0.0));
    }
    for (size_t c = 0; c < channels; ++c) {
      const double inner = g[c] - (centered ? g_mean : 0.0) - normal[c] * gn_mean;
      r.dx.push_back(inner * rstd + to_float(dsum[row * channels + c]));
    }
    r.mean.push_back(mean);
    r.rstd.push_back(rstd);
  }
  return r;
}

template <class T>
void expect_norm(DType type, bool centered, size_t rows, size_t channels, float offset = 0) {
  const size_t count = rows * channels;
  const std::vector<T> x = as_type<T>(normals(count, 1)), delta = as_type<T>(normals(count, 2)),
                       dy = as_type<T>(normals(count, 3)), dsum = as_type<T>(normals(count, 4));
  const std::vector<float> weight = normals(channels, 5), bias = normals(channels, 6);
  std::vector<float> gain = weight;
  for (float& g : gain) g += offset;
  const Reference r = reference_norm(centered, x, delta, gain, bias, dy, dsum, rows, channels);
  const DeviceArray<T> dx_in(x), ddelta(delta), ddy(dy), ddsum(dsum), y(count), sum(count), dx(count);
  const DeviceArray<float> w(weight), b(bias), mean(rows), rstd(rows);
  const DeviceArray<float> dweight(std::vector<float>(channels, 1.0f)),
      dbias(std::vector<float>(channels, 1.0f));
  const auto n = static_cast<int64_t>(rows), d = static_cast<int64_t>(channels);
  NormForwardArgs forward{.dtype = type,
                          .y = y,
                          .sum = sum,
                          .mean = nullptr,
                          .rstd = rstd,
                          .x = dx_in,
                          .delta = ddelta,
                          .weight = w,
                          .bias = nullptr,
                          .eps = 1e-5f,
                          .rows = n,
                          .channels = d,
                          .weight_offset = offset};
  NormBackwardArgs backward{.dtype = type,
                            .dx = dx,
                            .dweight = dweight,
                            .dbias = nullptr,
                            .dy = ddy,
                            .dsum = ddsum,
                            .sum = sum,
                            .weight = w,
                            .mean = nullptr,
                            .rstd = rstd,
                            .rows = n,
                            .channels = d,
                            .weight_offset = offset};
  if (centered) {
    forward.mean = mean;
    forward.bias = b;
    backward.mean = mean;
    backward.dbias = dbias;
    kernels().layer_norm_forward(forward);
    kernels().layer_norm_backward(backward);
    EXPECT_CLOSE(mean.get(), r.mean, 1e-5);
    std::vector<double> added = r.dbias;  // the kernel adds to the old value
    for (double& v : added) v += 1;
    EXPECT_CLOSE(dbias.get(), added, 1e-5);
  } else {
    kernels().rms_norm_forward(forward);
    kernels().rms_norm_backward(backward);
  }
  EXPECT_CLOSE(as_double(sum.get()), r.sum, 0.0);
  EXPECT_CLOSE(as_double(y.get()), r.y, kTolerance<T>);
  EXPECT_CLOSE(rstd.get(), r.rstd, 1e-6);
  EXPECT_CLOSE(as_double(dx.get()), r.dx, kTolerance<T>);
  std::vector<double> added = r.dweight;
  for (double& v : added) v += 1;
  EXPECT_CLOSE(dweight.get(), added, 1e-5);
}

// One, three and four vectors per lane with the last ones partly past the end; one by one;
// longer than registers.
constexpr size_t kChannels[] = {40, 768, 1000, 13, 1160};

TEST_BOTH_TYPES(layer_norm_agrees) {
  for (size_t channels : kChannels) expect_norm<T>(kType, true, 29, channels);
}
TEST_BOTH_TYPES(rms_norm_agrees) {
  for (size_t channels : kChannels) expect_norm<T>(kType, false, 7, channels);
}
TEST_BOTH_TYPES(rms_norm_with_an_offset_agrees) {
  for (size_t channels : kChannels) expect_norm<T>(kType, false, 7, channels, 1.0f);
}

TEST(a_norm_without_delta_bias_or_dsum) {
  constexpr size_t kRows = 5, kWidth = 64;
  const std::vector<float> x = normals(kRows * kWidth, 1), zero(kRows * kWidth, 0.0f),
                           dy = normals(kRows * kWidth, 3);
  const std::vector<float> weight = normals(kWidth, 5), no_bias(kWidth, 0.0f);
  const Reference r = reference_norm<float>(true, x, zero, weight, no_bias, dy, zero, kRows, kWidth);
  const DeviceArray<float> in(x), ddy(dy), w(weight), y(x.size()), dx(x.size()), mean(kRows), rstd(kRows);
  const DeviceArray<float> dweight(std::vector<float>(kWidth, 0.0f));
  kernels().layer_norm_forward({.dtype = DType::kF32,
                                .y = y,
                                .sum = nullptr,
                                .mean = mean,
                                .rstd = rstd,
                                .x = in,
                                .delta = nullptr,
                                .weight = w,
                                .bias = nullptr,
                                .eps = 1e-5f,
                                .rows = kRows,
                                .channels = kWidth});
  kernels().layer_norm_backward({.dtype = DType::kF32,
                                 .dx = dx,
                                 .dweight = dweight,
                                 .dbias = nullptr,
                                 .dy = ddy,
                                 .dsum = nullptr,
                                 .sum = in,
                                 .weight = w,
                                 .mean = mean,
                                 .rstd = rstd,
                                 .rows = kRows,
                                 .channels = kWidth});
  EXPECT_CLOSE(y.get(), r.y, 2e-6);
  EXPECT_CLOSE(dx.get(), r.dx, 2e-6);
  EXPECT_CLOSE(dweight.get(), r.dweight, 1e-5);
}

}  // namespace
}  // namespace athanor::test
