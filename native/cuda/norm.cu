// Layer norm and RMS norm are one code: RMS norm is layer norm with a mean of 0 and no bias. A warp
// has a row. Where the row fits in its registers it is read once, so memory traffic is minimal: x,
// delta, sum and y forward; dy, dsum, sum and dx backward. Weight gradients are summed per warp
// over its rows, then over the warps of a block, then over blocks, always in the same order.
#include "kernels/norm.h"

#include <algorithm>

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

template <bool kCentered>
__device__ __forceinline__ float gain(float weight, float offset) {
  return kCentered ? weight : weight + offset;
}

constexpr int kRowWarps = 4;  // rows of a block at once
constexpr int kLaneStep = kWarp * kVector;

/// kSteps vectors per lane, held in registers.
template <bool kCentered, int kSteps, class T>
__global__ void __launch_bounds__(kRowWarps* kWarp) forward_kernel(NormForwardArgs in) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.x / kWarp;
  if (row >= in.rows) return;  // whole warps
  const int64_t at = row * in.channels;
  // Load the row, add delta and sum.
  float v[kSteps][kVector];
  float total = 0;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int64_t c = s * kLaneStep + lane * kVector;
    if (c >= in.channels) continue;
    load(v[s], static_cast<const T*>(in.x) + at + c);
    if (in.delta != nullptr) {
      float d[kVector];
      load(d, static_cast<const T*>(in.delta) + at + c);
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[s][i] = rounded<T>(v[s][i] + d[i]);
      store(static_cast<T*>(in.sum) + at + c, v[s]);
    }
#pragma unroll
    for (int i = 0; i < kVector; ++i) total += kCentered ? v[s][i] : v[s][i] * v[s][i];
  }
  // Reduce over the warp: the mean, then the squared distances from it.
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
  // Normalise and write.
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int64_t c = s * kLaneStep + lane * kVector;
    if (c >= in.channels) continue;
    float w[kVector], b[kVector] = {};
    load(w, in.weight + c);
    if (in.bias != nullptr) load(b, in.bias + c);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      v[s][i] = (v[s][i] - mean) * rstd * gain<kCentered>(w[i], in.weight_offset) + b[i];
    }
    store(static_cast<T*>(in.y) + at + c, v[s]);
  }
}

/// Rows of any length, which do not fit in registers and are read again from the first-level cache.
template <bool kCentered, class T>
__global__ void __launch_bounds__(kRowWarps* kWarp) forward_any_kernel(NormForwardArgs in) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.x / kWarp;
  if (row >= in.rows) return;
  const int64_t at = row * in.channels;
  const T* x = static_cast<const T*>(in.x) + at;
  T* y = static_cast<T*>(in.y) + at;
  // Add delta.
  if (in.delta != nullptr) {
    const T* delta = static_cast<const T*>(in.delta) + at;
    T* sum = static_cast<T*>(in.sum) + at;
    for (int64_t c = lane; c < in.channels; c += kWarp) {
      sum[c] = narrow<T>(widen(x[c]) + widen(delta[c]));
    }
    x = sum;  // each lane reads its own writes
  }
  // Reduce over the warp: the mean, then the squared distances from it.
  float total = 0;
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
  // Normalise and write.
  for (int64_t c = lane; c < in.channels; c += kWarp) {
    const float shift = in.bias != nullptr ? in.bias[c] : 0.0f;
    y[c] = narrow<T>((widen(x[c]) - mean) * rstd * gain<kCentered>(in.weight[c], in.weight_offset) + shift);
  }
}

/// Calls body(std::integral_constant<int, steps>) for rows that fit in registers as vectors,
/// else with 0.
template <class Body>
void for_steps(bool is_vector, int64_t channels, Body&& body) {
  if (is_vector && channels <= kLaneStep) return body(std::integral_constant<int, 1>{});
  if (is_vector && channels <= 3 * kLaneStep) return body(std::integral_constant<int, 3>{});
  if (is_vector && channels <= 4 * kLaneStep) return body(std::integral_constant<int, 4>{});
  body(std::integral_constant<int, 0>{});
}

