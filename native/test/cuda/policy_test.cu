#include "kernels/policy.h"

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const PolicyKernels& kernels() { return cuda::policy_kernels(); }

TEST(advantages_are_those_of_the_recursion) {
  const std::vector<int32_t> starts = {0, 1, 1, 33, 65, 70, 271, 303};
  const size_t count = 303;
  const std::vector<float> rewards = normals(count, 1), values = normals(count, 2);
  for (const auto& [gamma, lambda] : {std::pair{1.0, 0.95}, std::pair{0.99, 1.0}, std::pair{0.9, 0.0}}) {
    std::vector<double> expected(count), expected_returns(count);
    for (size_t s = 0; s + 1 < starts.size(); ++s) {
      double next_value = 0, next_advantage = 0;
      for (int32_t t = starts[s + 1] - 1; t >= starts[s]; --t) {
        const auto i = static_cast<size_t>(t);
        next_advantage = rewards[i] + gamma * next_value - values[i] + gamma * lambda * next_advantage;
        next_value = values[i];
        expected[i] = next_advantage;
        expected_returns[i] = next_advantage + next_value;
      }
    }
    const DeviceArray<float> r(rewards), v(values), advantages(count), returns(count);
    const DeviceArray<int32_t> at(starts);
    kernels().gae({.advantages = advantages,
                   .returns = returns,
                   .rewards = r,
                   .values = v,
                   .starts = at,
                   .sequences = static_cast<int64_t>(starts.size()) - 1,
                   .gamma = gamma,
                   .lambda = lambda});
    EXPECT_CLOSE(advantages.get(), expected, 1e-7);
    EXPECT_CLOSE(returns.get(), expected_returns, 1e-7);
  }
}

TEST(moments_keep_their_digits_beside_a_large_mean) {
  std::vector<float> x = normals(5003, 3);
  for (float& element : x) element += 1000;
  double mean = 0, variance = 0;
  for (double element : as_double(x)) mean += element / 5003;
  for (double element : as_double(x)) variance += (element - mean) * (element - mean) / 5003;
  const DeviceArray<float> in(x), out(x.size());
  double found_mean = 0, found_variance = 0;
  kernels().moments(in, 5003, &found_mean, &found_variance);
  EXPECT(std::fabs(found_mean / mean - 1) < 1e-13);
  EXPECT(std::fabs(found_variance / variance - 1) < 1e-11);
  kernels().affine(out, in, 5003, mean, 1 / std::sqrt(variance), 0.25);
  std::vector<double> expected = as_double(x);
  for (double& element : expected) element = (element - mean) / std::sqrt(variance) + 0.25;
  EXPECT_CLOSE(out.get(), expected, 1e-7);
}

TEST(each_kl_estimator_is_its_formula) {
  const std::vector<float> p = normals(1001, 4), q = normals(1001, 5);
  const DeviceArray<float> a(p), b(q), out(p.size());
  for (KlEstimator estimator : {KlEstimator::kK1, KlEstimator::kK2, KlEstimator::kK3}) {
    kernels().kl_penalty(out, a, b, 1001, estimator);
    std::vector<double> expected;
    for (size_t i = 0; i < p.size(); ++i) {
      const double d = static_cast<double>(p[i]) - q[i];
      expected.push_back(estimator == KlEstimator::kK1   ? d
                         : estimator == KlEstimator::kK2 ? d * d / 2
                                                         : std::expm1(-d) + d);
    }
    EXPECT_CLOSE(out.get(), expected, 1e-7);
  }
}

struct Tokens {
  std::vector<float> log_probs, old_log_probs, advantages, entropies, reference, weights;
  explicit Tokens(size_t count)
      : log_probs(normals(count, 1, 0.5f)),
        old_log_probs(normals(count, 2, 0.5f)),
        advantages(normals(count, 3)),
        entropies(normals(count, 4)),
        reference(normals(count, 5)),
        weights(normals(count, 6)) {}
};

bool near(double a, double b) { return std::fabs(a - b) <= 1e-12 * (1 + std::fabs(b)); }

