#include "ops/policy.h"

#include <cmath>

#include "ops/check.h"
#include "ops/segments.h"

namespace athanor::ops {
namespace {

void check_per_token(const char* name, const Tensor& t, int64_t count) {
  check_dtype(name, t, DType::kF32);
  check_shape(name, t, {count});
}

int64_t token_count(const char* name, const Tensor& t) {
  check_dtype(name, t, DType::kF32);
  expect(t.rank() == 1, ErrorCode::kShape, "expected ", name, " to be [tokens] but it is ", t.shape().text());
  return t.dim(0);
}

/// A coefficient other than 0 needs the tensor of its term.
void check_coefficient(const char* name, double value, const char* input,
                       const std::optional<Tensor>& given) {
  expect(std::isfinite(value), ErrorCode::kArgument, "expected ", name, " to be a number but it is ", value);
  expect(value == 0 || given.has_value(), ErrorCode::kArgument, name, " is ", value, " but ", input,
         " is missing");
}

void check_at_least_zero(const char* name, double value) {
  expect(value >= 0, ErrorCode::kArgument, "expected ", name, " to be at least 0 but it is ", value);
}

}  // namespace

std::tuple<Tensor, Tensor> gae(const Tensor& rewards, const Tensor& values, const Tensor& starts,
                               double gamma, double lambda) {
  const int64_t count = token_count("rewards", rewards);
  check_per_token("values", values, count);
  check_starts(starts, count);
  for (const auto& [name, value] : {std::pair{"gamma", gamma}, std::pair{"lambda", lambda}}) {
    expect(value >= 0 && value <= 1, ErrorCode::kArgument, "expected ", name, " to be from 0 to 1 but it is ",
           value);
  }
  Tensor advantages(rewards.shape(), DType::kF32, rewards.device());
  Tensor returns(rewards.shape(), DType::kF32, rewards.device());
  policy_kernels(rewards.device())
      .gae({.advantages = advantages.data<float>(),
            .returns = returns.data<float>(),
            .rewards = rewards.data<float>(),
            .values = values.data<float>(),
            .starts = starts.data<int32_t>(),
            .sequences = starts.dim(0) - 1,
            .gamma = gamma,
            .lambda = lambda});
  return {advantages, returns};
}

Tensor whiten(const Tensor& x, bool shift_mean) {
  const int64_t count = token_count("x", x);
  Tensor out(x.shape(), DType::kF32, x.device());
  if (count == 0) return out;
  const PolicyKernels& kernels = policy_kernels(x.device());
  double mean = 0, variance = 0;
  kernels.moments(x.data<float>(), count, &mean, &variance);
  expect(std::isfinite(mean) && std::isfinite(variance), ErrorCode::kNotFinite,
         "expected finite numbers but the mean of ", count, " is ", mean, " and their variance ", variance);
  constexpr double kEpsilon = 1e-8;
  kernels.affine(out.data<float>(), x.data<float>(), count, mean, 1 / std::sqrt(variance + kEpsilon),
                 shift_mean ? 0 : mean);
  return out;
}

Tensor kl_penalty(const Tensor& log_probs, const Tensor& reference_log_probs, KlEstimator estimator) {
  const int64_t count = token_count("logProbs", log_probs);
  check_per_token("referenceLogProbs", reference_log_probs, count);
  Tensor out(log_probs.shape(), DType::kF32, log_probs.device());
  policy_kernels(log_probs.device())
      .kl_penalty(out.data<float>(), log_probs.data<float>(), reference_log_probs.data<float>(), count,
                  estimator);
  return out;
}

std::tuple<double, std::optional<Tensor>, std::optional<Tensor>,
           std::tuple<double, double, double, double, double, double>>
policy_loss(const PolicyLossInputs& in) {
  const Tensor& log_probs = in.log_probs;
  const int64_t count = token_count("logProbs", log_probs);
  check_per_token("oldLogProbs", in.old_log_probs, count);
  check_per_token("advantages", in.advantages, count);
  if (in.entropies) check_per_token("entropies", *in.entropies, count);
  if (in.reference_log_probs) check_per_token("referenceLogProbs", *in.reference_log_probs, count);
  if (in.weights) check_per_token("weights", *in.weights, count);
  check_at_least_zero("clipLow", in.clip_low);
  check_at_least_zero("clipHigh", in.clip_high);
  expect(in.dual_clip == 0 || in.dual_clip > 1, ErrorCode::kArgument,
         "expected dualClip to be above 1, or 0 for none, but it is ", in.dual_clip);
  check_coefficient("entropyCoef", in.entropy_coef, "entropies", in.entropies);
  check_coefficient("klCoef", in.kl_coef, "referenceLogProbs", in.reference_log_probs);
  const auto gradient = [&](bool wanted) {
    return wanted ? std::optional<Tensor>(Tensor(log_probs.shape(), DType::kF32, log_probs.device()))
                  : std::nullopt;
  };
  const auto floats = [](const std::optional<Tensor>& t) { return t ? t->data<float>() : nullptr; };
  const std::optional<Tensor> dlog_probs = gradient(in.need_gradient);
  const std::optional<Tensor> dentropies = gradient(in.need_gradient && in.entropy_coef != 0);
  const PolicyTotals total = policy_kernels(log_probs.device())
                                 .policy_loss({.log_probs = log_probs.data<float>(),
                                               .old_log_probs = in.old_log_probs.data<float>(),
                                               .advantages = in.advantages.data<float>(),
                                               .entropies = floats(in.entropies),
                                               .reference_log_probs = floats(in.reference_log_probs),
                                               .weights = floats(in.weights),
                                               .dlog_probs = floats(dlog_probs),
                                               .dentropies = floats(dentropies),
                                               .count = count,
                                               .clip_low = in.clip_low,
                                               .clip_high = in.clip_high,
                                               .dual_clip = in.dual_clip,
                                               .entropy_coef = in.entropy_coef,
                                               .kl_coef = in.kl_coef,
                                               .scale = in.scale});
  return {total.loss,
          dlog_probs,
          dentropies,
          {total.clipped, total.approx_kl, total.ratio_max_deviation, total.ratio_sum, total.ratio_min,
           total.ratio_max}};
}

std::tuple<double, std::optional<Tensor>, double> value_loss(const Tensor& values, const Tensor& old_values,
                                                             const Tensor& returns, double clip, double scale,
                                                             bool need_gradient) {
  const int64_t count = token_count("values", values);
  check_per_token("oldValues", old_values, count);
  check_per_token("returns", returns, count);
  check_at_least_zero("clip", clip);
  std::optional<Tensor> dvalues;
  if (need_gradient) dvalues = Tensor(values.shape(), DType::kF32, values.device());
  const ValueTotals total = policy_kernels(values.device())
                                .value_loss({.dvalues = dvalues ? dvalues->data<float>() : nullptr,
                                             .values = values.data<float>(),
                                             .old_values = old_values.data<float>(),
                                             .returns = returns.data<float>(),
                                             .count = count,
                                             .clip = clip,
                                             .scale = scale});
  return {total.loss, dvalues, total.clipped};
}

}  // namespace athanor::ops
