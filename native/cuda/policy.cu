// A rollout has some 10,000 tokens and these loops a few operations each, so they are in f64: what they must
// be is exact. GAE's recursion runs as a scan, a warp a response.
#include "kernels/policy.h"

#include "cuda/totals.h"

namespace athanor::cuda {
namespace {

// A NaN on either side is the result: no extreme may hide that a ratio was none.
ATHANOR_INLINE double larger_of(double a, double b) { return a > b || a != a ? a : b; }
ATHANOR_INLINE double smaller_of(double a, double b) { return a < b || a != a ? a : b; }
ATHANOR_INLINE double clamp(double x, double low, double high) { return larger_of(low, smaller_of(high, x)); }

struct GaeArgs {
  float* advantages;
  float* returns;
  const float* rewards;
  const float* values;
  const int32_t* starts;
  int64_t sequences;
  double gamma, decay;  // gamma * lambda
};

/// 32 tokens at a time from the end. With every step of the scan a lane knows the sum of twice as many deltas
/// after its own, each times `decay` to the power of how far away it is.
__global__ void __launch_bounds__(kBlock) gae_kernel(const __grid_constant__ GaeArgs args) {
  const int64_t s = static_cast<int64_t>(blockIdx.x) * (kBlock / kWarp) + threadIdx.x / kWarp;
  if (s >= args.sequences) return;
  const auto lane = static_cast<int>(threadIdx.x % kWarp);
  const int32_t begin = args.starts[s], end = args.starts[s + 1];
  double later = 0;  // the advantage of the token after these 32
  for (int32_t last = end - 1; last >= begin; last -= kWarp) {
    const int32_t t = last - lane;
    const bool exists = t >= begin;
    const double value = exists ? args.values[t] : 0.0f;
    const double next_value = exists && t + 1 < end ? args.values[t + 1] : 0.0f;
    double sum = exists ? args.rewards[t] + args.gamma * next_value - value : 0.0;
    double power = args.decay, own_power = args.decay;  // own: to the number of tokens up to `later`
#pragma unroll
    for (int lanes = 1; lanes < kWarp; lanes *= 2) {
      const double others = __shfl_up_sync(kAllLanes, sum, static_cast<unsigned>(lanes));
      if (lane >= lanes) sum += power * others;
      if ((lane & lanes) != 0) own_power *= power;
      power *= power;
    }
    sum += own_power * later;
    later = __shfl_sync(kAllLanes, sum, kWarp - 1);
    if (!exists) continue;
    args.advantages[t] = static_cast<float>(sum);
    args.returns[t] = static_cast<float>(sum + value);
  }
}

void gae(float* advantages, float* returns, const float* rewards, const float* values, const int32_t* starts,
         int64_t sequences, double gamma, double lambda) {
  if (sequences == 0) return;
  launch(gae_kernel, Launch{blocks_for(sequences, kBlock / kWarp), kBlock},
         GaeArgs{advantages, returns, rewards, values, starts, sequences, gamma, gamma * lambda});
}

struct Sum {
  double value = 0;
};

struct PowerSum {
  const float* x;
  double center;
  bool is_squared;
  __device__ void operator()(Sum& total, int64_t i) const {
    const double difference = x[i] - center;
    total.value += is_squared ? difference * difference : difference;
  }
  ATHANOR_INLINE void merge(Sum& all, const Sum& part) { all.value += part.value; }
};

void moments(const float* x, int64_t count, double* mean, double* variance) {
  const auto n = static_cast<double>(count);
  *mean = totals<Sum>(count, PowerSum{x, 0.0, false}).value / n;
  *variance = totals<Sum>(count, PowerSum{x, *mean, true}).value / n;
}

struct Affine {
  double center, factor, shift;
  __device__ float operator()(float x) const { return static_cast<float>((x - center) * factor + shift); }
};

void affine(float* out, const float* x, int64_t count, double center, double factor, double shift) {
  map1(out, x, count, Affine{center, factor, shift});
}

struct Kl {
  KlEstimator estimator;
  __device__ float operator()(float log_prob, float reference) const {
    const double difference = static_cast<double>(log_prob) - reference;
    if (estimator == KlEstimator::kK2) return static_cast<float>(0.5 * difference * difference);
    if (estimator == KlEstimator::kK3) return static_cast<float>(expm1(-difference) + difference);
    return static_cast<float>(difference);
  }
};

void kl_penalty(float* out, const float* log_probs, const float* reference_log_probs, int64_t count,
                KlEstimator estimator) {
  map2(out, log_probs, reference_log_probs, count, Kl{estimator});
}

struct PolicyLoss {
  PolicyLossArgs args;

  /// One token's loss; `slope` is its derivative by the token's log-probability.
  __device__ double token_loss(int64_t i, PolicyTotals& total, double& slope) const {
    const double advantage = args.advantages[i];
    const double log_ratio = static_cast<double>(args.log_probs[i]) - args.old_log_probs[i];
    const double ratio = exp(log_ratio);
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
      loss += args.kl_coef * (expm1(behind) - behind);
      slope -= args.kl_coef * expm1(behind);
    }
    total.clipped += bounded > plain ? 1 : 0;
    total.approx_kl += 0.5 * log_ratio * log_ratio;
    total.ratio_sum += ratio;
    total.ratio_max_deviation = larger_of(total.ratio_max_deviation, fabs(ratio - 1));
    total.ratio_min = smaller_of(total.ratio_min, ratio);
    total.ratio_max = larger_of(total.ratio_max, ratio);
    return loss;
  }

  __device__ void operator()(PolicyTotals& total, int64_t i) const {
    double slope = 0;
    double loss = token_loss(i, total, slope);
    if (args.entropies != nullptr) loss -= args.entropy_coef * args.entropies[i];
    total.loss += args.scale * loss;
    if (args.dlog_probs != nullptr) args.dlog_probs[i] = static_cast<float>(args.scale * slope);
    if (args.dentropies != nullptr) args.dentropies[i] = static_cast<float>(-args.scale * args.entropy_coef);
  }

  ATHANOR_INLINE void merge(PolicyTotals& all, const PolicyTotals& part) {
    all.loss += part.loss;
    all.clipped += part.clipped;
    all.approx_kl += part.approx_kl;
    all.ratio_sum += part.ratio_sum;
    all.ratio_max_deviation = larger_of(all.ratio_max_deviation, part.ratio_max_deviation);
    all.ratio_min = smaller_of(all.ratio_min, part.ratio_min);
    all.ratio_max = larger_of(all.ratio_max, part.ratio_max);
  }
};

PolicyTotals policy_loss(const PolicyLossArgs& args) {
  return totals<PolicyTotals>(args.count, PolicyLoss{args});
}

struct ValueLoss {
  float* dvalues;
  const float* values;
  const float* old_values;
  const float* returns;
  double clip, scale;

  __device__ void operator()(ValueTotals& total, int64_t i) const {
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
  }

  ATHANOR_INLINE void merge(ValueTotals& all, const ValueTotals& part) {
    all.loss += part.loss;
    all.clipped += part.clipped;
  }
};

ValueTotals value_loss(float* dvalues, const float* values, const float* old_values, const float* returns,
                       int64_t count, double clip, double scale) {
  return totals<ValueTotals>(count, ValueLoss{dvalues, values, old_values, returns, clip, scale});
}

}  // namespace

const PolicyKernels& policy_kernels() {
  static constexpr PolicyKernels kTable = {gae, moments, affine, kl_penalty, policy_loss, value_loss};
  return kTable;
}

}  // namespace athanor::cuda
