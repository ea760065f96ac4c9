// The wrappers of cuda/ptx.h, emulated.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "core/dtype.h"
#include "cuda/memory.h"
#include "emulator/tensor_core.h"
#include "emulator/warp.h"

// Features of sm_90 and sm_90a that kernels ask for.
#define ATHANOR_SM90 1
#define ATHANOR_SM90A 1

namespace athanor::cuda {

constexpr bool kIsEmulated = true;

inline float widen(float x) { return x; }
inline float widen(bf16 x) { return to_float(x); }
template <class T>
T narrow(float x) {
  return from_float<T>(x);
}
/// Two bf16 in a register, `low` first in memory.
inline uint32_t pack_bf16(float low, float high) {
  return from_float<bf16>(low).bits | static_cast<uint32_t>(from_float<bf16>(high).bits) << 16;
}

inline int lane_again() { return static_cast<int>(emulator::self->lane); }

inline float exp2_approximate(float x) {
  const float y = std::exp2(x);
  return y < 1.17549435e-38f ? 0.0f : y;
}

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], ATHANOR_SITE) {
  emulator::MatrixProductArgument argument{d, a, b};
  emulator::warp_operation(emulator::WarpKind::kMatrixProduct, "mma.sync", 0xffffffffu, &argument,
                           emulator::run_matrix_product, true, site);
}
inline void load_matrices(uint32_t (&registers)[4], const void* row, ATHANOR_SITE) {
  emulator::matrix_load(registers, row, 4, false, site);
}
inline void load_matrices_transposed(uint32_t (&registers)[4], const void* row, ATHANOR_SITE) {
  emulator::matrix_load(registers, row, 4, true, site);
}

inline void copy_async_16(void* to, const void* from, int source_bytes = 16, ATHANOR_SITE) {
  emulator::check_shared(to, 16, 16, "the target of cp.async", site);
  if (source_bytes != 0 && reinterpret_cast<uintptr_t>(from) % 16 != 0) {
    return emulator::fail("the source of cp.async is not a multiple of 16", site);
  }
  emulator::async_copy(to, from, 16, static_cast<unsigned>(source_bytes), site);
}
inline void copy_async_commit() { emulator::async_commit(); }
template <int kGroupsLeft>
void copy_async_wait() {
  emulator::async_wait(kGroupsLeft);
}

inline void named_barrier(int id, int threads, ATHANOR_SITE) {
  emulator::barrier(id, static_cast<unsigned>(threads), site);
}
inline void mbarrier_init(uint64_t* barrier, unsigned count, ATHANOR_SITE) {
  emulator::mbarrier_init(barrier, count, site);
}
inline void mbarrier_fence_init() { emulator::proxy_fence(); }
inline void proxy_fence() { emulator::proxy_fence(); }
inline void mbarrier_arrive(uint64_t* barrier, ATHANOR_SITE) { emulator::mbarrier_arrive(barrier, site); }
inline void mbarrier_arrive_expect(uint64_t* barrier, unsigned bytes, ATHANOR_SITE) {
  emulator::mbarrier_expect(barrier, bytes, site);
  emulator::mbarrier_arrive(barrier, site);
}
inline void mbarrier_wait(uint64_t* barrier, unsigned parity, ATHANOR_SITE) {
  emulator::mbarrier_wait(barrier, parity, site);
}
inline void bulk_copy(void* to, const void* from, unsigned bytes, uint64_t* barrier, ATHANOR_SITE) {
  emulator::bulk_copy({to, from, bytes, barrier, {}, 0, 0}, site);
}

using TensorMap = emulator::TensorView;
inline TensorMap make_tensor_map(const void* base, uint64_t columns, uint64_t rows, uint64_t stride_bytes,
                                 uint32_t box_rows) {
  if (stride_bytes % 16 != 0 || reinterpret_cast<uintptr_t>(base) % 16 != 0) {
    emulator::fail("a tensor map takes bases and strides that are multiples of 16", {});
  }
  return {static_cast<const unsigned char*>(base), columns, rows, stride_bytes, 64, box_rows};
}
inline void tensor_copy(void* to, const TensorMap* map, int column, int row, uint64_t* barrier,
                        ATHANOR_SITE) {
  const unsigned bytes = map->box_columns * map->box_rows * 2;
  emulator::bulk_copy({to, nullptr, bytes, barrier, *map, column, row}, site);
}

inline uint64_t wgmma_descriptor(const void* tile, uint32_t leading_bytes, uint32_t stride_bytes) {
  return static_cast<uint64_t>(emulator::shared_offset(tile) >> 4 & 0x3fff) |
         static_cast<uint64_t>(leading_bytes >> 4) << 16 | static_cast<uint64_t>(stride_bytes >> 4) << 32 |
         uint64_t{1} << 62;
}
template <int kRegisters>
void take_registers(ATHANOR_SITE) {
  emulator::set_registers(kRegisters, true, site);
}
template <int kRegisters>
void give_registers(ATHANOR_SITE) {
  emulator::set_registers(kRegisters, false, site);
}
inline void wgmma_fence(ATHANOR_SITE) { emulator::warpgroup_fence(site); }
template <class T, int kCount>
void wgmma_fence(T (&)[kCount][4], ATHANOR_SITE) {
  emulator::warpgroup_fence(site);
}
template <class T, int kCount, class U, int kOther>
void wgmma_fence(T (&)[kCount][4], U (&)[kOther][4], ATHANOR_SITE) {
  emulator::warpgroup_fence(site);
}
inline void wgmma_commit(ATHANOR_SITE) { emulator::warpgroup_commit(site); }
template <int kGroupsLeft, int kCount>
void wgmma_wait(float (&)[kCount][4], ATHANOR_SITE) {
  emulator::warpgroup_wait(kGroupsLeft, site);
}
template <int kCount>
void wgmma_rows(float (&d)[kCount][4], uint64_t a, uint64_t b, bool accumulate, ATHANOR_SITE) {
  emulator::warpgroup_product({d[0], nullptr, a, b, kCount * 8, false, accumulate}, site);
}
template <int kCount>
void wgmma_columns(float (&d)[kCount][4], const uint32_t (&a)[4], uint64_t b, ATHANOR_SITE) {
  emulator::warpgroup_product({d[0], a, 0, b, kCount * 8, true, true}, site);
}

/// A launch is finished when it returns, so there is no stream.
inline void* current_stream() { return nullptr; }

template <class... Parameters, class... Arguments, class LaunchShape>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument a parameter of the kernel");
  static_assert((std::is_trivially_copyable_v<std::decay_t<Parameters>> && ...), "parameters go by value");
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<std::decay_t<Parameters>...> arguments;
  } call{kernel, {static_cast<Parameters>(std::forward<Arguments>(arguments))...}};
  emulator::launch(
      reinterpret_cast<const void*>(kernel), shape.grid, shape.block, shape.shared_bytes,
      [](void* p) {
        auto& c = *static_cast<Call*>(p);
        std::apply(c.kernel, c.arguments);
      },
      &call, sizeof call);
}

}  // namespace athanor::cuda
