// Layer norm and RMS norm are one code: RMS norm is layer norm with a mean of 0 and no bias. A warp has a
// row; where the row fits in its registers it is read once, so that forward moves what it must: x, delta, sum
// and y, and backward dy, dsum, sum and dx. Weight gradients are summed per warp over the rows it takes, then
// over the warps of a block, then over blocks, always in the same order.
#include "kernels/norm.h"

#include <algorithm>

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

constexpr int kRowWarps = 4;  // rows of a block at once
constexpr int kLaneStep = kWarp * kVector;

template <class T>
struct ForwardRows {
  T* y;
  T* sum;  // null without delta
  float* mean;
  float* rstd;
  const T* x;
  const T* delta;  // may be null
  const float* weight;
  const float* bias;  // may be null
  float eps;
  int64_t rows, channels;
};

/// kSteps vectors a lane, held in registers.
template <bool kCentered, int kSteps, class T>
__global__ void __launch_bounds__(kRowWarps* kWarp) forward_kernel(ForwardRows<T> in) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.x / kWarp;
  if (row >= in.rows) return;  // whole warps
  const int64_t at = row * in.channels;
  float v[kSteps][kVector];
  float total = 0;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int64_t c = s * kLaneStep + lane * kVector;
    if (c >= in.channels) continue;
    load(v[s], in.x + at + c);
    if (in.delta != nullptr) {
      float d[kVector];
      load(d, in.delta + at + c);
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[s][i] = rounded<T>(v[s][i] + d[i]);
      store(in.sum + at + c, v[s]);
    }
#pragma unroll
    for (int i = 0; i < kVector; ++i) total += kCentered ? v[s][i] : v[s][i] * v[s][i];
  }
  const float inverse_count = 1.0f / static_cast<float>(in.channels);
  const float mean = kCentered ? warp_sum(total) * inverse_count : 0.0f;
  if (kCentered) {
    total = 0;
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      if (s * kLaneStep + lane * kVector >= in.channels) continue;
#pragma unroll
      for (int i = 0; i < kVector; ++i) total += (v[s][i] - mean) * (v[s][i] - mean);
    }
  }
  const float rstd = 1.0f / sqrtf(warp_sum(total) * inverse_count + in.eps);
  if (lane == 0) {
    if (kCentered) in.mean[row] = mean;
    in.rstd[row] = rstd;
  }
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int64_t c = s * kLaneStep + lane * kVector;
    if (c >= in.channels) continue;
    float w[kVector], b[kVector] = {};
    load(w, in.weight + c);
    if (in.bias != nullptr) load(b, in.bias + c);
#pragma unroll
    for (int i = 0; i < kVector; ++i) v[s][i] = (v[s][i] - mean) * rstd * w[i] + b[i];
    store(in.y + at + c, v[s]);
  }
}

/// Rows of any length: what does not fit in registers is read again, from the first-level cache.
template <bool kCentered, class T>
__global__ void __launch_bounds__(kRowWarps* kWarp) forward_any_kernel(ForwardRows<T> in) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.x / kWarp;
  if (row >= in.rows) return;
  const T* x = in.x + row * in.channels;
  T* y = in.y + row * in.channels;
  float total = 0;
  if (in.delta != nullptr) {
    T* sum = in.sum + row * in.channels;
    for (int64_t c = lane; c < in.channels; c += kWarp) {
      sum[c] = narrow<T>(widen(x[c]) + widen(in.delta[row * in.channels + c]));
    }
    x = sum;  // each lane reads what it wrote itself
  }
  for (int64_t c = lane; c < in.channels; c += kWarp) {
    total += kCentered ? widen(x[c]) : widen(x[c]) * widen(x[c]);
  }
  const float inverse_count = 1.0f / static_cast<float>(in.channels);
  const float mean = kCentered ? warp_sum(total) * inverse_count : 0.0f;
  if (kCentered) {
    total = 0;
    for (int64_t c = lane; c < in.channels; c += kWarp) total += (widen(x[c]) - mean) * (widen(x[c]) - mean);
  }
  const float rstd = 1.0f / sqrtf(warp_sum(total) * inverse_count + in.eps);
  if (lane == 0) {
    if (kCentered) in.mean[row] = mean;
    in.rstd[row] = rstd;
  }
  for (int64_t c = lane; c < in.channels; c += kWarp) {
    const float shift = in.bias != nullptr ? in.bias[c] : 0.0f;
    y[c] = narrow<T>((widen(x[c]) - mean) * rstd * in.weight[c] + shift);
  }
}

/// Calls body(std::integral_constant<int, steps>) for rows that fit in registers as vectors, else with 0.
template <class Body>
void for_steps(bool is_vector, int64_t channels, Body&& body) {
  if (is_vector && channels <= kLaneStep) return body(std::integral_constant<int, 1>{});
  if (is_vector && channels <= 3 * kLaneStep) return body(std::integral_constant<int, 3>{});
  if (is_vector && channels <= 4 * kLaneStep) return body(std::integral_constant<int, 4>{});
  body(std::integral_constant<int, 0>{});
}

