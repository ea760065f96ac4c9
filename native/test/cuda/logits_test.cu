#include "kernels/logits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const LogitsKernels& kernels() { return cuda::logits_kernels(); }

/// Larger logits first, then lower tokens; NaN last.
std::vector<int32_t> sorted(const float* row, size_t vocabulary) {
  std::vector<int32_t> order(vocabulary);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return row[a] > row[b] || (!std::isnan(row[a]) && std::isnan(row[b]));
  });
  return order;
}

TEST(top_tokens_are_those_of_a_sort) {
  for (size_t vocabulary : {1, 5, 255, 256, 700}) {
    constexpr size_t kRows = 3;
    std::vector<float> logits = normals(kRows * vocabulary, 1);
    for (size_t i = 0; i < vocabulary; ++i) logits[i] = std::round(logits[i]);  // many are equal
    logits[vocabulary / 2] = std::numeric_limits<float>::quiet_NaN();
    logits[vocabulary] = -std::numeric_limits<float>::infinity();
    const size_t count = std::min<size_t>(vocabulary, 20);
    const DeviceArray<float> in(logits);
    const DeviceArray<int32_t> out(kRows * count);
    kernels().top_tokens(out, in, kRows, static_cast<int64_t>(vocabulary), static_cast<int64_t>(count));
    const std::vector<int32_t> result = out.get();
    for (size_t r = 0; r < kRows; ++r) {
      const std::vector<int32_t> wanted = sorted(logits.data() + r * vocabulary, vocabulary);
      for (size_t i = 0; i < count; ++i) EXPECT(result[r * count + i] == wanted[i]);
    }
  }
}

TEST(log_probs_of_tokens_are_those_of_a_softmax) {
  constexpr size_t kRows = 5, kVocabulary = 333, kCount = 4;
  const std::vector<float> logits = normals(kRows * kVocabulary, 2);
  const std::vector<int32_t> tokens = integers(kRows * kCount, kVocabulary, 3);
  const DeviceArray<float> in(logits), out(kRows * kCount);
  const DeviceArray<int32_t> at(tokens);
  kernels().token_log_probs(out, in, at, kRows, kVocabulary, kCount, 1.25f);
  const std::vector<float> result = out.get();
  for (size_t r = 0; r < kRows; ++r) {
    double sum = 0;
    for (size_t i = 0; i < kVocabulary; ++i) sum += std::exp(1.25 * logits[r * kVocabulary + i]);
    for (size_t i = r * kCount; i < (r + 1) * kCount; ++i) {
      const double wanted = 1.25 * logits[r * kVocabulary + static_cast<size_t>(tokens[i])] - std::log(sum);
      EXPECT(std::abs(result[i] - wanted) < 1e-5);
    }
  }
}

TEST(values_are_added_at_tokens_in_order) {
  constexpr size_t kRows = 2, kVocabulary = 300, kCount = 5;
  const std::vector<float> logits = normals(kRows * kVocabulary, 4);
  const std::vector<int32_t> tokens = {0, 299, -1, 0, 7, -1, 8, 8, 8, 299};
  const std::vector<float> values = normals(kRows * kCount, 5);
  const DeviceArray<float> in(logits), added(values), out(kRows * kVocabulary);
  const DeviceArray<int32_t> at(tokens);
  kernels().add_at(out, in, at, added, kRows, kVocabulary, kCount);
  std::vector<float> wanted = logits;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0) wanted[i / kCount * kVocabulary + static_cast<size_t>(tokens[i])] += values[i];
  }
  EXPECT(out.get() == wanted);
}

TEST(logits_are_capped_and_gradients_go_through_the_cap) {
  constexpr size_t kRows = 3, kVocabulary = 261, kStride = 2 * kVocabulary;
  const std::vector<float> logits = normals(kRows * kVocabulary, 6, 3.0f);
  const DeviceArray<float> capped(logits), slopes(logits.size());
  kernels().cap(capped, slopes, static_cast<int64_t>(logits.size()), 2.5f);
  std::vector<double> wanted, wanted_slopes;
  for (float x : logits) {
    const double t = std::tanh(x / 2.5);
    wanted.push_back(2.5 * t);
    wanted_slopes.push_back(1 - t * t);
  }
  EXPECT_CLOSE(capped.get(), wanted, 1e-6);
  EXPECT_CLOSE(slopes.get(), wanted_slopes, 1e-6);
  // bf16 gradients in the place of f32 logits: rows are twice as far apart as they are long.
  const std::vector<bf16> gradients = as_type<bf16>(normals(kRows * kStride, 7));
  const DeviceArray<bf16> target(gradients);
  kernels().multiply_slopes(DType::kBF16, target, kStride, slopes, kRows, kVocabulary);
  const std::vector<double> before = as_double(gradients), after = as_double(target.get());
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t i = 0; i < kStride; ++i) {
      const double slope = i < kVocabulary ? wanted_slopes[r * kVocabulary + i] : 1.0;
      EXPECT(std::abs(after[r * kStride + i] - before[r * kStride + i] * slope) < 2e-2);
    }
  }
}

}  // namespace
}  // namespace athanor::test
