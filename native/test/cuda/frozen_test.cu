#include "kernels/frozen.h"

#include <cstring>

#include "kernels/nf4_math.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

struct Shape {
  int64_t rows, columns;
};
// More rows than warps of a block; a row longer than a warp; an odd count with a part of a block.
constexpr Shape kShapes[] = {{19, 64}, {3, 100}, {3, 7}};

template <class T>
void expect_round_trip(DType type, FrozenFormat format, const Shape& shape, float (*back)(float, float)) {
  const auto [rows, columns] = shape;
  const size_t count = static_cast<size_t>(rows * columns);
  std::vector<float> numbers = normals(count, 1);
  for (int64_t c = 0; c < columns; ++c) numbers[static_cast<size_t>(c)] = 0;
  const std::vector<T> weight = as_type<T>(numbers);
  const size_t scales = static_cast<size_t>(frozen_scales(format, rows, columns));
  const DeviceArray<T> in(weight), out(count);
  const DeviceArray<float> dscales(scales);
  const DeviceArray<uint8_t> dcodes(static_cast<size_t>(frozen_code_bytes(format, rows, columns)));
  const FrozenMatrix matrix{format, rows, columns, dscales, dcodes};
  cuda::frozen_kernels().quantize(matrix, in, type);
  cuda::frozen_kernels().dequantize(out, type, matrix);

  std::vector<double> expected;
  const std::vector<float> found = dscales.get();
  const size_t group = format == FrozenFormat::kInt8 ? static_cast<size_t>(columns) : kNf4Block;
  for (size_t i = 0; i < count; ++i) {
    float most = 0;
    for (size_t j = i / group * group; j < count && j < (i / group + 1) * group; ++j)
      most = std::max(most, std::abs(to_float(weight[j])));
    EXPECT(found[i / group] == (format == FrozenFormat::kInt8 ? most / 127.0f : most));
    expected.push_back(to_float(from_float<T>(back(to_float(weight[i]), found[i / group]))));
  }
  EXPECT_CLOSE(as_double(out.get()), expected, 0.0);
}

float through_int8(float x, float scale) { return scale == 0 ? 0.0f : std::nearbyint(x / scale) * scale; }

/// The nearest value.
float through_nf4(float x, float scale) {
  if (scale == 0) return 0;
  float nearest = nf4_value(0);
  for (int code = 1; code < 16; ++code)
    if (std::abs(x / scale - nf4_value(code)) < std::abs(x / scale - nearest)) nearest = nf4_value(code);
  return nearest * scale;
}

TEST_BOTH_TYPES(frozen_weights_come_back_as_the_nearest_values) {
  for (const Shape& shape : kShapes) {
    expect_round_trip<T>(kType, FrozenFormat::kInt8, shape, through_int8);
    expect_round_trip<T>(kType, FrozenFormat::kNf4, shape, through_nf4);
  }
}

TEST(frozen_weights_that_are_not_finite_stay_so) {
  for (const FrozenFormat format : {FrozenFormat::kInt8, FrozenFormat::kNf4}) {
    std::vector<float> weight = normals(2 * 64, 2);
    weight[5] = NAN;
    const DeviceArray<float> in(weight), out(weight.size());
    const DeviceArray<float> scales(2);
    const DeviceArray<uint8_t> codes(static_cast<size_t>(frozen_code_bytes(format, 2, 64)));
    const FrozenMatrix matrix{format, 2, 64, scales, codes};
    cuda::frozen_kernels().quantize(matrix, in, DType::kF32);
    cuda::frozen_kernels().dequantize(out, DType::kF32, matrix);
    EXPECT(std::isnan(out.get()[5]));
    EXPECT(std::isfinite(out.get()[64]));
  }
}

}  // namespace
}  // namespace athanor::test
