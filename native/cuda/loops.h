// Loop shapes that kernel families share. Memory-bound kernels move 16 bytes per instruction where
// addresses allow it: eight elements at a time, which is one load of bf16 and two of f32. Otherwise
// elements are moved one by one.
#pragma once

#include "cuda/gpu.h"

namespace athanor::cuda {

constexpr int kVector = 8;
constexpr int kBlock = 256;

/// Calls body(T{}) with T the element type of a floating dtype.
template <class Body>
void for_dtype(DType dtype, Body&& body) {
  if (dtype == DType::kF32) return body(float{});
  body(bf16{});
}

/// Calls body(std::integral_constant<int, width>) with the elements that a thread may move at once.
template <class Body>
void for_width(bool is_vector, Body&& body) {
  if (is_vector) return body(std::integral_constant<int, kVector>{});
  body(std::integral_constant<int, 1>{});
}

inline bool is_aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }
template <class... Pointers>
bool are_aligned(Pointers... pointers) {
  return (is_aligned(pointers) && ...);
}
/// Whether all rows of `channels` elements start where vectors may.
template <class... Pointers>
bool are_vector_rows(int64_t channels, Pointers... pointers) {
  return channels % kVector == 0 && are_aligned(pointers...);
}

inline unsigned blocks_for(int64_t items, int64_t per_block) {
  return static_cast<unsigned>(ceil_divide(items, per_block));
}

template <int kWidth>
__device__ __forceinline__ void load(float (&x)[kWidth], const float* p) {
  if constexpr (kWidth == 1) {
    x[0] = *p;
  } else {
#pragma unroll
    for (int i = 0; i < kWidth; i += 4) {
      const float4 v = *reinterpret_cast<const float4*>(p + i);
      x[i] = v.x;
      x[i + 1] = v.y;
      x[i + 2] = v.z;
      x[i + 3] = v.w;
    }
  }
}

template <int kWidth>
__device__ __forceinline__ void load(float (&x)[kWidth], const bf16* p) {
  if constexpr (kWidth == 1) {
    x[0] = widen(*p);
  } else {
    const uint4 v = *reinterpret_cast<const uint4*>(p);
    const uint32_t pairs[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      x[2 * i] = __uint_as_float(pairs[i] << 16);
      x[2 * i + 1] = __uint_as_float(pairs[i] & 0xffff0000u);
    }
  }
}

template <int kWidth>
__device__ __forceinline__ void store(float* p, const float (&x)[kWidth]) {
  if constexpr (kWidth == 1) {
    *p = x[0];
  } else {
#pragma unroll
    for (int i = 0; i < kWidth; i += 4) {
      *reinterpret_cast<float4*>(p + i) = make_float4(x[i], x[i + 1], x[i + 2], x[i + 3]);
    }
  }
}

template <int kWidth>
__device__ __forceinline__ void store(bf16* p, const float (&x)[kWidth]) {
  if constexpr (kWidth == 1) {
    *p = narrow<bf16>(x[0]);
  } else {
    *reinterpret_cast<uint4*>(p) = make_uint4(pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]),
                                              pack_bf16(x[4], x[5]), pack_bf16(x[6], x[7]));
  }
}

/// A value as it reads back after being stored as T.
template <class T>
__device__ __forceinline__ float rounded(float x) {
  return widen(narrow<T>(x));
}

// ---- reductions, in an order that depends on the shape of the block alone

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(kAllLanes, x, lanes);
  return x;
}
__device__ __forceinline__ double warp_sum(double x) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(kAllLanes, x, lanes);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, lanes));
  return x;
}

/// The sum over a block of whole warps, in every thread. `scratch` holds one value per warp. A
/// block may use it twice: this function has the barrier in between.
template <class T>
__device__ __forceinline__ T block_sum(T x, T* scratch) {
  x = warp_sum(x);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) scratch[threadIdx.x / kWarp] = x;
  __syncthreads();
  T total = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) total += scratch[warp];
  return total;
}

__device__ __forceinline__ float block_max(float x, float* scratch) {
  x = warp_max(x);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) scratch[threadIdx.x / kWarp] = x;
  __syncthreads();
  float most = scratch[0];
  for (unsigned warp = 1; warp < blockDim.x / kWarp; ++warp) most = fmaxf(most, scratch[warp]);
  return most;
}

// ---- maps: one vector per thread. Such a kernel is bound by memory; at 8 blocks per
// multiprocessor, 256 threads of 16 or 32 bytes keep enough bytes in flight to cover the latency.

template <int kWidth, class Out, class In, class Function>
__global__ void __launch_bounds__(kBlock) map1_kernel(Out* out, const In* a, int64_t count, Function f) {
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  if (begin + kWidth <= count) {
    float x[kWidth];
    load(x, a + begin);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) x[i] = f(x[i]);
    store(out + begin, x);
  } else {
    for (int64_t i = begin; i < count; ++i) out[i] = narrow<Out>(f(widen(a[i])));
  }
}

template <int kWidth, class T, class Function>
__global__ void __launch_bounds__(kBlock)
    map2_kernel(T* out, const T* a, const T* b, int64_t count, Function f) {
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  if (begin + kWidth <= count) {
    float x[kWidth], y[kWidth];
    load(x, a + begin);
    load(y, b + begin);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) x[i] = f(x[i], y[i]);
    store(out + begin, x);
  } else {
    for (int64_t i = begin; i < count; ++i) out[i] = narrow<T>(f(widen(a[i]), widen(b[i])));
  }
}

/// Changes the element type only.
struct Identity {
  __device__ float operator()(float a) const { return a; }
};

/// out[i] = f(a[i])
template <class Out, class In, class Function>
void map1(Out* out, const In* a, int64_t count, Function f) {
  if (count == 0) return;
  for_width(are_aligned(out, a), [&](auto width) {
    launch(map1_kernel<width, Out, In, Function>, Launch{blocks_for(count, kBlock * width), kBlock}, out, a,
           count, f);
  });
}

/// out[i] = f(a[i], b[i])
template <class T, class Function>
void map2(T* out, const T* a, const T* b, int64_t count, Function f) {
  if (count == 0) return;
  for_width(are_aligned(out, a, b), [&](auto width) {
    launch(map2_kernel<width, T, Function>, Launch{blocks_for(count, kBlock * width), kBlock}, out, a, b,
           count, f);
  });
}

}  // namespace athanor::cuda
