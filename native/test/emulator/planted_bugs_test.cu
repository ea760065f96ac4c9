// Each kernel here has one mistake that real kernels have had, and the test fails where the
// emulator misses it. The same kernel without the mistake must run.
#include "test/check.h"
#include "test/emulator/faults.h"

namespace athanor::test {
namespace {

using namespace cuda;

// ---- barriers

__global__ void barrier_for_half(float* out) {
  if (threadIdx.x < 64) __syncthreads();
  out[threadIdx.x] = 1;
}

TEST(a_barrier_that_half_a_block_skips_deadlocks) {
  const Outcome outcome = run(barrier_for_half, 128, {1, 128});
  EXPECT(outcome.has("deadlock"));
  EXPECT(outcome.has("64 threads wait for __syncthreads at planted_bugs_test.cu"));
  EXPECT(outcome.has("64 have ended"));
  EXPECT(outcome.has("barrier_for_half"));
}

__global__ void two_barriers(float* out) {
  if (threadIdx.x < 64) {
    __syncthreads();
  } else {
    out[threadIdx.x] = 1;
    __syncthreads();
  }
}

TEST(threads_at_two_barriers_diverge) {
  EXPECT(run(two_barriers, 128, {1, 128}).has("divergent __syncthreads"));
}

// ---- warps

__device__ float sum_of_warp(float x) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(kAllLanes, x, lanes);
  return x;
}

__global__ void sum_after_return(float* out, int count) {
  if (static_cast<int>(threadIdx.x) >= count) return;
  out[threadIdx.x] = sum_of_warp(1.0f);
}

TEST(a_shuffle_waits_for_a_lane_that_has_returned) {
  EXPECT(run(sum_after_return, 64, {1, 64}, 40).has("deadlock"));
  const Outcome whole_warps = run(sum_after_return, 64, {1, 64}, 32);
  EXPECT(whole_warps.fault.empty() && whole_warps.sum() == 32 * 32);
}

__global__ void shuffle_outside_of_mask(float* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, 20);
}

TEST(a_shuffle_reads_a_lane_outside_of_its_mask) {
  EXPECT(run(shuffle_outside_of_mask, 32, {1, 32}).has("lane 20, which is not in the mask"));
}

__global__ void product_in_a_branch(float* out) {
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (threadIdx.x & 1) {
    mma_bf16(d, a, b);
  } else {
    mma_bf16(d, a, b);
  }
  out[threadIdx.x] = d[0];
}

TEST(a_matrix_product_in_two_branches_diverges) {
  EXPECT(run(product_in_a_branch, 32, {1, 32}).has("divergent warp operation: mma.sync"));
}

__global__ void misaligned_matrix_load(float* out, int shift) {
  ATHANOR_DYNAMIC_SHARED(bytes);
  for (int i = threadIdx.x; i < 1024; i += 32) bytes[i] = 0;
  __syncthreads();
  uint32_t r[4];
  load_matrices(r, bytes + threadIdx.x * 16 + shift);
  out[threadIdx.x] = static_cast<float>(r[0]);
}

TEST(a_misaligned_matrix_load_is_refused) {
  EXPECT(run(misaligned_matrix_load, 32, {1, 32, 1024}, 8).has("a row of ldmatrix is misaligned"));
  EXPECT(run(misaligned_matrix_load, 32, {1, 32, 1024}, 0).fault.empty());
}

__global__ void load_rows(float* out, int swizzled) {
  ATHANOR_DYNAMIC_SHARED(bytes);
  for (int i = threadIdx.x; i < 32 * 128; i += 32) bytes[i] = 0;
  __syncthreads();
  const int row = static_cast<int>(threadIdx.x), chunk = swizzled ? row & 7 : 0;
  uint32_t r[4];
  load_matrices(r, bytes + row * 128 + chunk * 16);
  out[threadIdx.x] = static_cast<float>(r[0]);
}

TEST(rows_in_the_same_banks_are_counted) {
  const uint64_t before = emulator::stats().bank_conflicts;
  EXPECT(run(load_rows, 32, {1, 32, 32 * 128}, 1).fault.empty());
  EXPECT(emulator::stats().bank_conflicts == before);
  EXPECT(run(load_rows, 32, {1, 32, 32 * 128}, 0).fault.empty());
  EXPECT(emulator::stats().bank_conflicts == before + 4 * 7);
}

// ---- races

