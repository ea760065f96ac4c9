#include "ops/loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/integers.h"
#include "kernels/linear.h"
#include "kernels/logits.h"
#include "kernels/loss.h"
#include "ops/check.h"
#include "ops/linear.h"

namespace athanor::ops {
namespace {

/// f32 logits held at once. A chunk's rows are the depth of its share of dweight's GEMM, which
/// reads and writes all of dweight. On the CPU, 96 MiB (500 rows of a vocabulary of 50,304) hide
/// that traffic behind the arithmetic. A GPU does some 300 operations in the time of a byte, ten
/// times as many, and 1 GiB is a small part of its memory.
int64_t logit_bytes(Device device) { return int64_t{device.type == DeviceType::kCpu ? 96 : 1024} << 20; }
// Below this, 1 / temperature times a logit could overflow.
constexpr double kMinTemperature = 1e-6;
constexpr int32_t kIgnored = -100;

/// A head's product x weight^T, taken a chunk of rows at a time.
class Head {
 public:
  Head(const Tensor& x, const Tensor& weight, const std::optional<double>& softcap)
      : x_(x), weight_(weight), softcap_(static_cast<float>(softcap.value_or(0))) {
    expect(!softcap || (softcap_ > 0 && std::isfinite(softcap_)), ErrorCode::kArgument,
           "expected softcap to be above 0 but got ", softcap.value_or(0));
    check_float("x", x);
    check_float("weight", weight);
    expect(x.rank() == 2 && weight.rank() == 2, ErrorCode::kShape, "expected matrices but got x ",
           x.shape().text(), " and weight ", weight.shape().text());
    n = x.dim(0);
    vocab = weight.dim(0);
    expect(vocab > 0, ErrorCode::kShape, "expected weight to have rows but it is ", weight.shape().text());
    check_shape("weight", weight, {vocab, x.dim(1)});
  }

  void check_targets(const Tensor& targets) const {
    check_dtype("targets", targets, DType::kI32);
    check_shape("targets", targets, {n});
    const auto* target = targets.host<int32_t>();
    for (int64_t i = 0; i < n; ++i) {
      expect(target[i] == kIgnored || (target[i] >= 0 && target[i] < vocab), ErrorCode::kArgument, "target ",
             target[i], " at ", i, " is outside the vocabulary of ", vocab, " (", kIgnored, " is ignored)");
    }
  }

  void check_per_token(const char* what, const Tensor& t) const {
    check_dtype(what, t, DType::kF32);
    check_shape(what, t, {n});
  }

  void check_dweight(const Tensor& t) const {
    check_dtype("dweight", t, DType::kF32);
    check_shape("dweight", t, weight_.shape());
  }

  float inverse_temperature(double temperature) const {
    expect(std::isfinite(temperature) && temperature >= kMinTemperature, ErrorCode::kArgument,
           "expected temperature to be at least 1e-6 but got ", temperature);
    return static_cast<float>(1.0 / temperature);
  }

  /// logits f32 [rows, vocab] of the rows from `first` on. `slopes`, of the same shape, receives
  /// the derivatives of the cap, where there is one.
  void multiply(int64_t first, int64_t rows, float* logits, float* slopes = nullptr) const {
    product(first, rows, logits);
    if (softcap_ > 0) logits_kernels(x_.device()).cap(logits, slopes, rows * vocab, softcap_);
  }

  void product(int64_t first, int64_t rows, float* logits) const {
    linear_kernels(x_.device())
        .gemm_packed({.m = rows,
                      .n = vocab,
                      .k = x_.dim(1),
                      .dtype = x_.dtype(),
                      .a = x_.slice(first, first + rows).raw(),
                      .b = packed_weight(weight_, x_.dtype(), true),
                      .b_transposed = true,
                      .out = logits,
                      .out_dtype = DType::kF32});
  }

  /// Calls body(first row, LossRows) chunk by chunk. Chunks are of nearly equal and even size.
  template <class Body>
  void for_chunks(const Tensor& targets, Body&& body) {
    if (n == 0) return;
    const int64_t most = std::max<int64_t>(1, logit_bytes(x_.device()) / (vocab * 4));
    const int64_t chunks = ceil_divide(n, most);
    const int64_t chunk = std::min(n, round_up(ceil_divide(n, chunks), 2));
    const Tensor logits({chunk, vocab}, DType::kF32, x_.device());
    if (softcap_ > 0) slopes_ = Tensor({chunk, vocab}, DType::kF32, x_.device());
    for (int64_t first = 0; first < n; first += chunk) {
      const int64_t rows = std::min(chunk, n - first);
      multiply(first, rows, logits.data<float>(), slopes_ ? slopes_->data<float>() : nullptr);
      body(first, LossRows{logits.data<float>(), targets.data<int32_t>() + first, rows, vocab, x_.dtype()});
    }
  }

