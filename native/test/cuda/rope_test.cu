#include "kernels/rope.h"

#include "core/box_muller.h"
#include "core/philox.h"
#include "kernels/random.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

TEST_BOTH_TYPES(heads_are_rotated_and_back) {
  // Whole heads and parts of them; vectors, and one by one.
  for (const auto& [head_dim, rotated] :
       {std::pair<size_t, size_t>{32, 32}, {32, 16}, {24, 16}, {10, 10}, {10, 6}}) {
    constexpr size_t kTokens = 23, kHeads = 3, kMaxPositions = 50;
    const size_t width = (kHeads + 1) * head_dim,
                 half = rotated / 2;  // the last head is a value: not turned
    const std::vector<float> table = normals(kMaxPositions * rotated, 1);
    const std::vector<int32_t> positions = integers(kTokens, kMaxPositions, 2);
    const std::vector<T> rows = as_type<T>(normals(kTokens * width, 3));
    for (bool inverse : {false, true}) {
      std::vector<double> reference = as_double(rows);
      for (size_t token = 0; token < kTokens; ++token)
        for (size_t head = 0; head < kHeads; ++head)
          for (size_t i = 0; i < half; ++i) {
            double* a = &reference[token * width + head * head_dim + i];
            const float* angle = &table[static_cast<size_t>(positions[token]) * rotated + i];
            const double x = a[0], y = a[half], c = angle[0], s = inverse ? -angle[half] : angle[half];
            a[0] = x * c - y * s;
            a[half] = y * c + x * s;
          }
      const DeviceArray<T> in(rows);
      const DeviceArray<float> angles(table);
      const DeviceArray<int32_t> at(positions);
      cuda::rope_kernels().rotate({.dtype = kType,
                                   .rows = in,
                                   .positions = at,
                                   .table = angles,
                                   .tokens = kTokens,
                                   .row_width = static_cast<int64_t>(width),
                                   .heads = kHeads,
                                   .head_dim = static_cast<int64_t>(head_dim),
                                   .width = static_cast<int64_t>(rotated),
                                   .inverse = inverse});
      EXPECT_CLOSE(as_double(in.get()), reference, kTolerance<T>);
    }
  }
}

TEST(normals_are_the_bits_of_the_formula) {
  const DeviceArray<float> target(1003);
  cuda::random_kernels().normal(target, 1003, 0.5, 2.0, 42, 7);
  const std::vector<float> result = target.get();
  double mean = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    const PhiloxBlock block = philox(42, 7, i / 4);
    const uint32_t* pair = &block.word[i % 4 / 2 * 2];
    const double radius = std::sqrt(-2.0 * log_unit((pair[0] + 0.5) * 0x1p-32)) * 2.0;
    double sine, cosine;
    sin_cos_turn(pair[1] * 0x1p-32, &sine, &cosine);
    EXPECT(result[i] == static_cast<float>(0.5 + radius * (i % 2 == 0 ? sine : cosine)));
    mean += result[i] / 1003.0;
  }
  EXPECT(std::fabs(mean - 0.5) < 0.3);
}

TEST(uniforms_stay_below_their_bound) {
  const DeviceArray<float> target(4001);
  cuda::random_kernels().uniform(target, 4001, -1.0f, 3.0f, 42, 8);
  double mean = 0;
  for (float x : target.get()) {
    EXPECT(x >= -1.0f && x < 3.0f);
    mean += x / 4001.0;
  }
  EXPECT(std::fabs(mean - 1.0) < 0.1);
}

}  // namespace
}  // namespace athanor::test
