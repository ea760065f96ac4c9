// A rollout has some 10,000 tokens and these loops a few operations each, so they are scalar in f64: what
// they must be is exact, and independent of the number of threads.
#include "kernels/policy_math.h"

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
      out[i] = static_cast<float>(policy::kl_estimate(difference, estimator));
    }
  });
}

/// Of all tokens, with add_token and merge of the totals' kind.
template <class Total, class Args>
ATHANOR_INLINE Total sum_tokens(const Args& args, int64_t count) {
  return sum_chunks<Total>(
      count, [&](Total& total, int64_t i) { policy::add_token(args, i, total); },
      [](Total& all, const Total& part) { policy::merge(all, part); });
}

PolicyTotals policy_loss(const PolicyLossArgs& args) { return sum_tokens<PolicyTotals>(args, args.count); }

ValueTotals value_loss(float* dvalues, const float* values, const float* old_values, const float* returns,
                       int64_t count, double clip, double scale) {
  const policy::ValueLossArgs args{dvalues, values, old_values, returns, clip, scale};
  return sum_tokens<ValueTotals>(args, count);
}

}  // namespace

const PolicyKernels policy_kernels_table = {gae, moments, affine, kl_penalty, policy_loss, value_loss};

}  // namespace athanor::cpu::ATHANOR_ISA
