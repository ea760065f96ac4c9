// A rollout has some 10,000 tokens and these loops do a few operations per token. So they are in
// f64: they need to be exact, not fast. GAE's recursion runs as a scan, with a warp per response.
#include "kernels/policy_math.h"

#include "cuda/totals.h"

namespace athanor::cuda {
namespace {

/// Takes 32 tokens at a time, from the end. Each step of the scan doubles the number of later
/// deltas in a lane's sum; a delta counts times `decay` to the power of its distance.
__global__ void __launch_bounds__(kBlock) gae_kernel(const __grid_constant__ GaeArgs args) {
  const int64_t s = static_cast<int64_t>(blockIdx.x) * (kBlock / kWarp) + threadIdx.x / kWarp;
  if (s >= args.sequences) return;
  const auto lane = static_cast<int>(threadIdx.x % kWarp);
  const int32_t begin = args.starts[s], end = args.starts[s + 1];
  const double decay = args.gamma * args.lambda;
  double later = 0;  // the advantage of the token after these 32
  for (int32_t last = end - 1; last >= begin; last -= kWarp) {
    const int32_t t = last - lane;
    const bool exists = t >= begin;
    const double value = exists ? args.values[t] : 0.0f;
    const double next_value = exists && t + 1 < end ? args.values[t + 1] : 0.0f;
    double sum = exists ? args.rewards[t] + args.gamma * next_value - value : 0.0;
    double power = decay, own_power = decay;  // own: to the number of tokens up to `later`
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

void gae(const GaeArgs& args) {
  if (args.sequences == 0) return;
  launch(gae_kernel, Launch{blocks_for(args.sequences, kBlock / kWarp), kBlock}, args);
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
    return static_cast<float>(policy::kl_estimate(static_cast<double>(log_prob) - reference, estimator));
  }
};

void kl_penalty(float* out, const float* log_probs, const float* reference_log_probs, int64_t count,
                KlEstimator estimator) {
  map2(out, log_probs, reference_log_probs, count, Kl{estimator});
}

/// The totals of all tokens, with the add_token and merge of their kind.
template <class Total, class Args>
struct TokenSum {
  Args args;
  __device__ void operator()(Total& total, int64_t i) const { policy::add_token(args, i, total); }
  ATHANOR_INLINE void merge(Total& all, const Total& part) { policy::merge(all, part); }
};

template <class Total, class Args>
Total sum_tokens(const Args& args) {
  return totals<Total>(args.count, TokenSum<Total, Args>{args});
}

}  // namespace

const PolicyKernels& policy_kernels() {
  static constexpr auto kTable = complete_table<PolicyKernels>(gae, moments, affine, kl_penalty,
                                                               sum_tokens<PolicyTotals, PolicyLossArgs>,
                                                               sum_tokens<ValueTotals, ValueLossArgs>);
  return kTable;
}

}  // namespace athanor::cuda
