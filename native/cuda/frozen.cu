#include "kernels/frozen.h"

#include "cuda/loops.h"
#include "kernels/nf4_math.h"

namespace athanor::cuda {
namespace {

constexpr int kWarpsPerBlock = kBlock / kWarp;
constexpr float kLevels = 127.0f;

/// The bits of an absolute value. They order as the values, and NaN is above infinity.
__device__ __forceinline__ uint32_t magnitude(float x) { return __float_as_uint(x) & 0x7fffffffu; }

/// The largest of a warp's lanes, NaN if any is NaN.
__device__ __forceinline__ float warp_largest(uint32_t most) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const uint32_t other = __shfl_xor_sync(kAllLanes, most, lanes);
    most = other > most ? other : most;
  }
  return __uint_as_float(most);
}

/// A warp per row, which is read twice. Weights are quantized once, when a model is loaded.
template <class T>
__global__ void __launch_bounds__(kBlock) quantize_int8_kernel(FrozenMatrix to, const T* weight) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarp;
  if (row >= to.rows) return;
  const T* from = weight + row * to.columns;
  uint32_t most = 0;
  for (int64_t i = threadIdx.x % kWarp; i < to.columns; i += kWarp) {
    const uint32_t bits = magnitude(widen(from[i]));
    most = bits > most ? bits : most;
  }
  const float scale = warp_largest(most) / kLevels;
  if (threadIdx.x % kWarp == 0) to.scales[row] = scale;
  for (int64_t i = threadIdx.x % kWarp; i < to.columns; i += kWarp) {
    const float level = widen(from[i]) / scale;
    // A row of zeros, and one that is not finite: its scale says so.
    const float whole = fabsf(level) < kLevels + 0.5f ? rintf(level) : 0.0f;
    to.codes[row * to.columns + i] = static_cast<uint8_t>(static_cast<int8_t>(whole));
  }
}

/// A warp per 64 elements; each lane has the two of a byte.
template <class T>
__global__ void __launch_bounds__(kBlock) quantize_nf4_kernel(FrozenMatrix to, const T* weight) {
  const int64_t block = static_cast<int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarp;
  const int64_t count = to.rows * to.columns, i = block * kNf4Block + 2 * (threadIdx.x % kWarp);
  if (block * kNf4Block >= count) return;
  const float x[2] = {i < count ? widen(weight[i]) : 0.0f, i + 1 < count ? widen(weight[i + 1]) : 0.0f};
  const uint32_t bits[2] = {magnitude(x[0]), magnitude(x[1])};
  const float scale = warp_largest(bits[0] > bits[1] ? bits[0] : bits[1]);
  const float inverse = 1.0f / (scale < kNf4SmallestDivisor ? kNf4SmallestDivisor : scale);
  uint32_t byte = 0;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint32_t code = 0;
#pragma unroll
    for (int bound = 0; bound < kNf4Bounds; ++bound) code += x[half] * inverse > nf4_bound(bound) ? 1u : 0u;
    byte |= code << (half == 0 ? 4 : 0);
  }
  if (threadIdx.x % kWarp == 0) to.scales[block] = scale;
  if (i < count) to.codes[i / 2] = static_cast<uint8_t>(byte);
}

/// A thread per element. It reads 1 byte and writes 2 or 4.
template <class T>
__global__ void __launch_bounds__(kBlock) dequantize_int8_kernel(T* out, FrozenMatrix from) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= from.rows * from.columns) return;
  const auto level = static_cast<int8_t>(from.codes[i]);
  out[i] = narrow<T>(static_cast<float>(level) * from.scales[i / from.columns]);
}

/// A thread per byte, the codes of two elements. Shared memory holds the values.
template <class T>
__global__ void __launch_bounds__(kBlock) dequantize_nf4_kernel(T* out, FrozenMatrix from) {
  ATHANOR_SHARED(float, values, [16]);
  if (threadIdx.x < 16) values[threadIdx.x] = nf4_value(static_cast<int>(threadIdx.x));
  __syncthreads();
  const int64_t count = from.rows * from.columns;
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * 2;
  if (i >= count) return;
  const float scale = from.scales[i / kNf4Block];
  const uint32_t byte = from.codes[i / 2];
  out[i] = narrow<T>(values[byte >> 4] * scale);
  if (i + 1 < count) out[i + 1] = narrow<T>(values[byte & 15u] * scale);
}

void quantize(const FrozenMatrix& to, const void* weight, DType dtype) {
  const int64_t groups = frozen_scales(to.format, to.rows, to.columns);
  if (to.rows * to.columns == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const Launch warps{blocks_for(groups, kWarpsPerBlock), kBlock};
    const auto kernel = to.format == FrozenFormat::kInt8 ? quantize_int8_kernel<T> : quantize_nf4_kernel<T>;
    launch(kernel, warps, to, static_cast<const T*>(weight));
  });
}

void dequantize(void* out, DType dtype, const FrozenMatrix& from) {
  const int64_t count = from.rows * from.columns;
  if (count == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    if (from.format == FrozenFormat::kInt8) {
      launch(dequantize_int8_kernel<T>, Launch{blocks_for(count, kBlock), kBlock}, static_cast<T*>(out),
             from);
    } else {
      launch(dequantize_nf4_kernel<T>, Launch{blocks_for(count, 2 * kBlock), kBlock}, static_cast<T*>(out),
             from);
    }
  });
}

}  // namespace

const FrozenKernels& frozen_kernels() {
  static constexpr auto kTable = complete_table<FrozenKernels>(quantize, dequantize);
  return kTable;
}

}  // namespace athanor::cuda