template <bool kCentered>
void forward(DType dtype, void* y, void* sum, float* mean, float* rstd, const void* x, const void* delta,
             const float* weight, const float* bias, float eps, int64_t rows, int64_t channels) {
  if (rows == 0) return;
  const bool is_vector = are_vector_rows(channels, y, sum, x, delta, weight, bias);
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const ForwardRows<T> in{static_cast<T*>(y),
                            static_cast<T*>(sum),
                            mean,
                            rstd,
                            static_cast<const T*>(x),
                            static_cast<const T*>(delta),
                            weight,
                            bias,
                            eps,
                            rows,
                            channels};
    const Launch shape{blocks_for(rows, kRowWarps), kRowWarps * kWarp};
    for_steps(is_vector, channels, [&](auto steps) {
      if constexpr (steps == 0) {
        launch(forward_any_kernel<kCentered, T>, shape, in);
      } else {
        launch(forward_kernel<kCentered, steps, T>, shape, in);
      }
    });
  });
}

template <class T>
struct BackwardRows {
  T* dx;
  float* partial;  // [blocks, 2, channels]: dweight, then dbias
  const T* dy;
  const T* dsum;  // may be null
  const T* sum;
  const float* weight;
  const float* mean;  // null without centring
  const float* rstd;
  int64_t rows, channels;
};

/// With g = dy * weight and n the normalised row: dx = rstd * (g - mean(g) - n * mean(g * n)) + dsum.
template <bool kCentered, int kSteps, class T>
__global__ void __launch_bounds__(kRowWarps* kWarp) backward_kernel(BackwardRows<T> in) {
  ATHANOR_SHARED(float, sums, [kRowWarps][2 * kLaneStep]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const float inverse_count = 1.0f / static_cast<float>(in.channels);
  float dweight[kSteps][kVector] = {}, dbias[kSteps][kVector] = {};
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + warp; row < in.rows;
       row += static_cast<int64_t>(gridDim.x) * kRowWarps) {
    const int64_t at = row * in.channels;
    const float mean = kCentered ? in.mean[row] : 0.0f, rstd = in.rstd[row];
    float g[kSteps][kVector], n[kSteps][kVector];
    float g_sum = 0, gn_sum = 0;
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int64_t c = s * kLaneStep + lane * kVector;
      if (c >= in.channels) continue;
      float w[kVector];
      load(g[s], in.dy + at + c);
      load(n[s], in.sum + at + c);
      load(w, in.weight + c);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        n[s][i] = (n[s][i] - mean) * rstd;
        dweight[s][i] += g[s][i] * n[s][i];
        if (kCentered) dbias[s][i] += g[s][i];
        g[s][i] *= w[i];
        if (kCentered) g_sum += g[s][i];
        gn_sum += g[s][i] * n[s][i];
      }
    }
    const float g_mean = kCentered ? warp_sum(g_sum) * inverse_count : 0.0f;
    const float gn_mean = warp_sum(gn_sum) * inverse_count;
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int64_t c = s * kLaneStep + lane * kVector;
      if (c >= in.channels) continue;
      float residual[kVector] = {};
      if (in.dsum != nullptr) load(residual, in.dsum + at + c);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        g[s][i] = ((g[s][i] - g_mean) - n[s][i] * gn_mean) * rstd + residual[i];
      }
      store(in.dx + at + c, g[s]);
    }
  }
  float* partial = in.partial + static_cast<int64_t>(blockIdx.x) * 2 * in.channels;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    store(&sums[warp][lane * kVector], dweight[s]);
    store(&sums[warp][kLaneStep + lane * kVector], dbias[s]);
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < 2 * kLaneStep; i += kRowWarps * kWarp) {
      const int64_t c = s * kLaneStep + i % kLaneStep;
      float total = 0;
      for (int w = 0; w < kRowWarps; ++w) total += sums[w][i];
      if (c < in.channels) partial[i / kLaneStep * in.channels + c] = total;
    }
    __syncthreads();
  }
}

