#include "ops/sampling.h"

#include <cmath>

#include "kernels/sampling.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

// Below this, 1 / temperature times a logit could overflow; it is greedy in all but name.
constexpr double kMinTemperature = 1e-6;

void check_range(bool good, const char* name, const char* range, double value) {
  expect(good, ErrorCode::kArgument, "sample", "expected ", name, " to be ", range, " but got ", value);
}

void check_history(const Tensor& history, int64_t rows, int64_t vocabulary) {
  check_dtype("sample", "history", history, DType::kI32);
  expect(history.rank() == 2 && history.dim(0) == rows, ErrorCode::kShape, "sample",
         "expected history to be [", rows, ", length] but it is ", history.shape().text());
  for (int64_t i = 0; i < history.numel(); ++i) {
    const int32_t token = history.host<int32_t>()[i];
    expect(token >= -1 && token < vocabulary, ErrorCode::kArgument, "sample", "history token ", token,
           " in row ", i / history.dim(1), " is outside the vocabulary of ", vocabulary, " (-1 is no token)");
  }
}

}  // namespace

std::tuple<Tensor, Tensor> sample(const Tensor& logits, double temperature, int64_t top_k, double top_p,
                                  double min_p, double repetition_penalty,
                                  const std::optional<Tensor>& history, int64_t seed, const Tensor& streams,
                                  const Tensor& steps) {
  check_float("sample", "logits", logits);
  expect(logits.rank() == 2 && logits.dim(1) > 0, ErrorCode::kShape, "sample",
         "expected logits to be [rows, vocabulary] but it is ", logits.shape().text());
  const int64_t rows = logits.dim(0), vocabulary = logits.dim(1);
  check_range(temperature == 0.0 || (std::isfinite(temperature) && temperature >= kMinTemperature),
              "temperature", "0 (greedy) or at least 1e-6", temperature);
  check_range(top_k >= 0, "top_k", "0 (all) or more", static_cast<double>(top_k));
  check_range(top_p > 0.0 && top_p <= 1.0, "top_p", "in (0, 1]", top_p);
  check_range(min_p >= 0.0 && min_p <= 1.0, "min_p", "in [0, 1]", min_p);
  check_range(std::isfinite(repetition_penalty) && repetition_penalty > 0.0, "repetition_penalty", "above 0",
              repetition_penalty);
  for (const auto& [name, tensor] : {std::pair{"streams", &streams}, std::pair{"steps", &steps}}) {
    check_dtype("sample", name, *tensor, DType::kI32);
    check_shape("sample", name, *tensor, {rows});
  }
  if (history) check_history(*history, rows, vocabulary);

  Tensor tokens({rows}, DType::kI32, logits.device());
  Tensor log_probs({rows}, DType::kF32, logits.device());
  const SamplingSettings settings{
      temperature, top_k, top_p, min_p, repetition_penalty, static_cast<uint64_t>(seed)};
  sampling_kernels(logits.device())
      .sample(logits.dtype(), tokens.data<int32_t>(), log_probs.data<float>(), logits.raw(),
              history ? history->data<int32_t>() : nullptr, history ? history->dim(1) : 0,
              streams.data<int32_t>(), steps.data<int32_t>(), settings, rows, vocabulary);
  for (int64_t row = 0; row < rows; ++row) {
    expect(tokens.host<int32_t>()[row] >= 0, ErrorCode::kNotFinite, "sample", "row ", row,
           " of the logits is no distribution: it holds NaN or +inf, or nothing above -inf");
  }
  return {tokens, log_probs};
}

}  // namespace athanor::ops
