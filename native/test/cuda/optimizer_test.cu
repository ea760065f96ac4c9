#include "kernels/optimizer.h"

#include <memory>

#include "core/stochastic_rounding.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const OptimizerKernels& kernels() { return cuda::optimizer_kernels(); }

/// More tensors than one launch takes, of odd sizes, one of them empty; `shift` moves them
/// off 16 bytes.
void expect_adamw(size_t shift) {
  const AdamwSettings s{1e-2, 0.9, 0.95, 1e-8, 0.5, 3, 0};
  std::vector<std::unique_ptr<DeviceArray<float>>> arrays;
  std::vector<AdamwTensor> tensors;
  std::vector<std::vector<double>> parameters, firsts, seconds;
  for (unsigned i = 0; i < 70; ++i) {
    const size_t count = i == 5 ? 0 : i == 9 ? 4801 : 1 + i * 3;
    const double decay = i % 2 == 0 ? 0.1 : 0.0;
    std::vector<float> p = normals(count + shift, i), g = normals(count + shift, 100 + i),
                       m = normals(count + shift, 200 + i), v = normals(count + shift, 300 + i);
    for (float& x : v) x *= x;
    for (const auto* values : {&p, &g, &m, &v})
      arrays.push_back(std::make_unique<DeviceArray<float>>(*values));
    float* at[4];
    for (size_t k = 0; k < 4; ++k) at[k] = *arrays[i * 4 + k] + shift;
    tensors.push_back({at[0], DType::kF32, at[1], at[2], at[3], static_cast<int64_t>(count), decay, i, 0});
    parameters.emplace_back();
    firsts.emplace_back();
    seconds.emplace_back();
    for (size_t j = shift; j < count + shift; ++j) {
      const double gradient = g[j] * s.gradient_scale;
      const double first = s.beta1 * m[j] + (1 - s.beta1) * gradient;
      const double second = s.beta2 * v[j] + (1 - s.beta2) * gradient * gradient;
      const double denominator = std::sqrt(second / (1 - std::pow(s.beta2, 3))) + s.eps;
      parameters[i].push_back(p[j] * (1 - s.lr * decay) -
                              s.lr * first / (1 - std::pow(s.beta1, 3)) / denominator);
      firsts[i].push_back(first);
      seconds[i].push_back(second);
    }
  }
  kernels().adamw_step(tensors.data(), static_cast<int64_t>(tensors.size()), s);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto result = [&](size_t k) {
      const std::vector<float> all = arrays[i * 4 + k]->get();
      return std::vector<float>(all.begin() + static_cast<ptrdiff_t>(shift), all.end());
    };
    EXPECT_CLOSE(result(0), parameters[i], 1e-6);
    EXPECT_CLOSE(result(2), firsts[i], 1e-6);
    EXPECT_CLOSE(result(3), seconds[i], 1e-6);
  }
}

TEST(adamw_agrees_over_many_tensors) { expect_adamw(0); }
TEST(adamw_agrees_at_odd_addresses) { expect_adamw(1); }