/// dx of rows of any length; the weight gradients are columns_kernel's.
template <bool kCentered, class T>
__global__ void __launch_bounds__(kRowWarps* kWarp) backward_any_kernel(BackwardRows<T> in) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.x / kWarp;
  if (row >= in.rows) return;
  const int64_t at = row * in.channels;
  const float mean = kCentered ? in.mean[row] : 0.0f, rstd = in.rstd[row];
  float g_sum = 0, gn_sum = 0;
  for (int64_t c = lane; c < in.channels; c += kWarp) {
    const float g = widen(in.dy[at + c]) * in.weight[c];
    g_sum += g;
    gn_sum += g * (widen(in.sum[at + c]) - mean) * rstd;
  }
  const float inverse_count = 1.0f / static_cast<float>(in.channels);
  const float g_mean = kCentered ? warp_sum(g_sum) * inverse_count : 0.0f;
  const float gn_mean = warp_sum(gn_sum) * inverse_count;
  for (int64_t c = lane; c < in.channels; c += kWarp) {
    const float g = widen(in.dy[at + c]) * in.weight[c];
    const float n = (widen(in.sum[at + c]) - mean) * rstd;
    const float residual = in.dsum != nullptr ? widen(in.dsum[at + c]) : 0.0f;
    in.dx[at + c] = narrow<T>(((g - g_mean) - n * gn_mean) * rstd + residual);
  }
}

/// A block sums the rows that are its share, one thread a column.
template <bool kCentered, class T>
__global__ void __launch_bounds__(kBlock) columns_kernel(BackwardRows<T> in, int64_t rows_per_block) {
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kBlock + threadIdx.x;
  if (c >= in.channels) return;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * rows_per_block;
  const int64_t last = first + rows_per_block < in.rows ? first + rows_per_block : in.rows;
  float dweight = 0, dbias = 0;
  for (int64_t row = first; row < last; ++row) {
    const float d = widen(in.dy[row * in.channels + c]);
    const float mean = kCentered ? in.mean[row] : 0.0f;
    dweight += d * (widen(in.sum[row * in.channels + c]) - mean) * in.rstd[row];
    dbias += d;
  }
  float* partial = in.partial + static_cast<int64_t>(blockIdx.x) * 2 * in.channels;
  partial[c] = dweight;
  partial[in.channels + c] = dbias;
}

/// dweight and dbias += the blocks' sums, in the blocks' order.
__global__ void __launch_bounds__(kBlock)
    add_partial_kernel(float* dweight, float* dbias, const float* partial, int64_t blocks, int64_t channels) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= 2 * channels) return;
  float* target = i < channels ? dweight : dbias;
  if (target == nullptr) return;
  float total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += partial[b * 2 * channels + i];
  target[i % channels] += total;
}

template <bool kCentered>
void backward(DType dtype, void* dx, float* dweight, float* dbias, const void* dy, const void* dsum,
              const void* sum, const float* weight, const float* mean, const float* rstd, int64_t rows,
              int64_t channels) {
  if (rows == 0) return;
  const bool is_vector = are_vector_rows(channels, dx, dy, dsum, sum, weight);
  // Two blocks a multiprocessor: with some 150 registers a thread that is what a multiprocessor holds twice
  // over, and few enough partial rows to add.
  const int64_t blocks = std::min<int64_t>(2 * multiprocessors(), ceil_divide(rows, kRowWarps));
  const Scratch partial(static_cast<size_t>(blocks * 2 * channels) * sizeof(float));
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const BackwardRows<T> in{static_cast<T*>(dx),
                             partial.as<float>(),
                             static_cast<const T*>(dy),
                             static_cast<const T*>(dsum),
                             static_cast<const T*>(sum),
                             weight,
                             mean,
                             rstd,
                             rows,
                             channels};
    for_steps(is_vector, channels, [&](auto steps) {
      if constexpr (steps == 0) {
        const dim3 grid(static_cast<unsigned>(blocks), blocks_for(channels, kBlock));
        launch(backward_any_kernel<kCentered, T>, Launch{blocks_for(rows, kRowWarps), kRowWarps * kWarp}, in);
        launch(columns_kernel<kCentered, T>, Launch{grid, kBlock}, in, ceil_divide(rows, blocks));
      } else {
        launch(backward_kernel<kCentered, steps, T>, Launch{static_cast<unsigned>(blocks), kRowWarps * kWarp},
               in);
      }
    });
  });
  launch(add_partial_kernel, Launch{blocks_for(2 * channels, kBlock), kBlock}, dweight, dbias,
         partial.as<float>(), blocks, channels);
}

void rms_norm_forward(DType dtype, void* y, void* sum, float* rstd, const void* x, const void* delta,
                      const float* weight, float eps, int64_t rows, int64_t channels) {
  forward<false>(dtype, y, sum, nullptr, rstd, x, delta, weight, nullptr, eps, rows, channels);
}

void rms_norm_backward(DType dtype, void* dx, float* dweight, const void* dy, const void* dsum,
                       const void* sum, const float* weight, const float* rstd, int64_t rows,
                       int64_t channels) {
  backward<false>(dtype, dx, dweight, nullptr, dy, dsum, sum, weight, nullptr, rstd, rows, channels);
}

}  // namespace

const NormKernels& norm_kernels() {
  static constexpr NormKernels kTable = {forward<true>, backward<true>, rms_norm_forward, rms_norm_backward};
  return kTable;
}

}  // namespace athanor::cuda
