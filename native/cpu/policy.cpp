// A rollout has some 10,000 tokens and these loops a few operations each, so they are scalar in f64: what
// they must be is exact, and independent of the number of threads.
#include "kernels/policy.h"

#include <cmath>

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

/// Calls body(total, i) for each element and merge(all, total) for each chunk's total, in order.
template <class Total, class Body, class Merge>
ATHANOR_INLINE Total sum_chunks(int64_t count, Body&& body, Merge&& merge) {
  const int64_t chunks = ceil_divide(count, kChunk);
  auto* partial = static_cast<Total*>(thread_scratch(static_cast<size_t>(chunks) * sizeof(Total)));
  for_chunks(count, [&](int64_t chunk, int64_t begin, int64_t end) {
    Total total{};
    for (int64_t i = begin; i < end; ++i) body(total, i);
    partial[chunk] = total;
  });
  Total all{};
  for (int64_t chunk = 0; chunk < chunks; ++chunk) merge(all, partial[chunk]);
  return all;
}

// A NaN on either side is the result: no extreme may hide that a ratio was none.
ATHANOR_INLINE double larger_of(double a, double b) { return a > b || a != a ? a : b; }
ATHANOR_INLINE double smaller_of(double a, double b) { return a < b || a != a ? a : b; }
ATHANOR_INLINE double clamp(double x, double low, double high) { return larger_of(low, smaller_of(high, x)); }

void gae(float* advantages, float* returns, const float* rewards, const float* values, const int32_t* starts,
         int64_t sequences, double gamma, double lambda) {
  parallel_for(sequences, [&](int64_t sequence) {
    double next_value = 0, next_advantage = 0;
    for (int64_t t = starts[sequence + 1] - 1; t >= starts[sequence]; --t) {
      const double delta = rewards[t] + gamma * next_value - values[t];
      next_advantage = delta + gamma * lambda * next_advantage;
      next_value = values[t];
      advantages[t] = static_cast<float>(next_advantage);
      returns[t] = static_cast<float>(next_advantage + next_value);
    }
  });
}

void moments(const float* x, int64_t count, double* mean, double* variance) {
  const auto add = [](double& all, double part) { all += part; };
  const double n = static_cast<double>(count);
  *mean = sum_chunks<double>(count, [&](double& sum, int64_t i) { sum += x[i]; }, add) / n;
  const double center = *mean;
  *variance = sum_chunks<double>(
                  count, [&](double& sum, int64_t i) { sum += (x[i] - center) * (x[i] - center); }, add) /
              n;
}

void affine(float* out, const float* x, int64_t count, double center, double factor, double shift) {
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = static_cast<float>((x[i] - center) * factor + shift);
  });
}

void kl_penalty(float* out, const float* log_probs, const float* reference_log_probs, int64_t count,
                KlEstimator estimator) {
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double difference = static_cast<double>(log_probs[i]) - reference_log_probs[i];
      double kl = difference;
      if (estimator == KlEstimator::kK2) kl = 0.5 * difference * difference;
      if (estimator == KlEstimator::kK3) kl = std::expm1(-difference) + difference;
      out[i] = static_cast<float>(kl);
    }
  });
}

/// One token's loss; `slope` is its derivative by the token's log-probability.
ATHANOR_INLINE double token_loss(const PolicyLossArgs& args, int64_t i, PolicyTotals& total, double& slope) {
  const double advantage = args.advantages[i];
  const double log_ratio = static_cast<double>(args.log_probs[i]) - args.old_log_probs[i];
  const double ratio = std::exp(log_ratio);
  const double plain = -advantage * ratio;
  const double bounded = -advantage * clamp(ratio, 1 - args.clip_low, 1 + args.clip_high);
  double loss = larger_of(plain, bounded);
  slope = bounded > plain ? 0.0 : plain;
  if (args.dual_clip > 0 && advantage < 0 && loss > -args.dual_clip * advantage) {
    loss = -args.dual_clip * advantage;
    slope = 0;
  }
  if (args.reference_log_probs != nullptr) {
    const double behind = static_cast<double>(args.reference_log_probs[i]) - args.log_probs[i];
    loss += args.kl_coef * (std::expm1(behind) - behind);
    slope -= args.kl_coef * std::expm1(behind);
  }
  total.clipped += bounded > plain ? 1 : 0;
  total.approx_kl += 0.5 * log_ratio * log_ratio;
  total.ratio_sum += ratio;
  total.ratio_max_deviation = larger_of(total.ratio_max_deviation, std::fabs(ratio - 1));
  total.ratio_min = smaller_of(total.ratio_min, ratio);
  total.ratio_max = larger_of(total.ratio_max, ratio);
  return loss;
}

PolicyTotals policy_loss(const PolicyLossArgs& args) {
  const auto body = [&](PolicyTotals& total, int64_t i) {
    double slope = 0;
    double loss = token_loss(args, i, total, slope);
    if (args.entropies != nullptr) loss -= args.entropy_coef * args.entropies[i];
    total.loss += args.scale * loss;
    if (args.dlog_probs != nullptr) args.dlog_probs[i] = static_cast<float>(args.scale * slope);
    if (args.dentropies != nullptr) args.dentropies[i] = static_cast<float>(-args.scale * args.entropy_coef);
  };
  return sum_chunks<PolicyTotals>(args.count, body, [](PolicyTotals& all, const PolicyTotals& part) {
    all.loss += part.loss;
    all.clipped += part.clipped;
    all.approx_kl += part.approx_kl;
    all.ratio_sum += part.ratio_sum;
    all.ratio_max_deviation = larger_of(all.ratio_max_deviation, part.ratio_max_deviation);
    all.ratio_min = smaller_of(all.ratio_min, part.ratio_min);
    all.ratio_max = larger_of(all.ratio_max, part.ratio_max);
  });
}

ValueTotals value_loss(float* dvalues, const float* values, const float* old_values, const float* returns,
                       int64_t count, double clip, double scale) {
  const auto body = [&](ValueTotals& total, int64_t i) {
    const double error = static_cast<double>(values[i]) - returns[i];
    double loss = error * error, slope = error;
    if (clip > 0) {
      const double bounded =
          old_values[i] + clamp(static_cast<double>(values[i]) - old_values[i], -clip, clip) - returns[i];
      // So written, an old value that is NaN makes the loss NaN.
      if (!(bounded * bounded <= loss)) {
        loss = bounded * bounded;
        slope = 0;
        total.clipped += 1;
      }
    }
    total.loss += 0.5 * scale * loss;
    if (dvalues != nullptr) dvalues[i] = static_cast<float>(scale * slope);
  };
  return sum_chunks<ValueTotals>(count, body, [](ValueTotals& all, const ValueTotals& part) {
    all.loss += part.loss;
    all.clipped += part.clipped;
  });
}

}  // namespace

const PolicyKernels policy_kernels_table = {gae, moments, affine, kl_penalty, policy_loss, value_loss};

}  // namespace athanor::cpu::ATHANOR_ISA
