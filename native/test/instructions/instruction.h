// Each wrapper of an instruction on its own, against the same thing done element by element on the
// host. These tests come first on new hardware: the emulator runs them too, but only a GPU shows
// whether the inline PTX does what the emulator does.
#pragma once

#include <cstring>

#include "cuda/gpu.h"
#include "test/cuda/arrays.h"

namespace athanor::test {

/// Runs a kernel(float* out, arguments...) on `count` floats that start at zero.
template <class... Parameters, class... Arguments>
std::vector<float> run_instruction(void (*kernel)(Parameters...), size_t count, const cuda::Launch& shape,
                                   Arguments... arguments) {
  const DeviceArray<float> out(std::vector<float>(count, 0.0f));
  cuda::launch(kernel, shape, static_cast<float*>(out), arguments...);
  return out.get();
}

/// Whole numbers up to 8 in size, which bf16 holds and whose products of matrices are exact.
inline std::vector<bf16> small_integers(size_t count, unsigned seed) {
  std::vector<bf16> values;
  values.reserve(count);
  for (int32_t value : integers(count, 17, seed)) {
    values.push_back(from_float<bf16>(static_cast<float>(value - 8)));
  }
  return values;
}

/// out [rows, columns] = a [rows, inner] times b, which is [columns, inner] or [inner, columns].
inline std::vector<double> matrix_product(const std::vector<bf16>& a, const std::vector<bf16>& b, int rows,
                                          int columns, int inner, bool b_is_transposed) {
  std::vector<double> out(static_cast<size_t>(rows * columns));
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      double& sum = out[static_cast<size_t>(i * columns + j)];
      for (int k = 0; k < inner; ++k) {
        const int at = b_is_transposed ? j * inner + k : k * columns + j;
        sum += static_cast<double>(to_float(a[static_cast<size_t>(i * inner + k)])) *
               to_float(b[static_cast<size_t>(at)]);
      }
    }
  }
  return out;
}

/// Whether the device has barriers in shared memory, bulk copies and products of a warpgroup.
inline bool has_hopper() { return cuda::compute_capability() == 90; }

}  // namespace athanor::test