  /// From the gradients in the place of the logits: their rows of dx, and their share of dweight.
  void backward(int64_t first, const LossRows& gradients, const Tensor& dx, const Tensor* dweight,
                bool accumulate) const {
    const LinearKernels& kernels = linear_kernels(x_.device());
    const int64_t stride = vocab * 4 / static_cast<int64_t>(dtype_size(x_.dtype()));
    if (slopes_)
      logits_kernels(x_.device())
          .multiply_slopes(x_.dtype(), gradients.logits, stride, slopes_->data<float>(), gradients.rows,
                           vocab);
    const Tensor dx_rows = dx.slice(first, first + gradients.rows);
    const Tensor x_rows = x_.slice(first, first + gradients.rows);
    kernels.gemm_packed({.m = gradients.rows,
                         .n = x_.dim(1),
                         .k = vocab,
                         .dtype = x_.dtype(),
                         .a = gradients.logits,
                         .a_stride = stride,
                         .b = packed_weight(weight_, x_.dtype(), false),
                         .out = dx_rows.raw(),
                         .out_dtype = x_.dtype()});
    if (dweight == nullptr) return;
    kernels.gemm({.m = vocab,
                  .n = x_.dim(1),
                  .k = gradients.rows,
                  .dtype = x_.dtype(),
                  .a = gradients.logits,
                  .a_transposed = true,
                  .a_stride = stride,
                  .b = x_rows.raw(),
                  .out = dweight->raw(),
                  .out_dtype = DType::kF32,
                  .epilogue = {.accumulate = accumulate}});
  }

  const LossKernels& kernels() const { return loss_kernels(x_.device()); }

  int64_t n, vocab;

 private:
  const Tensor& x_;
  const Tensor& weight_;
  const float softcap_;           // 0: none
  std::optional<Tensor> slopes_;  // of the chunk's logits
};

}  // namespace

std::tuple<Tensor, double, std::optional<Tensor>, std::optional<Tensor>> linear_cross_entropy(
    const CrossEntropyInputs& in) {
  const auto& [x, weight, targets, token_weights, scale, need_gradient, weight_frozen, dweight_memory,
               softcap] = in;
  Head head(x, weight, softcap);
  head.check_targets(targets);
  if (token_weights) head.check_per_token("tokenWeights", *token_weights);
  if (dweight_memory) head.check_dweight(*dweight_memory);
  const auto weight_of = [&](int64_t i) {
    return token_weights ? static_cast<double>(token_weights->host<float>()[i]) : 1.0;
  };
  std::vector<float> scales(static_cast<size_t>(head.n));
  for (int64_t i = 0; i < head.n; ++i) scales[i] = static_cast<float>(scale * weight_of(i));
  const Tensor row_scale({head.n}, DType::kF32, x.device());
  row_scale.write(scales.data());

  Tensor losses({head.n}, DType::kF32, x.device());
  std::optional<Tensor> dx, dweight;
  if (need_gradient) {
    dx = Tensor(x.shape(), x.dtype(), x.device());
  }
  if (need_gradient && !weight_frozen.value_or(false)) {
    dweight = dweight_memory ? *dweight_memory : Tensor(weight.shape(), DType::kF32, weight.device());
    if (head.n == 0) dweight->fill_zero();
  }
  head.for_chunks(targets, [&](int64_t first, const LossRows& rows) {
    head.kernels().cross_entropy(rows, losses.data<float>() + first,
                                 need_gradient ? row_scale.data<float>() + first : nullptr);
    if (need_gradient) head.backward(first, rows, *dx, dweight ? &*dweight : nullptr, first > 0);
  });
  if (dweight) dweight->storage().mark_written();
  double total = 0.0;
  for (int64_t i = 0; i < head.n; ++i) total += weight_of(i) * losses.host<float>()[i];
  return {losses, scale * total, dx, dweight};
}

Tensor linear_logits(const Tensor& x, const Tensor& weight, const std::optional<double>& softcap) {
  const Head head(x, weight, softcap);
  Tensor logits({head.n, head.vocab}, DType::kF32, x.device());
  head.multiply(0, head.n, logits.data<float>());
  return logits;
}

std::tuple<Tensor, Tensor> linear_log_prob(const Tensor& x, const Tensor& weight, const Tensor& targets,
                                           double temperature, const std::optional<double>& softcap) {
  Head head(x, weight, softcap);
  head.check_targets(targets);
  const float inverse_temperature = head.inverse_temperature(temperature);
  Tensor log_probs({head.n}, DType::kF32, x.device()), entropies({head.n}, DType::kF32, x.device());
  head.for_chunks(targets, [&](int64_t first, const LossRows& rows) {
    head.kernels().log_prob(rows, inverse_temperature, log_probs.data<float>() + first,
                            entropies.data<float>() + first);
  });
  return {log_probs, entropies};
}

Tensor linear_log_prob_backward(const LogProbBackwardInputs& in) {
  const auto& [x, weight, targets, temperature, dlog_probs, dentropies, dweight, overwrite, softcap] = in;
  Head head(x, weight, softcap);
  head.check_targets(targets);
  head.check_per_token("dlogProbs", dlog_probs);
  if (dentropies) head.check_per_token("dentropies", *dentropies);
  if (dweight) head.check_dweight(*dweight);
  const float inverse_temperature = head.inverse_temperature(temperature);
  Tensor dx(x.shape(), x.dtype(), x.device());
  head.for_chunks(targets, [&](int64_t first, const LossRows& rows) {
    head.kernels().log_prob_backward(rows, inverse_temperature, dlog_probs.data<float>() + first,
                                     dentropies ? dentropies->data<float>() + first : nullptr);
    head.backward(first, rows, dx, dweight ? &*dweight : nullptr, !overwrite.value_or(false) || first > 0);
  });
  if (dweight && overwrite.value_or(false) && head.n == 0) dweight->fill_zero();
  if (dweight) dweight->storage().mark_written();
  return dx;
}

}  // namespace athanor::ops