/// Bits of a decay without a gradient, which is one product per element; f32 tensors
/// lie in between.
void expect_rounding(size_t shift) {
  const AdamwSettings s{0.5, 0.9, 0.95, 1e-8, 1.0, 70000, uint64_t{1} << 40 | 7};
  constexpr double kDecay = 2e-3;
  const auto keep = static_cast<float>(1 - s.lr * kDecay);
  const auto count_of = [](size_t i) -> size_t { return i == 6 ? 4801 : i % 5 == 2 ? 0 : 1 + i; };
  std::vector<std::unique_ptr<DeviceArray<bf16>>> parameters;
  std::vector<std::unique_ptr<DeviceArray<float>>> others;
  const auto zeros = [&](size_t count) -> float* {
    others.push_back(std::make_unique<DeviceArray<float>>(std::vector<float>(count)));
    return *others.back();
  };
  std::vector<AdamwTensor> tensors;
  for (int64_t i = 0; i < 140; ++i) {
    const size_t count = count_of(static_cast<size_t>(i));
    void* parameter = nullptr;
    if (i % 2 == 0) {
      const auto seed = static_cast<unsigned>(i);
      parameters.push_back(std::make_unique<DeviceArray<bf16>>(as_type<bf16>(normals(count + shift, seed))));
      parameter = static_cast<bf16*>(*parameters.back()) + shift;
    } else {
      parameter = zeros(count);
    }
    tensors.push_back({parameter, i % 2 == 0 ? DType::kBF16 : DType::kF32, zeros(count), zeros(count),
                       zeros(count), static_cast<int64_t>(count), kDecay, i, 0});
  }
  kernels().adamw_step(tensors.data(), static_cast<int64_t>(tensors.size()), s);
  for (size_t i = 0; i < tensors.size(); i += 2) {
    const std::vector<bf16> before = as_type<bf16>(normals(count_of(i) + shift, static_cast<unsigned>(i)));
    const std::vector<bf16> after = parameters[i / 2]->get();
    const uint64_t stream = uint64_t{1} << 63 | uint64_t{70000} << 32 | i;
    for (size_t j = 0; j + shift < after.size(); ++j) {
      const PhiloxBlock block = philox(s.seed, stream, j / 128 * 16 + j % 16);
      const size_t half = j % 128 / 16;
      const uint32_t random = block.word[half / 2] >> half % 2 * 16 & 0xffffu;
      const bf16 wanted = round_stochastically(to_float(before[j + shift]) * keep, random);
      EXPECT(after[j + shift].bits == wanted.bits);
    }
  }
}

TEST(adamw_rounds_bf16_parameters_by_their_own_bits) { expect_rounding(0); }
TEST(adamw_rounds_bf16_parameters_at_odd_addresses) { expect_rounding(1); }

/// A run of elements rounds as the same elements within their tensor.
TEST(adamw_rounds_a_run_as_its_tensor) {
  const AdamwSettings s{0.5, 0.9, 0.95, 1e-8, 1.0, 3, 5};
  constexpr size_t kCount = 9000, kBegin = 4096, kEnd = 8192;
  const std::vector<float> none(kCount);
  std::vector<std::vector<bf16>> results;
  for (const bool is_run : {false, true}) {
    const DeviceArray<bf16> p(as_type<bf16>(normals(kCount, 1)));
    const DeviceArray<float> g(none), m(none), v(none);
    const size_t begin = is_run ? kBegin : 0, end = is_run ? kEnd : kCount;
    const AdamwTensor t{static_cast<bf16*>(p) + begin,
                        DType::kBF16,
                        static_cast<float*>(g) + begin,
                        static_cast<float*>(m) + begin,
                        static_cast<float*>(v) + begin,
                        static_cast<int64_t>(end - begin),
                        2e-3,
                        11,
                        static_cast<int64_t>(begin)};
    kernels().adamw_step(&t, 1, s);
    results.push_back(p.get());
  }
  for (size_t i = kBegin; i < kEnd; ++i) EXPECT(results[0][i].bits == results[1][i].bits);
}

TEST(the_sums_of_squares_agree_over_both_types) {
  const std::vector<float> wide = normals(9001, 1);
  const std::vector<bf16> narrow = as_type<bf16>(normals(77, 2));
  const DeviceArray<float> a(wide);
  const DeviceArray<bf16> b(narrow);
  std::vector<double> wanted(4);
  for (size_t i = 0; i < wide.size(); ++i) wanted[i / 4096] += static_cast<double>(wide[i]) * wide[i];
  for (double x : as_double(narrow)) wanted[3] += x * x;
  const FloatSpan spans[] = {{a, 9001, DType::kF32}, {b, 77, DType::kBF16}, {b, 0, DType::kBF16}};
  std::vector<double> found(4);
  kernels().squares_by_chunk(spans, 3, found.data());
  for (size_t i = 0; i < found.size(); ++i) EXPECT(std::fabs(found[i] / wanted[i] - 1) < 1e-12);
}

}  // namespace
}  // namespace athanor::test
