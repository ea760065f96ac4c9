// A rollout has some 10,000 tokens and these loops do a few operations per token. So they are
// scalar and in f64: they need to be exact and independent of the number of threads, not fast.
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

void gae(const GaeArgs& args) {
  parallel_for(args.sequences, [&](int64_t sequence) {
    double next_value = 0, next_advantage = 0;
    for (int64_t t = args.starts[sequence + 1] - 1; t >= args.starts[sequence]; --t) {
      const double delta = args.rewards[t] + args.gamma * next_value - args.values[t];
      next_advantage = delta + args.gamma * args.lambda * next_advantage;
      next_value = args.values[t];
      args.advantages[t] = static_cast<float>(next_advantage);
      args.returns[t] = static_cast<float>(next_advantage + next_value);
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

/// The totals of all tokens, with the add_token and merge of their kind.
template <class Total, class Args>
Total sum_tokens(const Args& args) {
  return sum_chunks<Total>(
      args.count, [&](Total& total, int64_t i) { policy::add_token(args, i, total); },
      [](Total& all, const Total& part) { policy::merge(all, part); });
}

}  // namespace

constinit const PolicyKernels policy_kernels_table =
    complete_table<PolicyKernels>(gae, moments, affine, kl_penalty, sum_tokens<PolicyTotals, PolicyLossArgs>,
                                  sum_tokens<ValueTotals, ValueLossArgs>);

}  // namespace athanor::cpu::ATHANOR_ISA
