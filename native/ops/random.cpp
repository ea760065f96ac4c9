#include "ops/random.h"

#include <cmath>

#include "kernels/random.h"
#include "ops/check.h"

namespace athanor::ops {

void normal_into(const Tensor& target, double mean, double std, int64_t seed, int64_t stream) {
  check_dtype("target", target, DType::kF32);
  expect(std::isfinite(mean) && std::isfinite(std) && std >= 0.0, ErrorCode::kArgument,
         "expected a finite mean and a std of 0 or more but got ", mean, " and ", std);
  random_kernels(target.device())
      .normal(target.data<float>(), target.numel(), mean, std, static_cast<uint64_t>(seed),
              static_cast<uint64_t>(stream));
  target.storage().mark_written();
}

void uniform_into(const Tensor& target, double low, double high, int64_t seed, int64_t stream) {
  check_dtype("target", target, DType::kF32);
  expect(std::isfinite(low) && std::isfinite(high) && low <= high, ErrorCode::kArgument,
         "expected finite low <= high but got ", low, " and ", high);
  random_kernels(target.device())
      .uniform(target.data<float>(), target.numel(), static_cast<float>(low), static_cast<float>(high),
               static_cast<uint64_t>(seed), static_cast<uint64_t>(stream));
  target.storage().mark_written();
}

}  // namespace athanor::ops