/// The formulas of ops/policy.h, token by token, for more tokens than one block takes.
void expect_policy_loss(size_t count, double dual_clip, bool has_terms) {
  const Tokens t(count);
  const DeviceArray<float> log_probs(t.log_probs), old(t.old_log_probs), advantages(t.advantages);
  const DeviceArray<float> entropies(t.entropies), reference(t.reference), weights(t.weights);
  const DeviceArray<float> slopes(count), dentropies(count);
  const double low = 0.2, high = 0.3, entropy_coef = 0.01, kl_coef = 0.1, scale = 0.5;
  const PolicyTotals total =
      kernels().policy_loss({.log_probs = log_probs,
                             .old_log_probs = old,
                             .advantages = advantages,
                             .entropies = has_terms ? static_cast<float*>(entropies) : nullptr,
                             .reference_log_probs = has_terms ? static_cast<float*>(reference) : nullptr,
                             .weights = has_terms ? static_cast<float*>(weights) : nullptr,
                             .dlog_probs = slopes,
                             .dentropies = has_terms ? static_cast<float*>(dentropies) : nullptr,
                             .count = static_cast<int64_t>(count),
                             .clip_low = low,
                             .clip_high = high,
                             .dual_clip = dual_clip,
                             .entropy_coef = entropy_coef,
                             .kl_coef = kl_coef,
                             .scale = scale});
  PolicyTotals expected;
  std::vector<double> gradient;
  for (size_t i = 0; i < count; ++i) {
    const double a = t.advantages[i], log_ratio = static_cast<double>(t.log_probs[i]) - t.old_log_probs[i];
    const double ratio = std::exp(log_ratio), clipped = std::min(std::max(ratio, 1 - low), 1 + high);
    double loss = std::max(-a * ratio, -a * clipped), slope = -a * clipped > -a * ratio ? 0 : -a * ratio;
    if (dual_clip > 0 && a < 0 && loss > -dual_clip * a) {
      loss = -dual_clip * a;
      slope = 0;
    }
    if (has_terms) {
      const double behind = static_cast<double>(t.reference[i]) - t.log_probs[i];
      loss += kl_coef * (std::exp(behind) - 1 - behind) - entropy_coef * t.entropies[i];
      slope -= kl_coef * (std::exp(behind) - 1);
    }
    const double factor = has_terms ? scale * t.weights[i] : scale;
    expected.loss += factor * loss;
    expected.clipped += -a * clipped > -a * ratio ? 1 : 0;
    expected.approx_kl += log_ratio * log_ratio / 2;
    expected.ratio_sum += ratio;
    expected.ratio_max_deviation = std::max(expected.ratio_max_deviation, std::fabs(ratio - 1));
    expected.ratio_min = std::min(expected.ratio_min, ratio);
    expected.ratio_max = std::max(expected.ratio_max, ratio);
    gradient.push_back(factor * slope);
  }
  EXPECT(near(total.loss, expected.loss));
  EXPECT(total.clipped == expected.clipped);
  EXPECT(near(total.approx_kl, expected.approx_kl));
  EXPECT(near(total.ratio_sum, expected.ratio_sum));
  EXPECT(near(total.ratio_max_deviation, expected.ratio_max_deviation));
  EXPECT(near(total.ratio_min, expected.ratio_min));
  EXPECT(near(total.ratio_max, expected.ratio_max));
  EXPECT_CLOSE(slopes.get(), gradient, 1e-7);
  const double middle = scale * t.weights[count / 2];
  if (has_terms) EXPECT(dentropies.get()[count / 2] == static_cast<float>(-middle * entropy_coef));
}

TEST(the_policy_loss_is_its_formula) {
  for (size_t count : {1, 255, 5001}) {
    expect_policy_loss(count, 0, false);
    expect_policy_loss(count, 1.5, true);
  }
}

TEST(no_ratio_that_is_none_is_hidden) {
  Tokens t(3000);
  t.log_probs[2500] = NAN;
  const DeviceArray<float> log_probs(t.log_probs), old(t.old_log_probs), advantages(t.advantages);
  PolicyLossArgs args{};
  args.log_probs = log_probs;
  args.old_log_probs = old;
  args.advantages = advantages;
  args.count = 3000;
  args.clip_low = args.clip_high = 0.2;
  args.scale = 1;
  const PolicyTotals total = kernels().policy_loss(args);
  for (double number : {total.loss, total.ratio_max_deviation, total.ratio_min, total.ratio_max})
    EXPECT(std::isnan(number));
}

TEST(the_value_loss_is_its_formula) {
  constexpr size_t kCount = 4500;
  const Tokens t(kCount);
  const DeviceArray<float> values(t.log_probs), old(t.old_log_probs), returns(t.advantages), slopes(kCount);
  for (double clip : {0.0, 0.3}) {
    ValueLossArgs args{.dvalues = slopes,
                       .values = values,
                       .old_values = old,
                       .returns = returns,
                       .count = kCount,
                       .clip = clip,
                       .scale = 0.7};
    const ValueTotals total = kernels().value_loss(args);
    double loss = 0, clipped = 0;
    std::vector<double> gradient;
    for (size_t i = 0; i < kCount; ++i) {
      const double v = t.log_probs[i], before = t.old_log_probs[i], r = t.advantages[i];
      const double bounded = before + std::min(std::max(v - before, -clip), clip) - r;
      const bool is_clipped = clip > 0 && bounded * bounded > (v - r) * (v - r);
      loss += 0.35 * (is_clipped ? bounded * bounded : (v - r) * (v - r));
      clipped += is_clipped ? 1 : 0;
      gradient.push_back(is_clipped ? 0 : 0.7 * (v - r));
    }
    EXPECT(near(total.loss, loss));
    EXPECT(total.clipped == clipped);
    EXPECT_CLOSE(slopes.get(), gradient, 1e-7);
    args.dvalues = nullptr;
    EXPECT(near(kernels().value_loss(args).loss, loss));
  }
}

}  // namespace
}  // namespace athanor::test
