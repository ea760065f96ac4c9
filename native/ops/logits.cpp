#include "ops/logits.h"

#include <cmath>

#include "kernels/logits.h"
#include "ops/check.h"
#include "ops/elementwise.h"

namespace athanor::ops {
namespace {

void check_logits(const Tensor& logits) {
  check_dtype("logits", logits, DType::kF32);
  expect(logits.rank() == 2, ErrorCode::kShape, "expected logits to be [rows, vocabulary] but it is ",
         logits.shape().text());
}

/// Tokens [rows, count] of the rows of logits, each at least `lowest`.
void check_tokens(const Tensor& tokens, const Tensor& logits, int32_t lowest) {
  check_dtype("tokens", tokens, DType::kI32);
  expect(tokens.rank() == 2 && tokens.dim(0) == logits.dim(0), ErrorCode::kShape, "expected tokens to be [",
         logits.dim(0), ", count] but it is ", tokens.shape().text());
  const auto* token = tokens.host<int32_t>();
  for (int64_t i = 0; i < tokens.numel(); ++i) {
    expect(token[i] >= lowest && token[i] < logits.dim(1), ErrorCode::kArgument, "token ", token[i],
           " in row ", i / tokens.dim(1), " is outside the vocabulary of ", logits.dim(1));
  }
}

}  // namespace

Tensor token_log_probs(const Tensor& logits, const Tensor& tokens, double temperature) {
  check_logits(logits);
  check_tokens(tokens, logits, 0);
  expect(std::isfinite(temperature) && temperature > 0.0, ErrorCode::kArgument,
         "expected temperature to be above 0 but got ", temperature);
  Tensor out(tokens.shape(), DType::kF32, logits.device());
  logits_kernels(logits.device())
      .token_log_probs(out.data<float>(), logits.data<float>(), tokens.data<int32_t>(), logits.dim(0),
                       logits.dim(1), tokens.dim(1), static_cast<float>(1.0 / temperature));
  return out;
}

Tensor top_tokens(const Tensor& logits, int64_t count) {
  check_logits(logits);
  expect(count >= 0 && count <= logits.dim(1), ErrorCode::kArgument, "expected count to be from 0 to ",
         logits.dim(1), " but got ", count);
  Tensor out({logits.dim(0), count}, DType::kI32, logits.device());
  if (count == 0) return out;
  logits_kernels(logits.device())
      .top_tokens(out.data<int32_t>(), logits.data<float>(), logits.dim(0), logits.dim(1), count);
  return out;
}

Tensor cap_logits(const Tensor& logits, double softcap) {
  check_logits(logits);
  expect(softcap > 0 && std::isfinite(softcap), ErrorCode::kArgument,
         "expected softcap to be above 0 but got ", softcap);
  const Tensor out = scale(logits, 1);
  logits_kernels(out.device()).cap(out.data<float>(), nullptr, out.numel(), static_cast<float>(softcap));
  return out;
}

Tensor add_at(const Tensor& logits, const Tensor& tokens, const Tensor& values) {
  check_logits(logits);
  check_tokens(tokens, logits, -1);
  check_dtype("values", values, DType::kF32);
  check_shape("values", values, tokens.shape());
  Tensor out(logits.shape(), DType::kF32, logits.device());
  logits_kernels(logits.device())
      .add_at(out.data<float>(), logits.data<float>(), tokens.data<int32_t>(), values.data<float>(),
              logits.dim(0), logits.dim(1), tokens.dim(1));
  return out;
}

}  // namespace athanor::ops
