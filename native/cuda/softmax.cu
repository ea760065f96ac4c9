#include "kernels/softmax.h"

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

/// A block per row, which is read three times and stays in the caches.
template <class T>
__global__ void __launch_bounds__(kBlock) softmax_forward_kernel(T* y, const T* x, int64_t channels) {
  ATHANOR_SHARED(float, scratch, [kBlock / kWarp]);
  const T* in = x + blockIdx.x * channels;
  T* out = y + blockIdx.x * channels;
  // Reduce over the block: the largest element.
  float top = -INFINITY;
  for (int64_t c = threadIdx.x; c < channels; c += kBlock) top = fmaxf(top, widen(in[c]));
  top = block_max(top, static_cast<float*>(scratch));
  // The sum of exponentials.
  float total = 0;
  for (int64_t c = threadIdx.x; c < channels; c += kBlock) total += expf(widen(in[c]) - top);
  const float inverse = 1.0f / block_sum(total, static_cast<float*>(scratch));
  // Write the result.
  for (int64_t c = threadIdx.x; c < channels; c += kBlock)
    out[c] = narrow<T>(expf(widen(in[c]) - top) * inverse);
}

void softmax_forward(DType dtype, void* y, const void* x, int64_t rows, int64_t channels) {
  if (rows == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    launch(softmax_forward_kernel<T>, Launch{static_cast<unsigned>(rows), kBlock}, static_cast<T*>(y),
           static_cast<const T*>(x), channels);
  });
}

template <class T>
__global__ void __launch_bounds__(kBlock)
    softmax_backward_kernel(T* dx, const T* dy, const T* y, int64_t channels) {
  ATHANOR_SHARED(float, scratch, [kBlock / kWarp]);
  const int64_t at = blockIdx.x * channels;
  float dot = 0;
  for (int64_t c = threadIdx.x; c < channels; c += kBlock) dot += widen(dy[at + c]) * widen(y[at + c]);
  dot = block_sum(dot, static_cast<float*>(scratch));
  for (int64_t c = threadIdx.x; c < channels; c += kBlock) {
    dx[at + c] = narrow<T>(widen(y[at + c]) * (widen(dy[at + c]) - dot));
  }
}

void softmax_backward(DType dtype, void* dx, const void* dy, const void* y, int64_t rows, int64_t channels) {
  if (rows == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    launch(softmax_backward_kernel<T>, Launch{static_cast<unsigned>(rows), kBlock}, static_cast<T*>(dx),
           static_cast<const T*>(dy), static_cast<const T*>(y), channels);
  });
}

}  // namespace

const SoftmaxKernels& softmax_kernels() {
  static constexpr auto kTable = complete_table<SoftmaxKernels>(softmax_forward, softmax_backward);
  return kTable;
}

}  // namespace athanor::cuda
