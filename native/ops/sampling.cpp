#include "ops/sampling.h"

#include <cmath>

#include "kernels/sampling.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

// Below this, 1 / temperature times a logit could overflow; it is greedy in all but name.
constexpr double kMinTemperature = 1e-6;

void check_range(bool good, const char* name, const char* range, double value) {
  expect(good, ErrorCode::kArgument, "expected ", name, " to be ", range, " but got ", value);
}

void check_settings(const SampleInputs& in) {
  const double temperature = in.temperature;
  check_range(temperature == 0.0 || (std::isfinite(temperature) && temperature >= kMinTemperature),
              "temperature", "0 (greedy) or at least 1e-6", temperature);
  check_range(in.top_k >= 0, "topK", "0 (all) or more", static_cast<double>(in.top_k));
  check_range(in.top_p > 0.0 && in.top_p <= 1.0, "topP", "in (0, 1]", in.top_p);
  check_range(in.min_p >= 0.0 && in.min_p <= 1.0, "minP", "in [0, 1]", in.min_p);
  check_range(std::isfinite(in.repetition_penalty) && in.repetition_penalty > 0.0, "repetitionPenalty",
              "above 0", in.repetition_penalty);
}

void check_history(const Tensor& history, int64_t rows, int64_t vocabulary) {
  check_dtype("history", history, DType::kI32);
  expect(history.rank() == 2 && history.dim(0) == rows, ErrorCode::kShape, "expected history to be [", rows,
         ", length] but it is ", history.shape().text());
  for (int64_t i = 0; i < history.numel(); ++i) {
    const int32_t token = history.host<int32_t>()[i];
    expect(token >= -1 && token < vocabulary, ErrorCode::kArgument, "history token ", token, " in row ",
           i / history.dim(1), " is outside the vocabulary of ", vocabulary, " (-1 is no token)");
  }
}

void check_suppressed(const Tensor& suppressed, int64_t vocabulary) {
  check_dtype("suppressed", suppressed, DType::kI32);
  expect(suppressed.rank() == 1, ErrorCode::kShape, "expected suppressed to be [count] but it is ",
         suppressed.shape().text());
  for (int64_t i = 0; i < suppressed.numel(); ++i) {
    const int32_t token = suppressed.host<int32_t>()[i];
    expect(token >= 0 && token < vocabulary, ErrorCode::kArgument, "suppressed token ", token,
           " is outside the vocabulary of ", vocabulary);
  }
}

}  // namespace

std::tuple<Tensor, Tensor> sample(const SampleInputs& in) {
  const Tensor& logits = in.logits;
  check_float("logits", logits);
  expect(logits.rank() == 2 && logits.dim(1) > 0, ErrorCode::kShape,
         "expected logits to be [rows, vocabulary] but it is ", logits.shape().text());
  const int64_t rows = logits.dim(0), vocabulary = logits.dim(1);
  check_settings(in);
  for (const auto& [name, tensor] : {std::pair{"streams", &in.streams}, std::pair{"steps", &in.steps}}) {
    check_dtype(name, *tensor, DType::kI32);
    check_shape(name, *tensor, {rows});
  }
  if (in.history) check_history(*in.history, rows, vocabulary);
  if (in.suppressed) check_suppressed(*in.suppressed, vocabulary);
  if (in.allowed) {
    check_dtype("allowed", *in.allowed, DType::kI32);
    check_shape("allowed", *in.allowed, {rows, (vocabulary + 31) / 32});
  }

  Tensor tokens({rows}, DType::kI32, logits.device());
  Tensor log_probs({rows}, DType::kF32, logits.device());
  sampling_kernels(logits.device())
      .sample({.dtype = logits.dtype(),
               .tokens = tokens.data<int32_t>(),
               .log_probs = log_probs.data<float>(),
               .logits = logits.raw(),
               .history = in.history ? in.history->data<int32_t>() : nullptr,
               .history_length = in.history ? in.history->dim(1) : 0,
               .suppressed = in.suppressed ? in.suppressed->data<int32_t>() : nullptr,
               .suppressed_count = in.suppressed ? in.suppressed->numel() : 0,
               .allowed = in.allowed ? in.allowed->data<int32_t>() : nullptr,
               .streams = in.streams.data<int32_t>(),
               .steps = in.steps.data<int32_t>(),
               .settings = {.temperature = in.temperature,
                            .top_k = in.top_k,
                            .top_p = in.top_p,
                            .min_p = in.min_p,
                            .repetition_penalty = in.repetition_penalty,
                            .seed = static_cast<uint64_t>(in.seed)},
               .rows = rows,
               .vocabulary = vocabulary});
  for (int64_t row = 0; row < rows; ++row) {
    expect(tokens.host<int32_t>()[row] >= 0, ErrorCode::kNotFinite, "row ", row,
           " of the logits is no distribution: it holds NaN or +inf, or nothing above -inf");
  }
  return {tokens, log_probs};
}

}  // namespace athanor::ops
