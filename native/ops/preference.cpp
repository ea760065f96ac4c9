#include "ops/preference.h"

#include "ops/check.h"

namespace athanor::ops {

std::tuple<double, std::optional<Tensor>, double> ranking_loss(const RankingInputs& in) {
  const auto& [scores, pairs, margins, weights, centering, scale, need_gradient] = in;
  check_dtype("scores", scores, DType::kF32);
  expect(scores.rank() == 1, ErrorCode::kShape, "expected scores to be [n] but it is ",
         scores.shape().text());
  check_indices("score", pairs, scores.dim(0));
  const int64_t count = pairs.numel() / 2;
  check_shape("pairs", pairs, {2 * count});
  for (const auto& [name, values] : {std::pair{"margins", &margins}, std::pair{"weights", &weights}}) {
    if (!*values) continue;
    check_dtype(name, **values, DType::kF32);
    check_shape(name, **values, {count});
  }
  expect(centering >= 0, ErrorCode::kArgument, "expected centering to be at least 0 but it is ", centering);
  std::optional<Tensor> dscores;
  if (need_gradient) dscores = Tensor(scores.shape(), DType::kF32, scores.device());
  const PreferenceTotals total = preference_kernels(scores.device())
                                     .ranking_loss({.scores = scores.data<float>(),
                                                    .pairs = pairs.data<int32_t>(),
                                                    .margins = margins ? margins->data<float>() : nullptr,
                                                    .weights = weights ? weights->data<float>() : nullptr,
                                                    .dscores = dscores ? dscores->data<float>() : nullptr,
                                                    .score_count = scores.dim(0),
                                                    .pair_count = count,
                                                    .centering = centering,
                                                    .scale = scale});
  return {total.loss, dscores, total.correct};
}

std::tuple<double, Tensor, std::optional<Tensor>, double> dpo_loss(const DpoInputs& in) {
  const auto& [sums, reference, beta, kind, label_smoothing, scale, need_gradient] = in;
  check_dtype("sums", sums, DType::kF32);
  expect(sums.rank() == 1 && sums.dim(0) % 2 == 0, ErrorCode::kShape,
         "expected sums to be [2 pairs] but it is ", sums.shape().text());
  check_same(sums, reference);
  expect(beta > 0, ErrorCode::kArgument, "expected beta to be above 0 but it is ", beta);
  expect(label_smoothing >= 0 && label_smoothing < 0.5, ErrorCode::kArgument,
         "expected labelSmoothing to be at least 0 and below 0.5 but it is ", label_smoothing);
  expect(label_smoothing == 0 || kind == DpoKind::kSigmoid, ErrorCode::kArgument,
         "labelSmoothing is defined for the kind sigmoid only");
  Tensor rewards(sums.shape(), DType::kF32, sums.device());
  std::optional<Tensor> dsums;
  if (need_gradient) dsums = Tensor(sums.shape(), DType::kF32, sums.device());
  const PreferenceTotals total = preference_kernels(sums.device())
                                     .dpo_loss({.sums = sums.data<float>(),
                                                .reference = reference.data<float>(),
                                                .rewards = rewards.data<float>(),
                                                .dsums = dsums ? dsums->data<float>() : nullptr,
                                                .pair_count = sums.dim(0) / 2,
                                                .beta = beta,
                                                .label_smoothing = label_smoothing,
                                                .scale = scale,
                                                .kind = kind});
  return {total.loss, rewards, dsums, total.correct};
}

std::tuple<double, Tensor, std::optional<Tensor>, double> kto_loss(const KtoInputs& in) {
  const auto& [sums, reference, weights, beta, baseline, scale, need_gradient] = in;
  check_dtype("sums", sums, DType::kF32);
  expect(sums.rank() == 1, ErrorCode::kShape, "expected sums to be [m] but it is ", sums.shape().text());
  check_same(sums, reference);
  check_dtype("weights", weights, DType::kF32);
  check_shape("weights", weights, {sums.dim(0)});
  expect(beta > 0, ErrorCode::kArgument, "expected beta to be above 0 but it is ", beta);
  Tensor rewards(sums.shape(), DType::kF32, sums.device());
  std::optional<Tensor> dsums;
  if (need_gradient) dsums = Tensor(sums.shape(), DType::kF32, sums.device());
  const PreferenceTotals total = preference_kernels(sums.device())
                                     .kto_loss({.sums = sums.data<float>(),
                                                .reference = reference.data<float>(),
                                                .weights = weights.data<float>(),
                                                .rewards = rewards.data<float>(),
                                                .dsums = dsums ? dsums->data<float>() : nullptr,
                                                .count = sums.dim(0),
                                                .beta = beta,
                                                .baseline = baseline,
                                                .scale = scale});
  return {total.loss, rewards, dsums, total.correct};
}

}  // namespace athanor::ops
