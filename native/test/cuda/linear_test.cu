// Every case runs on the engine's own kernels and through cuBLASLt: the library itself on a GPU
// that has it, and its fake on the emulator.
#include "kernels/linear.h"

#include <cmath>

#include "core/cuda_libraries.h"
#include "core/error.h"
#include "cuda/gemm/gemm.h"
#include "test/cuda/arrays.h"
#include "test/fake/fake_cublaslt.h"

namespace athanor::test {
namespace {

using cuda::CublasLt;

/// Null where there is none.
CublasLt* library() {
  static const std::unique_ptr<CublasLt> opened = []() -> std::unique_ptr<CublasLt> {
#ifdef ATHANOR_FAKE_CUBLASLT
    return std::make_unique<CublasLt>(
        SharedLibrary({"the double", "ATHANOR_NO_VARIABLE", {ATHANOR_FAKE_CUBLASLT}, {}, ""}));
#else
    try {
      return std::make_unique<CublasLt>(SharedLibrary(cublaslt_places()));
    } catch (const Error& error) {
      std::printf("  without cuBLASLt: %s\n", error.what());
      return nullptr;
    }
#endif
  }();
  return opened.get();
}

template <class Body>
void for_libraries(Body&& body) {
  body(static_cast<CublasLt*>(nullptr));
  if (library() != nullptr) body(library());
}

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
double gelu_slope(double x) {
  constexpr double kStep = 1e-5;
  return (gelu(x + kStep) - gelu(x - kStep)) / (2 * kStep);
}

/// A product and its surroundings, in host memory.
template <class In, class Out>
struct Case {
  int64_t m, n, k;
  bool a_transposed = false, b_transposed = false;
  bool bias = false, addend = false, preactivation = false, gelu = false, gelu_input = false;
  bool accumulate = false, row_sums = false;
  int64_t extra_stride = 0;  // elements between A's rows that are no part of it
  int64_t shift = 0;         // elements that A and B start behind a multiple of 16 bytes

  int64_t a_rows() const { return a_transposed ? k : m; }
  int64_t a_stride() const { return (a_transposed ? m : k) + extra_stride; }

  void check(CublasLt* with) const {
    const auto size = [](int64_t count) { return static_cast<size_t>(count); };
    const float scale = 1 / std::sqrt(static_cast<float>(k));
    const std::vector<In> a = as_type<In>(normals(size(a_rows() * a_stride() + shift), 1)),
                          b = as_type<In>(normals(size(k * n + shift), 2, scale));
    const std::vector<float> bias_values = normals(size(n), 3), sums = normals(size(m), 4);
    const std::vector<Out> before = as_type<Out>(normals(size(m * n), 5)),
                           addends = as_type<Out>(normals(size(m * n), 6)),
                           inputs = as_type<Out>(normals(size(m * n), 7));
    const DeviceArray<In> da(a), db(b);
    const DeviceArray<float> dbias(bias_values), dsums(sums);
    const DeviceArray<Out> dout(before), daddend(addends), dinputs(inputs), dpre(before.size());

    GemmArgs args{m,
                  n,
                  k,
                  dtype_of<In>(),
                  da + shift,
                  a_transposed,
                  extra_stride == 0 ? 0 : a_stride(),
                  db + shift,
                  b_transposed,
                  dout,
                  dtype_of<Out>()};
    if (bias) args.epilogue.bias = dbias;
    if (addend) args.epilogue.addend = daddend;
    if (preactivation) args.epilogue.preactivation = dpre;
    if (gelu) args.epilogue.activation = Activation::kGelu;
    if (gelu_input) args.epilogue.gelu_input = dinputs;
    args.epilogue.accumulate = accumulate;
    if (row_sums) args.a_row_sums = dsums;
    cuda::gemm_with(with, args);

    std::vector<double> expected, expected_pre, expected_sums(sums.begin(), sums.end());
    const auto a_at = [&](int64_t i, int64_t s) {
      return static_cast<double>(
          to_float(a[size(shift + (a_transposed ? s * a_stride() + i : i * a_stride() + s))]));
    };
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t s = 0; s < k; ++s) expected_sums[size(i)] += a_at(i, s);
      for (int64_t j = 0; j < n; ++j) {
        double value = accumulate ? to_float(before[size(i * n + j)]) : 0.0;
        for (int64_t s = 0; s < k; ++s) {
          value += a_at(i, s) * to_float(b[size(shift + (b_transposed ? j * k + s : s * n + j))]);
        }
        if (bias) value += bias_values[size(j)];
        if (addend) value += to_float(addends[size(i * n + j)]);
        expected_pre.push_back(value);
        if (gelu) value = test::gelu(value);
        if (gelu_input) value *= gelu_slope(to_float(inputs[size(i * n + j)]));
        expected.push_back(value);
      }
    }
    EXPECT_CLOSE(as_double(dout.get()), expected, kTolerance<Out>);
    if (preactivation) EXPECT_CLOSE(as_double(dpre.get()), expected_pre, kTolerance<Out>);
    if (row_sums) EXPECT_CLOSE(dsums.get(), expected_sums, 2e-6);
  }
};

