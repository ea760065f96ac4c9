#include "ops/optimizer.h"

#include <cmath>

#include "kernels/optimizer.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

void check_list(const char* name, size_t size, size_t wanted) {
  expect(size == wanted, ErrorCode::kArgument, "expected ", wanted, " ", name,
         ", one per parameter, but got ", size);
}

void check_settings(const AdamwSettings& s) {
  const auto check = [](bool good, const char* name, const char* range, double value) {
    expect(good, ErrorCode::kArgument, "expected ", name, " to be ", range, " but got ", value);
  };
  check(std::isfinite(s.lr) && s.lr >= 0.0, "lr", "finite and 0 or more", s.lr);
  check(s.beta1 >= 0.0 && s.beta1 < 1.0, "beta1", "in [0, 1)", s.beta1);
  check(s.beta2 >= 0.0 && s.beta2 < 1.0, "beta2", "in [0, 1)", s.beta2);
  check(std::isfinite(s.eps) && s.eps >= 0.0, "eps", "finite and 0 or more", s.eps);
  check(std::isfinite(s.gradient_scale), "gradientScale", "finite", s.gradient_scale);
  check(s.step >= 1, "step", "1 or more", static_cast<double>(s.step));
}

}  // namespace

void adamw_step(const AdamwInputs& in) {
  const size_t count = in.parameters.size();
  check_list("gradients", in.gradients.size(), count);
  check_list("first moments", in.first.size(), count);
  check_list("second moments", in.second.size(), count);
  check_list("weight decays", in.weight_decay.size(), count);
  check_list("places", in.place.size(), count);
  check_list("begins", in.begin.size(), count);
  const AdamwSettings settings{
      in.lr, in.beta1, in.beta2, in.eps, in.gradient_scale, in.step, static_cast<uint64_t>(in.seed)};
  check_settings(settings);
  if (count == 0) return;
  std::vector<AdamwTensor> tensors;
  tensors.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const Tensor& parameter = in.parameters[i];
    check_float("every parameter", parameter);
    expect(in.begin[i] >= 0 && in.begin[i] % kOptimizerChunk == 0, ErrorCode::kArgument,
           "expected every begin to be a multiple of ", kOptimizerChunk, " but got ", in.begin[i]);
    for (const Tensor* other : {&in.gradients[i], &in.first[i], &in.second[i]}) {
      check_same_place(parameter, *other);
      check_dtype("every gradient and moment", *other, DType::kF32);
    }
    tensors.push_back({.parameter = parameter.raw(),
                       .dtype = parameter.dtype(),
                       .gradient = in.gradients[i].data<float>(),
                       .first = in.first[i].data<float>(),
                       .second = in.second[i].data<float>(),
                       .count = parameter.numel(),
                       .weight_decay = in.weight_decay[i],
                       .place = in.place[i],
                       .begin = in.begin[i]});
  }
  optimizer_kernels(in.parameters[0].device())
      .adamw_step(tensors.data(), static_cast<int64_t>(count), settings);
  for (const auto* list : {&in.parameters, &in.first, &in.second})
    for (const Tensor& t : *list) t.storage().mark_written();
}

std::vector<double> squares_by_chunk(const std::vector<Tensor>& tensors) {
  if (tensors.empty()) return {};
  std::vector<FloatSpan> spans;
  spans.reserve(tensors.size());
  int64_t chunks = 0;
  for (const Tensor& t : tensors) {
    check_float("every tensor", t);
    spans.push_back({t.raw(), t.numel(), t.dtype()});
    chunks += (t.numel() + kOptimizerChunk - 1) / kOptimizerChunk;
  }
  std::vector<double> sums(static_cast<size_t>(chunks));
  optimizer_kernels(tensors[0].device())
      .squares_by_chunk(spans.data(), static_cast<int64_t>(spans.size()), sums.data());
  return sums;
}

}  // namespace athanor::ops