template <bool kCentered>
void forward(const NormForwardArgs& in) {
  if (in.rows == 0) return;
  const bool is_vector = are_vector_rows(in.channels, in.y, in.sum, in.x, in.delta, in.weight, in.bias);
  for_dtype(in.dtype, [&](auto type) {
    using T = decltype(type);
    const Launch shape{blocks_for(in.rows, kRowWarps), kRowWarps * kWarp};
    for_steps(is_vector, in.channels, [&](auto steps) {
      if constexpr (steps == 0) {
        launch(forward_any_kernel<kCentered, T>, shape, in);
      } else {
        launch(forward_kernel<kCentered, steps, T>, shape, in);
      }
    });
  });
}

/// With g = dy * weight and n the normalised row: dx = rstd * (g - mean(g) - n * mean(g * n)) +
/// dsum. `partial` is [blocks, 2, channels]: a block's dweight, then its dbias.
template <bool kCentered, int kSteps, class T>
__global__ void __launch_bounds__(kRowWarps* kWarp) backward_kernel(NormBackwardArgs in, float* partial) {
  ATHANOR_SHARED(float, sums, [kRowWarps][2 * kLaneStep]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const float inverse_count = 1.0f / static_cast<float>(in.channels);
  float dweight[kSteps][kVector] = {}, dbias[kSteps][kVector] = {};
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + warp; row < in.rows;
       row += static_cast<int64_t>(gridDim.x) * kRowWarps) {
    const int64_t at = row * in.channels;
    const float mean = kCentered ? in.mean[row] : 0.0f, rstd = in.rstd[row];
    // Load the row; sum g and g * n over it, and add to the weight gradients.
    float g[kSteps][kVector], n[kSteps][kVector];
    float g_sum = 0, gn_sum = 0;
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int64_t c = s * kLaneStep + lane * kVector;
      if (c >= in.channels) continue;
      float w[kVector];
      load(g[s], static_cast<const T*>(in.dy) + at + c);
      load(n[s], static_cast<const T*>(in.sum) + at + c);
      load(w, in.weight + c);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        n[s][i] = (n[s][i] - mean) * rstd;
        dweight[s][i] += g[s][i] * n[s][i];
        if (kCentered) dbias[s][i] += g[s][i];
        g[s][i] *= gain<kCentered>(w[i], in.weight_offset);
        if (kCentered) g_sum += g[s][i];
        gn_sum += g[s][i] * n[s][i];
      }
    }
    const float g_mean = kCentered ? warp_sum(g_sum) * inverse_count : 0.0f;
    const float gn_mean = warp_sum(gn_sum) * inverse_count;
    // Write dx.
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int64_t c = s * kLaneStep + lane * kVector;
      if (c >= in.channels) continue;
      float residual[kVector] = {};
      if (in.dsum != nullptr) load(residual, static_cast<const T*>(in.dsum) + at + c);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        g[s][i] = ((g[s][i] - g_mean) - n[s][i] * gn_mean) * rstd + residual[i];
      }
      store(static_cast<T*>(in.dx) + at + c, g[s]);
    }
  }
  // Sum the weight gradients over the warps of the block.
  partial += static_cast<int64_t>(blockIdx.x) * 2 * in.channels;
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

