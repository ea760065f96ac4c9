#include "kernels/softmax.h"

#include "cpu/row_softmax.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

void softmax_forward(DType dtype, void* y, const void* x, int64_t rows, int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_row_blocks(rows, channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* in = static_cast<const T*>(x) + row * channels;
        T* out = static_cast<T*>(y) + row * channels;
        const VecF top = set1(row_max(in, channels));
        // The result computes the exponentials again: kept in a bf16 row, they would
        // be rounded twice.
        const float total = reduce_add(sum_lanes(0, channels, [&](int64_t i, auto lanes) {
          return exp(load(in + i, lanes, -__builtin_inff()) - top);
        }));
        const VecF inverse = set1(1.0f / total);
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          store(out + i, exp(load(in + i, lanes) - top) * inverse, lanes);
        });
      }
    });
  });
}

void softmax_backward(DType dtype, void* dx, const void* dy, const void* y, int64_t rows, int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_row_blocks(rows, channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* gradient = static_cast<const T*>(dy) + row * channels;
        const T* result = static_cast<const T*>(y) + row * channels;
        T* out = static_cast<T*>(dx) + row * channels;
        const VecF dot = set1(reduce_add(sum_lanes(0, channels, [&](int64_t i, auto lanes) {
          return load(gradient + i, lanes) * load(result + i, lanes);
        })));
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          store(out + i, load(result + i, lanes) * (load(gradient + i, lanes) - dot), lanes);
        });
      }
    });
  });
}

}  // namespace

constinit const SoftmaxKernels softmax_kernels_table =
    complete_table<SoftmaxKernels>(softmax_forward, softmax_backward);

}  // namespace athanor::cpu::ATHANOR_ISA
