#include "ops/policy.h"

#include <cmath>

#include "ops/check.h"
#include "ops/segments.h"

namespace athanor::ops {
namespace {

void check_per_token(const char* operation, const char* name, const Tensor& t, int64_t count) {
  check_dtype(operation, name, t, DType::kF32);
  check_shape(operation, name, t, {count});
}

int64_t token_count(const char* operation, const char* name, const Tensor& t) {
  check_dtype(operation, name, t, DType::kF32);
  expect(t.rank() == 1, ErrorCode::kShape, operation, "expected ", name, " to be [tokens] but it is ",
         t.shape().text());
  return t.dim(0);
}

/// A term's weight that is not 0 asks for the tensor that the term is made of.
void check_coefficient(const char* name, double value, const char* input,
                       const std::optional<Tensor>& given) {
  expect(std::isfinite(value), ErrorCode::kArgument, "policy_loss", "expected ", name,
         " to be a number but it is ", value);
  expect(value == 0 || given.has_value(), ErrorCode::kArgument, "policy_loss", name, " is ", value, " but ",
         input, " is missing");
}

void check_at_least_zero(const char* operation, const char* name, double value) {
  expect(value >= 0, ErrorCode::kArgument, operation, "expected ", name, " to be at least 0 but it is ",
         value);
}

}  // namespace

std::tuple<Tensor, Tensor> gae(const Tensor& rewards, const Tensor& values, const Tensor& starts,
                               double gamma, double lambda) {
  const int64_t count = token_count("gae", "rewards", rewards);
  check_per_token("gae", "values", values, count);
  check_starts("gae", starts, count);
  for (const auto& [name, value] : {std::pair{"gamma", gamma}, std::pair{"lambda", lambda}}) {
    expect(value >= 0 && value <= 1, ErrorCode::kArgument, "gae", "expected ", name,
           " to be from 0 to 1 but it is ", value);
  }
  Tensor advantages(rewards.shape(), DType::kF32, rewards.device());
  Tensor returns(rewards.shape(), DType::kF32, rewards.device());
  policy_kernels(rewards.device())
      .gae(advantages.data<float>(), returns.data<float>(), rewards.data<float>(), values.data<float>(),
           starts.data<int32_t>(), starts.dim(0) - 1, gamma, lambda);
  return {advantages, returns};
}

Tensor whiten(const Tensor& x, bool shift_mean) {
  const int64_t count = token_count("whiten", "x", x);
  Tensor out(x.shape(), DType::kF32, x.device());
  if (count == 0) return out;
  const PolicyKernels& kernels = policy_kernels(x.device());
  double mean = 0, variance = 0;
  kernels.moments(x.data<float>(), count, &mean, &variance);
  expect(std::isfinite(mean) && std::isfinite(variance), ErrorCode::kNotFinite, "whiten",
         "expected finite numbers but the mean of ", count, " is ", mean, " and their variance ", variance);
  constexpr double kEpsilon = 1e-8;
  kernels.affine(out.data<float>(), x.data<float>(), count, mean, 1 / std::sqrt(variance + kEpsilon),
                 shift_mean ? 0 : mean);
  return out;
}

Tensor kl_penalty(const Tensor& log_probs, const Tensor& reference_log_probs, KlEstimator estimator) {
  const int64_t count = token_count("kl_penalty", "log_probs", log_probs);
  check_per_token("kl_penalty", "reference_log_probs", reference_log_probs, count);
  expect(estimator >= KlEstimator::kK1 && estimator <= KlEstimator::kK3, ErrorCode::kArgument, "kl_penalty",
         "expected the estimator to be k1, k2 or k3");
  Tensor out(log_probs.shape(), DType::kF32, log_probs.device());
  policy_kernels(log_probs.device())
      .kl_penalty(out.data<float>(), log_probs.data<float>(), reference_log_probs.data<float>(), count,
                  estimator);
  return out;
}

std::tuple<double, std::optional<Tensor>, std::optional<Tensor>, std::vector<double>> policy_loss(
    const Tensor& log_probs, const Tensor& old_log_probs, const Tensor& advantages,
    const std::optional<Tensor>& entropies, const std::optional<Tensor>& reference_log_probs, double clip_low,
    double clip_high, double dual_clip, double entropy_coef, double kl_coef, double scale,
    bool need_gradient) {
  const int64_t count = token_count("policy_loss", "log_probs", log_probs);
  check_per_token("policy_loss", "old_log_probs", old_log_probs, count);
  check_per_token("policy_loss", "advantages", advantages, count);
  if (entropies) check_per_token("policy_loss", "entropies", *entropies, count);
  if (reference_log_probs) check_per_token("policy_loss", "reference_log_probs", *reference_log_probs, count);
  check_at_least_zero("policy_loss", "clip_low", clip_low);
  check_at_least_zero("policy_loss", "clip_high", clip_high);
  expect(dual_clip == 0 || dual_clip > 1, ErrorCode::kArgument, "policy_loss",
         "expected dual_clip to be above 1, or 0 for none, but it is ", dual_clip);
  check_coefficient("entropy_coef", entropy_coef, "entropies", entropies);
  check_coefficient("kl_coef", kl_coef, "reference_log_probs", reference_log_probs);
  const auto gradient = [&](bool wanted) {
    return wanted ? std::optional<Tensor>(Tensor(log_probs.shape(), DType::kF32, log_probs.device()))
                  : std::nullopt;
  };
  const std::optional<Tensor> dlog_probs = gradient(need_gradient);
  const std::optional<Tensor> dentropies = gradient(need_gradient && entropy_coef != 0);
  const PolicyTotals total =
      policy_kernels(log_probs.device())
          .policy_loss(
              {.log_probs = log_probs.data<float>(),
               .old_log_probs = old_log_probs.data<float>(),
               .advantages = advantages.data<float>(),
               .entropies = entropies ? entropies->data<float>() : nullptr,
               .reference_log_probs = reference_log_probs ? reference_log_probs->data<float>() : nullptr,
               .dlog_probs = dlog_probs ? dlog_probs->data<float>() : nullptr,
               .dentropies = dentropies ? dentropies->data<float>() : nullptr,
               .count = count,
               .clip_low = clip_low,
               .clip_high = clip_high,
               .dual_clip = dual_clip,
               .entropy_coef = entropy_coef,
               .kl_coef = kl_coef,
               .scale = scale});
  return {total.loss,
          dlog_probs,
          dentropies,
          {total.clipped, total.approx_kl, total.ratio_max_deviation, total.ratio_sum, total.ratio_min,
           total.ratio_max}};
}

std::tuple<double, std::optional<Tensor>, double> value_loss(const Tensor& values, const Tensor& old_values,
                                                             const Tensor& returns, double clip, double scale,
                                                             bool need_gradient) {
  const int64_t count = token_count("value_loss", "values", values);
  check_per_token("value_loss", "old_values", old_values, count);
  check_per_token("value_loss", "returns", returns, count);
  check_at_least_zero("value_loss", "clip", clip);
  std::optional<Tensor> dvalues;
  if (need_gradient) dvalues = Tensor(values.shape(), DType::kF32, values.device());
  const ValueTotals total =
      policy_kernels(values.device())
          .value_loss(dvalues ? dvalues->data<float>() : nullptr, values.data<float>(),
                      old_values.data<float>(), returns.data<float>(), count, clip, scale);
  return {total.loss, dvalues, total.clipped};
}

}  // namespace athanor::ops
