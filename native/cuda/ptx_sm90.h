// Hopper's instructions: barriers in shared memory, bulk and tensor copies, matrix products of a
// warpgroup. Descriptors and the layouts behind them are those of the PTX manual's "asynchronous
// warpgroup level matrix instructions", with 128-byte swizzling throughout.
#pragma once

#include "cuda/ptx.h"

namespace athanor::cuda {

/// A bf16 matrix that tensor copies take boxes of 64 columns from, 128-byte swizzled.
using TensorMap = CUtensorMap;
TensorMap make_tensor_map(const void* base, uint64_t columns, uint64_t rows, uint64_t stride_bytes,
                          uint32_t box_rows);

#ifdef ATHANOR_SM90
__device__ __forceinline__ void mbarrier_init(uint64_t* barrier, unsigned count) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;\n" ::"r"(shared_address(barrier)), "r"(count) : "memory");
}
__device__ __forceinline__ void mbarrier_fence_init() {
  asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;\n" ::: "memory");
}
__device__ __forceinline__ void mbarrier_arrive(uint64_t* barrier) {
  asm volatile("{ .reg .b64 t; mbarrier.arrive.shared.b64 t, [%0]; }\n" ::"r"(shared_address(barrier))
               : "memory");
}
__device__ __forceinline__ void mbarrier_arrive_expect(uint64_t* barrier, unsigned bytes) {
  asm volatile(
      "{ .reg .b64 t; mbarrier.arrive.expect_tx.shared.b64 t, [%0], %1; }\n" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}
__device__ __forceinline__ void mbarrier_wait(uint64_t* barrier, unsigned parity) {
  uint32_t done;
  do {
    asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }\n"
                 : "=r"(done)
                 : "r"(shared_address(barrier)), "r"(parity)
                 : "memory");
  } while (!done);
}
/// Makes this thread's earlier writes to shared memory visible to wgmma and copies after
/// the next barrier.
__device__ __forceinline__ void proxy_fence() {
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
}
__device__ __forceinline__ void bulk_copy(void* to, const void* from, unsigned bytes, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];\n" ::"r"(
          shared_address(to)),
      "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
}
__device__ __forceinline__ void tensor_copy(void* to, const TensorMap* map, int column, int row,
                                            uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], "
      "[%4];\n" ::"r"(shared_address(to)),
      "l"(map), "r"(column), "r"(row), "r"(shared_address(barrier))
      : "memory");
}
/// A tile of rows of 128 bytes that begins at a multiple of 1024 bytes, plus 32 bytes for each 16
/// columns to skip. Eight rows are `stride_bytes` from the next eight. `leading_bytes`: from 64
/// columns to the next 64, where rows are summed over.
__device__ __forceinline__ uint64_t wgmma_descriptor(const void* tile, uint32_t leading_bytes,
                                                     uint32_t stride_bytes) {
  return static_cast<uint64_t>(shared_address(tile) >> 4 & 0x3fff) |
         static_cast<uint64_t>(leading_bytes >> 4) << 16 | static_cast<uint64_t>(stride_bytes >> 4) << 32 |
         uint64_t{1} << 62;
}
#endif

#ifdef ATHANOR_SM90A
/// All four warps of a warpgroup take more registers per thread, or give up all but these.
template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(kRegisters));
}

/// Keeps the compiler from moving uses of registers across this place: it does not know that
/// products still run.
template <class T, int kCount>
__device__ __forceinline__ void pin_registers(T (&r)[kCount][4]) {
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if constexpr (sizeof(T) == sizeof(float) && std::is_floating_point_v<T>) {
        asm volatile("" : "+f"(r[n][i])::"memory");
      } else {
        asm volatile("" : "+r"(r[n][i])::"memory");
      }
    }
  }
}
/// Needed between the last use of a product's registers and its start, and after every wait.
template <class... Arrays>
__device__ __forceinline__ void wgmma_fence(Arrays&... registers) {
  (pin_registers(registers), ...);
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}
/// Waits until only the last kGroupsLeft commits still run. `d` can be read afterwards.
template <int kGroupsLeft, int kCount>
__device__ __forceinline__ void wgmma_wait(float (&d)[kCount][4]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(kGroupsLeft) : "memory");
  pin_registers(d);
}

#define ATHANOR_OUT(n) "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])
#define ATHANOR_OUT8(n)                                                                           \
  ATHANOR_OUT(n), ATHANOR_OUT(n + 1), ATHANOR_OUT(n + 2), ATHANOR_OUT(n + 3), ATHANOR_OUT(n + 4), \
      ATHANOR_OUT(n + 5), ATHANOR_OUT(n + 6), ATHANOR_OUT(n + 7)

/// d [64, 64] (+)= a [64, 16] b [64, 16]^T, both in shared memory.
__device__ __forceinline__ void wgmma_rows(float (&d)[8][4], uint64_t a, uint64_t b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %34, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"
      "%25,%26,%27,%28,%29,%30,%31}, %32, %33, p, 1, 1, 0, 0; }\n"
      : ATHANOR_OUT8(0)
      : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));
}
/// d [64, 64] += a [64, 16] b [16, 64], a in registers as mma.sync takes it, warp w with rows 16 w
/// to 16 w + 15.
__device__ __forceinline__ void wgmma_columns(float (&d)[8][4], const uint32_t (&a)[4], uint64_t b) {
  asm volatile(
      "{ .reg .pred p; setp.eq.b32 p, 0, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"
      "%25,%26,%27,%28,%29,%30,%31}, {%32,%33,%34,%35}, %36, p, 1, 1, 1; }\n"
      : ATHANOR_OUT8(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

/// d [64, 128] (+)= a [64, 16] b [128, 16]^T, both in shared memory.
__device__ __forceinline__ void wgmma_rows(float (&d)[16][4], uint64_t a, uint64_t b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"
      "%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
      "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, %64, %65, p, 1, 1, 0, 0; }\n"
      : ATHANOR_OUT8(0), ATHANOR_OUT8(8)
      : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));
}
/// d [64, 128] += a [64, 16] b [16, 128], a in registers as mma.sync takes it, warp w with rows 16
/// w to 16 w + 15.
__device__ __forceinline__ void wgmma_columns(float (&d)[16][4], const uint32_t (&a)[4], uint64_t b) {
  asm volatile(
      "{ .reg .pred p; setp.eq.b32 p, 0, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"
      "%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
      "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, {%64,%65,%66,%67}, %68, p, 1, 1, 1; "
      "}\n"
      : ATHANOR_OUT8(0), ATHANOR_OUT8(8)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
#undef ATHANOR_OUT8
#undef ATHANOR_OUT
#endif

}  // namespace athanor::cuda