__global__ void mirror(float* out, int synchronised) {
  ATHANOR_SHARED(float, values, [128]);
  values[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (synchronised) __syncthreads();
  out[threadIdx.x] = values[127 - threadIdx.x];
}

TEST(a_missing_barrier_is_a_race) {
  const Outcome racy = run(mirror, 128, {1, 128}, 0);
  EXPECT(emulator::detects_races() ? racy.has("memory race") : racy.sum() != 127 * 64);
  const Outcome good = run(mirror, 128, {1, 128}, 1);
  EXPECT(good.fault.empty() && good.sum() == 127 * 64);
}

__global__ void swap_neighbours(float* out, int synchronised) {
  ATHANOR_SHARED(float, values, [32]);
  values[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (synchronised) __syncwarp();
  out[threadIdx.x] = values[threadIdx.x ^ 1];
}

TEST(a_missing_syncwarp_is_a_race) {
  const Outcome racy = run(swap_neighbours, 32, {1, 32}, 0);
  EXPECT(emulator::detects_races() ? racy.has("memory race") : racy.sum() != 31 * 16);
  const Outcome good = run(swap_neighbours, 32, {1, 32}, 1);
  EXPECT(good.fault.empty() && good.sum() == 31 * 16);
}

__global__ void add_without_atomic(float* out) { out[0] += 1; }
__global__ void add_atomically(float* out) { atomicAdd(out, 1.0f); }

TEST(blocks_that_add_to_one_float_race) {
  if (emulator::detects_races()) EXPECT(run(add_without_atomic, 1, {4, 1}).has("global memory race"));
  const Outcome good = run(add_atomically, 1, {4, 32});
  EXPECT(good.fault.empty() && good.sum() == 128);
}

/// Two tiles in turn: a tile may be overwritten only when everyone has read it.
__global__ void double_buffer(float* out, const float* in, int tiles, int last_barrier) {
  ATHANOR_SHARED(float, tile, [2][64]);
  const int i = static_cast<int>(threadIdx.x);
  float sum = 0;
  tile[0][i] = in[i];
  for (int t = 0; t < tiles; ++t) {
    if (t + 1 < tiles) tile[(t + 1) % 2][i] = in[(t + 1) * 64 + i];
    __syncthreads();
    sum += tile[t % 2][63 - i];
    if (last_barrier) __syncthreads();
  }
  out[i] = sum;
}

TEST(a_double_buffer_without_its_last_barrier_races) {
  auto* in = static_cast<float*>(device_allocate(64 * 5 * sizeof(float)));
  for (int i = 0; i < 64 * 5; ++i) in[i] = static_cast<float>(i);
  if (emulator::detects_races()) {
    EXPECT(run(double_buffer, 64, {1, 64}, static_cast<const float*>(in), 5, 0).has("memory race"));
  }
  const Outcome good = run(double_buffer, 64, {1, 64}, static_cast<const float*>(in), 5, 1);
  EXPECT(good.fault.empty() && good.sum() == 319 * 320 / 2);
  device_free(in, 64 * 5 * sizeof(float));
}

// ---- memory

__global__ void read_one_too_many(float* out) {
  ATHANOR_SHARED(float, values, [64]);
  if (threadIdx.x < 31) values[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}

TEST(shared_memory_that_nobody_wrote_is_nan) {
  EXPECT(std::isnan(run(read_one_too_many, 32, {1, 32}).sum()));
}

__global__ void write_static(float* out, int shift) {
  ATHANOR_SHARED(float, values, [32]);
  values[static_cast<int>(threadIdx.x) + shift] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}
__global__ void write_dynamic(float* out, int shift) {
  ATHANOR_DYNAMIC_SHARED(bytes);
  auto* values = reinterpret_cast<float*>(bytes);
  values[static_cast<int>(threadIdx.x) + shift] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}
__global__ void write_global(float* out, int shift) { out[static_cast<int>(threadIdx.x) + shift] = 1; }

template <class Kernel>
void expect_bounds_checked(Kernel kernel, size_t shared_bytes) {
  EXPECT(run(kernel, 32, {1, 32, shared_bytes}, 0).fault.empty());
  if (kAddressSanitized) EXPECT(dies([=] { run(kernel, 32, {1, 32, shared_bytes}, 1); }));
  if (emulator::detects_races()) EXPECT(run(kernel, 32, {1, 32, shared_bytes}, 1).has("out of bounds"));
}

TEST(a_write_past_a_shared_array_is_found) { expect_bounds_checked(write_static, 0); }
TEST(a_write_past_dynamic_shared_memory_is_found) { expect_bounds_checked(write_dynamic, 128); }
TEST(a_write_past_an_allocation_is_found) { expect_bounds_checked(write_global, 0); }

__global__ void load_vector(float* out, int shift) {
  const float4 v = *reinterpret_cast<float4*>(out + shift);
  out[0] = v.x + v.w;
}

TEST(a_misaligned_vector_load_is_found) {
  EXPECT(run(load_vector, 32, {1, 1}, 4).fault.empty());
  if (kAddressSanitized) EXPECT(dies([] { run(load_vector, 32, {1, 1}, 1); }));
}

TEST(a_block_that_wants_too_much_shared_memory_is_refused) {
  EXPECT(run(write_dynamic, 32, {1, 32, 300000}, 0).has("300000 bytes of 232448"));
}

// ---- asynchronous copies

__global__ void copy_through_shared(float* out, const float* in, int waits) {
  ATHANOR_DYNAMIC_SHARED(bytes);
  copy_async_16(bytes + threadIdx.x * 16, in + threadIdx.x * 4);
  copy_async_commit();
  if (waits) copy_async_wait<0>();
  __syncthreads();
  out[threadIdx.x] = reinterpret_cast<float*>(bytes)[threadIdx.x];
}

TEST(a_copy_that_nobody_waits_for_has_not_landed) {
  if (!emulator::options().async_late) return;
  auto* in = static_cast<float*>(device_allocate(128 * sizeof(float)));
  for (int i = 0; i < 128; ++i) in[i] = 1;
  const Outcome early = run(copy_through_shared, 32, {1, 32, 512}, static_cast<const float*>(in), 0);
  EXPECT(!early.fault.empty() || std::isnan(early.sum()));
  const Outcome good = run(copy_through_shared, 32, {1, 32, 512}, static_cast<const float*>(in), 1);
  EXPECT(good.fault.empty() && good.sum() == 32);
  device_free(in, 128 * sizeof(float));
}

}  // namespace
}  // namespace athanor::test