TEST_BOTH_TYPES(products_agree_in_every_layout) {
  for_libraries([](CublasLt* with) {
    for (int layout = 0; layout < 4; ++layout) {
      Case<T, T> c{
          .m = 70, .n = 136, .k = 88, .a_transposed = layout % 2 != 0, .b_transposed = layout / 2 != 0};
      c.check(with);
      c.shift = 3;  // no vector is aligned
      c.m = 1;
      c.n = 33;
      c.check(with);
      c.k = 77;  // the double has no algorithm
      c.extra_stride = 5;
      c.check(with);
    }
  });
}

TEST_BOTH_TYPES(products_agree_over_many_blocks) {
  for_libraries([](CublasLt* with) {
    Case<T, T>{.m = 130, .n = 136, .k = 136, .b_transposed = true}.check(with);
    Case<T, float>{.m = 130, .n = 67, .k = 129, .a_transposed = true}.check(with);
  });
}

TEST_BOTH_TYPES(epilogues_agree) {
  for_libraries([](CublasLt* with) {
    for (int64_t n : {40, 33}) {  // 33: rows that start where vectors may not
      const Case<T, T> plain{.m = 19, .n = n, .k = 24, .b_transposed = true};
      for (int bits = 0; bits < 16; ++bits) {
        Case<T, T> c = plain;
        c.bias = (bits & 1) != 0;
        c.addend = (bits & 2) != 0;
        c.gelu = (bits & 4) != 0;
        c.preactivation = (bits & 8) != 0;
        c.check(with);
      }
      for (int bits = 0; bits < 4; ++bits) {
        Case<T, T> c = plain;
        c.gelu_input = true;
        c.addend = (bits & 1) != 0;
        c.bias = (bits & 2) != 0;
        c.check(with);
      }
    }
  });
}

TEST_BOTH_TYPES(weight_gradients_accumulate_with_row_sums) {
  for_libraries([](CublasLt* with) {
    for (int bits = 0; bits < 8; ++bits) {
      Case<T, float> c{.m = 37, .n = 24, .k = 50};
      c.accumulate = (bits & 1) != 0;
      c.row_sums = true;
      c.a_transposed = (bits & 2) == 0;
      c.extra_stride = (bits & 4) != 0 ? 3 : 0;
      c.check(with);
      c.addend = true;
      c.bias = true;
      c.check(with);
    }
  });
}

TEST(f32_products_may_be_rounded_to_bf16) {
  for_libraries([](CublasLt* with) {
    Case<float, bf16> c{.m = 9, .n = 40, .k = 20};
    c.check(with);
    c.bias = c.gelu = true;
    c.check(with);
  });
}

TEST_BOTH_TYPES(empty_products_are_their_epilogue) {
  for_libraries([&](CublasLt* with) {
    const std::vector<float> bias = normals(5, 1);
    const DeviceArray<float> dbias(bias), sums(std::vector<float>(3, 2.0f));
    const DeviceArray<T> a(1), b(1), out(15);
    GemmArgs args{3, 5, 0, kType, a, false, 0, b, false, out, kType};
    args.epilogue.bias = dbias;
    args.a_row_sums = sums;
    cuda::gemm_with(with, args);
    const std::vector<T> result = out.get();
    for (size_t i = 0; i < 15; ++i) EXPECT(to_float(result[i]) == to_float(from_float<T>(bias[i % 5])));
    args.m = 0;
    cuda::gemm_with(with, args);
    args.m = 3;
    args.n = 0;
    cuda::gemm_with(with, args);
    EXPECT(sums.get() == std::vector<float>(3, 2.0f));
  });
}

