#include "kernels/columns.h"

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

TEST_BOTH_TYPES(columns_are_copied_and_their_neighbours_stay) {
  // 16 bytes at once, and by elements: an odd width, an odd stride, an odd start.
  struct Case {
    size_t width, to_stride, from_stride, begin;
  };
  for (const Case& c : {Case{16, 64, 48, 8}, Case{5, 64, 48, 8}, Case{16, 61, 48, 8}, Case{16, 64, 48, 3}}) {
    constexpr size_t kRows = 37;
    const std::vector<T> source = as_type<T>(normals(kRows * c.from_stride, 1));
    std::vector<T> expected = as_type<T>(normals(kRows * c.to_stride, 2));
    const DeviceArray<T> from(source), to(expected);
    for (size_t row = 0; row < kRows; ++row)
      for (size_t i = 0; i < c.width; ++i)
        expected[row * c.to_stride + i] = source[row * c.from_stride + c.begin + i];
    const auto bytes = [](size_t elements) { return static_cast<int64_t>(elements * sizeof(T)); };
    cuda::columns_kernels().copy(to, bytes(c.to_stride), static_cast<T*>(from) + c.begin,
                                 bytes(c.from_stride), kRows, bytes(c.width));
    EXPECT_CLOSE(as_double(to.get()), as_double(expected), 0.0);
  }
}

}  // namespace
}  // namespace athanor::test
