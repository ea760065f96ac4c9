// nvcc's side of cuda/gpu.h. A wrong operand order or constraint in this file is the one kind of
// mistake that the emulator cannot see: test changes on hardware first.
#pragma once

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "core/dtype.h"
#include "core/error.h"
#include "cuda/memory.h"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define ATHANOR_SM90 1  // mbarrier, bulk copies
#endif
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define ATHANOR_SM90A 1  // wgmma
#endif

#define ATHANOR_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
// 128 bytes are enough for all but tensor copies, which align by hand. A larger alignment would pad
// the static arrays of every kernel in the file.
#define ATHANOR_DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]

namespace athanor::cuda {

constexpr bool kIsEmulated = false;

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(bf16 x) {
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
}
template <class T>
__device__ __forceinline__ T narrow(float x);
template <>
__device__ __forceinline__ float narrow<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ bf16 narrow<bf16>(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return static_cast<uint32_t>(__bfloat16_as_ushort(pair.x)) |
         static_cast<uint32_t>(__bfloat16_as_ushort(pair.y)) << 16;
}

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

/// The lane, read again: addresses that depend on it are computed again and take no
/// registers in between.
__device__ __forceinline__ int lane_again() {
  int lane;
  asm volatile("mov.u32 %0, %%laneid;\n" : "=r"(lane));
  return lane;
}

/// 2^x within 2 units of the last place; results below 2^-126 are 0. One instruction, where
/// exp2f takes four.
__device__ __forceinline__ float exp2_approximate(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

/// Copies 16 bytes to shared memory without registers; the bytes from source_bytes on are zeros.
__device__ __forceinline__ void copy_async_16(void* to, const void* from, int source_bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(to)),
               "l"(__cvta_generic_to_global(from)), "r"(source_bytes)
               : "memory");
}
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
template <int kGroupsLeft>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kGroupsLeft) : "memory");
}
__device__ __forceinline__ void named_barrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;\n" ::"r"(id), "r"(threads) : "memory");
}

/// Throws the error of a CUDA call; `what` names the call.
void check_cuda(cudaError_t status, const char* what);
/// To be called after a launch: notes which operation queued it, and throws if the launch failed.
void check_launch();
cudaStream_t current_stream();

template <class... Parameters, class... Arguments, class LaunchShape>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument a parameter of the kernel");
  // A kernel has 48 KiB of shared memory; more must be requested.
  if (shape.shared_bytes > 48 * 1024) {
    check_cuda(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                    cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(shape.shared_bytes)),
               "shared memory");
  }
  kernel<<<shape.grid, shape.block, shape.shared_bytes, current_stream()>>>(
      static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  check_launch();
}

}  // namespace athanor::cuda