/// Only the engine's own kernels promise it.
TEST_BOTH_TYPES(a_row_has_the_same_bits_in_any_batch) {
  constexpr int64_t kRows = 140, kN = 40, kK = 75;
  const DeviceArray<T> a(as_type<T>(normals(kRows * kK, 1))), b(as_type<T>(normals(kN * kK, 2)));
  const DeviceArray<float> all(kRows * kN), one(kN);
  cuda::engine_gemm({kRows, kN, kK, kType, a, false, 0, b, true, all, DType::kF32});
  cuda::engine_gemm({1, kN, kK, kType, a + 133 * kK, false, 0, b, true, one, DType::kF32});
  const std::vector<float> together = all.get();
  EXPECT(std::vector<float>(together.begin() + 133 * kN, together.begin() + 134 * kN) == one.get());
}

TEST_BOTH_TYPES(packed_weights_multiply_both_ways) {
  constexpr int64_t kIn = 24, kOut = 40, kRows = 5;
  const LinearKernels& kernels = cuda::linear_kernels();
  EXPECT(kernels.packs_as_stored);
  const std::vector<float> weight = normals(kOut * kIn, 1);
  const DeviceArray<float> w(weight);
  const DeviceArray<uint8_t> panels(kernels.packed_bytes(kIn, kOut, kType));
  kernels.pack(panels, w, DType::kF32, kIn, kOut, true, kType);
  const std::vector<T> x = as_type<T>(normals(kRows * kOut, 2)), rounded = as_type<T>(weight);
  const DeviceArray<T> dx(x);
  const DeviceArray<float> forward(kRows * kOut), backward(kRows * kIn);
  kernels.gemm_packed({kRows, kOut, kIn, kType, dx, false, kOut, panels, true, forward, DType::kF32});
  kernels.gemm_packed({kRows, kIn, kOut, kType, dx, false, kOut, panels, false, backward, DType::kF32});
  std::vector<double> forward_reference(kRows * kOut), backward_reference(kRows * kIn);
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t o = 0; o < kOut; ++o) {
      for (size_t i = 0; i < kIn; ++i) {
        const double value = to_float(rounded[o * kIn + i]);
        forward_reference[r * kOut + o] += to_float(x[r * kOut + i]) * value;
        backward_reference[r * kIn + i] += to_float(x[r * kOut + o]) * value;
      }
    }
  }
  EXPECT_CLOSE(forward.get(), forward_reference, 1e-6);
  EXPECT_CLOSE(backward.get(), backward_reference, 1e-6);
}

// The products of training must not fall back to the engine's own kernels unnoticed.
TEST(cublaslt_takes_the_products_of_training_whole) {
  if (library() == nullptr) return;
  constexpr int64_t kM = 64, kN = 128, kK = 96;
  const DeviceArray<bf16> a(kM * kK), b(kN * kK), out(kM * kN), other(kM * kN);
  const DeviceArray<float> bias(kN), wide(kM * kN), sums(kM);
  GemmArgs forward{kM, kN, kK, DType::kBF16, a, false, 0, b, true, out, DType::kBF16};
  forward.epilogue.bias = bias;
  forward.epilogue.activation = Activation::kGelu;
  forward.epilogue.preactivation = other;
  EXPECT(library()->multiply(forward));
  forward.epilogue = {};
  forward.epilogue.bias = bias;
  forward.epilogue.addend = other;
  EXPECT(library()->multiply(forward));
  GemmArgs backward{kM, kN, kK, DType::kBF16, a, false, 0, b, false, out, DType::kBF16};
  backward.epilogue.gelu_input = other;
  EXPECT(library()->multiply(backward));
  GemmArgs weight{kM, kN, kK, DType::kBF16, a, true, 0, b, false, wide, DType::kF32};
  weight.epilogue.accumulate = true;
  weight.a_row_sums = sums;
  EXPECT(library()->multiply(weight));
  const size_t plans = library()->plan_count();
  EXPECT(library()->multiply(weight));
  EXPECT(library()->plan_count() == plans);
  weight.m -= 8;
  EXPECT(library()->multiply(weight));
  EXPECT(library()->plan_count() == plans + 1);
}

}  // namespace
}  // namespace athanor::test