/// dx of rows of any length; columns_kernel computes the weight gradients.
template <bool kCentered, class T>
__global__ void __launch_bounds__(kRowWarps* kWarp) backward_any_kernel(NormBackwardArgs in) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.x / kWarp;
  if (row >= in.rows) return;
  const int64_t at = row * in.channels;
  const T* dy = static_cast<const T*>(in.dy) + at;
  const T* sum = static_cast<const T*>(in.sum) + at;
  const float mean = kCentered ? in.mean[row] : 0.0f, rstd = in.rstd[row];
  // Sum g and g * n over the row.
  float g_sum = 0, gn_sum = 0;
  for (int64_t c = lane; c < in.channels; c += kWarp) {
    const float g = widen(dy[c]) * gain<kCentered>(in.weight[c], in.weight_offset);
    g_sum += g;
    gn_sum += g * (widen(sum[c]) - mean) * rstd;
  }
  const float inverse_count = 1.0f / static_cast<float>(in.channels);
  const float g_mean = kCentered ? warp_sum(g_sum) * inverse_count : 0.0f;
  const float gn_mean = warp_sum(gn_sum) * inverse_count;
  // Write dx.
  for (int64_t c = lane; c < in.channels; c += kWarp) {
    const float g = widen(dy[c]) * gain<kCentered>(in.weight[c], in.weight_offset);
    const float n = (widen(sum[c]) - mean) * rstd;
    const float residual = in.dsum != nullptr ? widen(static_cast<const T*>(in.dsum)[at + c]) : 0.0f;
    static_cast<T*>(in.dx)[at + c] = narrow<T>(((g - g_mean) - n * gn_mean) * rstd + residual);
  }
}

/// A block sums its share of the rows, with a thread per column.
template <bool kCentered, class T>
__global__ void __launch_bounds__(kBlock)
    columns_kernel(NormBackwardArgs in, float* partial, int64_t rows_per_block) {
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kBlock + threadIdx.x;
  if (c >= in.channels) return;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * rows_per_block;
  const int64_t last = first + rows_per_block < in.rows ? first + rows_per_block : in.rows;
  float dweight = 0, dbias = 0;
  for (int64_t row = first; row < last; ++row) {
    const float d = widen(static_cast<const T*>(in.dy)[row * in.channels + c]);
    const float mean = kCentered ? in.mean[row] : 0.0f;
    dweight += d * (widen(static_cast<const T*>(in.sum)[row * in.channels + c]) - mean) * in.rstd[row];
    dbias += d;
  }
  partial += static_cast<int64_t>(blockIdx.x) * 2 * in.channels;
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
void backward(const NormBackwardArgs& in) {
  const int64_t rows = in.rows, channels = in.channels;
  if (rows == 0) return;
  const bool is_vector = are_vector_rows(channels, in.dx, in.dy, in.dsum, in.sum, in.weight);
  // Two blocks per multiprocessor: with some 150 registers per thread it holds twice as many, and
  // they are few enough partial rows to add.
  const int64_t blocks = std::min<int64_t>(2 * multiprocessors(), ceil_divide(rows, kRowWarps));
  const Scratch scratch(static_cast<size_t>(blocks * 2 * channels) * sizeof(float));
  auto* const partial = scratch.as<float>();
  for_dtype(in.dtype, [&](auto type) {
    using T = decltype(type);
    for_steps(is_vector, channels, [&](auto steps) {
      if constexpr (steps == 0) {
        const dim3 grid(static_cast<unsigned>(blocks), blocks_for(channels, kBlock));
        launch(backward_any_kernel<kCentered, T>, Launch{blocks_for(rows, kRowWarps), kRowWarps * kWarp}, in);
        launch(columns_kernel<kCentered, T>, Launch{grid, kBlock}, in, partial, ceil_divide(rows, blocks));
      } else {
        launch(backward_kernel<kCentered, steps, T>, Launch{static_cast<unsigned>(blocks), kRowWarps * kWarp},
               in, partial);
      }
    });
  });
  launch(add_partial_kernel, Launch{blocks_for(2 * channels, kBlock), kBlock}, in.dweight, in.dbias, partial,
         blocks, channels);
}

}  // namespace

const NormKernels& norm_kernels() {
  static constexpr auto kTable =
      complete_table<NormKernels>(forward<true>, backward<true>, forward<false>, backward<false>);
  return kTable;
}

}  // namespace athanor::cuda
