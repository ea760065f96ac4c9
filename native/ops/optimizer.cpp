#include "ops/optimizer.h"

#include <cmath>

#include "kernels/optimizer.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

void check_list(const char* name, size_t size, size_t wanted) {
  expect(size == wanted, ErrorCode::kArgument, "adamw_step", "expected ", wanted, " ", name,
         ", one a parameter, but got ", size);
}

void check_settings(const AdamwSettings& s) {
  const auto check = [](bool good, const char* name, const char* range, double value) {
    expect(good, ErrorCode::kArgument, "adamw_step", "expected ", name, " to be ", range, " but got ", value);
  };
  check(std::isfinite(s.lr) && s.lr >= 0.0, "lr", "finite and 0 or more", s.lr);
  check(s.beta1 >= 0.0 && s.beta1 < 1.0, "beta1", "in [0, 1)", s.beta1);
  check(s.beta2 >= 0.0 && s.beta2 < 1.0, "beta2", "in [0, 1)", s.beta2);
  check(std::isfinite(s.eps) && s.eps >= 0.0, "eps", "finite and 0 or more", s.eps);
  check(std::isfinite(s.gradient_scale), "gradient_scale", "finite", s.gradient_scale);
  check(s.step >= 1, "step", "1 or more", static_cast<double>(s.step));
}

}  // namespace

void adamw_step(const std::vector<Tensor>& parameters, const std::vector<Tensor>& gradients,
                const std::vector<Tensor>& first, const std::vector<Tensor>& second,
                const std::vector<double>& weight_decay, double lr, double beta1, double beta2, double eps,
                int64_t step, double gradient_scale, int64_t seed) {
  const size_t count = parameters.size();
  check_list("gradients", gradients.size(), count);
  check_list("first moments", first.size(), count);
  check_list("second moments", second.size(), count);
  check_list("weight decays", weight_decay.size(), count);
  const AdamwSettings settings{lr, beta1, beta2, eps, gradient_scale, step, static_cast<uint64_t>(seed)};
  check_settings(settings);
  if (count == 0) return;
  std::vector<AdamwTensor> tensors;
  tensors.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    check_float("adamw_step", "every parameter", parameters[i]);
    for (const Tensor* other : {&gradients[i], &first[i], &second[i]}) {
      check_same_place("adamw_step", parameters[i], *other);
      check_dtype("adamw_step", "every gradient and moment", *other, DType::kF32);
    }
    tensors.push_back({parameters[i].raw(), parameters[i].dtype(), gradients[i].data<float>(),
                       first[i].data<float>(), second[i].data<float>(), parameters[i].numel(),
                       weight_decay[i]});
  }
  optimizer_kernels(parameters[0].device()).adamw_step(tensors.data(), static_cast<int64_t>(count), settings);
  for (const auto* list : {&parameters, &first, &second})
    for (const Tensor& t : *list) t.storage().mark_written();
}

double global_norm(const std::vector<Tensor>& tensors) {
  if (tensors.empty()) return 0.0;
  std::vector<FloatSpan> spans;
  spans.reserve(tensors.size());
  for (const Tensor& t : tensors) {
    check_float("global_norm", "every tensor", t);
    spans.push_back({t.raw(), t.numel(), t.dtype()});
  }
  return std::sqrt(optimizer_kernels(tensors[0].device())
                       .sum_of_squares(spans.data(), static_cast<int64_t>(spans.size())));
}

}  // namespace athanor::ops
