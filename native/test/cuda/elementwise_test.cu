#include "kernels/elementwise.h"

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const ElementwiseKernels& kernels() { return cuda::elementwise_kernels(); }

// One element, a vector less one, several blocks with a tail; and from an address at which no
// vector may start.
constexpr size_t kCounts[] = {1, 7, 2049, 4103};

TEST_BOTH_TYPES(maps_agree_at_odd_sizes_and_addresses) {
  for (size_t count : kCounts) {
    for (size_t shift : {0, 1}) {
      const std::vector<T> a = as_type<T>(normals(count + shift, 1)),
                           b = as_type<T>(normals(count + shift, 2));
      const DeviceArray<T> da(a), db(b), out(count + shift);
      const auto n = static_cast<int64_t>(count);
      std::vector<double> sum(count), product(count), scaled(count);
      for (size_t i = 0; i < count; ++i) {
        const double x = to_float(a[i + shift]), y = to_float(b[i + shift]);
        sum[i] = 0.5 * x - 3.0 * y;
        product[i] = x * y;
        scaled[i] = 1.25 * x;
      }
      const auto result = [&] {
        std::vector<double> all = as_double(out.get());
        return std::vector<double>(all.begin() + static_cast<ptrdiff_t>(shift), all.end());
      };
      kernels().axpby(kType, out + shift, da + shift, 0.5f, db + shift, -3.0f, n);
      EXPECT_CLOSE(result(), sum, kTolerance<T>);
      kernels().multiply(kType, out + shift, da + shift, db + shift, n);
      EXPECT_CLOSE(result(), product, kTolerance<T>);
      kernels().scale(kType, out + shift, da + shift, 1.25f, n);
      EXPECT_CLOSE(result(), scaled, kTolerance<T>);
      std::vector<double> mixed(count);
      for (size_t i = 0; i < count; ++i) {
        const double x = to_float(a[i + shift]);
        mixed[i] = x + 0.125 * (to_float(b[i + shift]) - x);
      }
      const DeviceArray<T> target(a);
      kernels().lerp(kType, target + shift, db + shift, 0.125f, n);
      std::vector<double> all = as_double(target.get());
      all.erase(all.begin(), all.begin() + static_cast<ptrdiff_t>(shift));
      EXPECT_CLOSE(all, mixed, kTolerance<T>);
      kernels().fill(kType, out + shift, 2.0f, n);
      EXPECT_CLOSE(result(), std::vector<double>(count, 2.0), 0.0);
    }
  }
}

TEST_BOTH_TYPES(parts_are_summed_in_order_and_rounded_once) {
  constexpr int kParts = 3;
  for (size_t count : kCounts) {
    for (size_t stride : {count + 5, count + 8 - count % 8}) {
      for (int own_index = 0; own_index < kParts; ++own_index) {
        const std::vector<T> all = as_type<T>(normals(kParts * stride, 4)),
                             own = as_type<T>(normals(count, 5));
        const DeviceArray<T> base(all), out(own);
        const SummedParts parts{base, static_cast<int64_t>(stride), out, own_index, kParts};
        kernels().sum_parts(kType, out, parts, static_cast<int64_t>(count));
        std::vector<double> wanted(count);
        for (size_t i = 0; i < count; ++i) {
          float total = 0;
          for (int part = 0; part < kParts; ++part) {
            const float term = to_float(part == own_index ? own[i] : all[part * stride + i]);
            total = part == 0 ? term : total + term;
          }
          wanted[i] = to_float(from_float<T>(total));
        }
        EXPECT_CLOSE(as_double(out.get()), wanted, 0.0);
      }
    }
  }
}

TEST(a_cast_rounds_to_nearest_even) {
  const std::vector<float> values = normals(3001, 3);
  const DeviceArray<float> in(values), wide(values.size());
  const DeviceArray<bf16> narrow(values.size());
  kernels().cast(DType::kBF16, narrow, DType::kF32, in, 3001);
  kernels().cast(DType::kF32, wide, DType::kBF16, narrow, 3001);
  const std::vector<bf16> rounded = narrow.get();
  const std::vector<float> back = wide.get();
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT(rounded[i].bits == from_float<bf16>(values[i]).bits);
    EXPECT(back[i] == to_float(rounded[i]));
  }
}

TEST_BOTH_TYPES(a_sum_agrees) {
  for (size_t count : {1, 4096, 10001}) {
    const std::vector<T> a = as_type<T>(normals(count, 4));
    double reference = 0, size = 0;
    for (double x : as_double(a)) {
      reference += x;
      size += std::fabs(x);
    }
    const DeviceArray<T> da(a);
    EXPECT(std::fabs(kernels().sum(kType, da, static_cast<int64_t>(count)) - reference) <= 1e-6 * size);
  }
}

}  // namespace
}  // namespace athanor::test
