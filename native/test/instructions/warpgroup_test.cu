// Products of a warpgroup, in each layout of their operands, and the exchange of registers.
#include "test/instructions/instruction.h"

namespace athanor::test {
namespace {

using namespace cuda;

#ifdef ATHANOR_SM90A
__device__ __forceinline__ unsigned char* aligned(unsigned char* bytes) {
  return bytes + (1024 - reinterpret_cast<uintptr_t>(bytes) % 1024) % 1024;
}

/// Writes [rows, 64 boxes] as boxes of 64 columns with the 128-byte swizzle.
__device__ __forceinline__ void put_boxes(unsigned char* to, const bf16* from, int rows, int columns) {
  for (int i = static_cast<int>(threadIdx.x); i < rows * columns; i += 128) {
    const int row = i / columns, column = i % columns;
    const int at = row * 128 + ((column % 64 / 8 ^ (row & 7)) * 16) + column % 8 * 2;
    *reinterpret_cast<bf16*>(to + column / 64 * rows * 128 + at) = from[i];
  }
}

/// A thread's part of a product [64, 8 kCount].
template <int kCount>
__device__ __forceinline__ void store(float* out, const float (&d)[kCount][4]) {
  const int thread = static_cast<int>(threadIdx.x), row = thread / 32 * 16 + thread % 32 / 4;
  for (int n = 0; n < kCount; ++n) {
    for (int i = 0; i < 4; ++i) {
      out[(row + i / 2 * 8) * kCount * 8 + n * 8 + thread % 4 * 2 + i % 2] = d[n][i];
    }
  }
}
#endif

/// out [64, 8 kCount] = a [64, 64] b [8 kCount, 64]^T, both in shared memory. `from`: the first of
/// the four steps of 16; the product begins there without what d held.
template <int kCount>
__global__ void rows_product(float* out, const bf16* a, const bf16* b, int from) {
#ifdef ATHANOR_SM90A
  constexpr int kColumns = kCount * 8;
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char *left = aligned(bytes), *right = left + 64 * 128;
  put_boxes(left, a, 64, 64);
  put_boxes(right, b, kColumns, 64);
  proxy_fence();
  __syncthreads();
  float d[kCount][4];
  for (int n = 0; n < kCount; ++n)
    for (int i = 0; i < 4; ++i) d[n][i] = 1e30f;
  wgmma_fence(d);
  for (int step = from; step < 4; ++step) {
    wgmma_rows(d, wgmma_descriptor(left + step * 32, 16, 1024), wgmma_descriptor(right + step * 32, 16, 1024),
               step > from);
  }
  wgmma_commit();
  wgmma_wait<0>(d);
  store(out, d);
#endif
}

template <int kCount>
void expect_rows_product() {
  constexpr int kColumns = kCount * 8;
  const std::vector<bf16> a = small_integers(64 * 64, 1), b = small_integers(kColumns * 64, 2);
  const DeviceArray<bf16> left(a), right(b);
  for (int from : {0, 1, 3}) {
    const std::vector<float> out =
        run_instruction(rows_product<kCount>, 64 * kColumns, {1, 128, 1024 + (64 + kColumns) * 128},
                        static_cast<const bf16*>(left), static_cast<const bf16*>(right), from);
    std::vector<bf16> rest = a;
    for (size_t i = 0; i < rest.size(); ++i) {
      if (static_cast<int>(i % 64) < from * 16) rest[i] = bf16{0};
    }
    EXPECT_CLOSE(out, matrix_product(rest, b, 64, kColumns, 64, true), 0.0);
  }
}

TEST(instruction_wgmma_of_rows_64) {
  if (has_hopper()) expect_rows_product<8>();
}
TEST(instruction_wgmma_of_rows_128) {
  if (has_hopper()) expect_rows_product<16>();
}

/// out [64, 8 kCount] = 1 + a [64, 64] b [64, 8 kCount], a in registers.
template <int kCount>
__global__ void columns_product(float* out, const bf16* a, const bf16* b) {
#ifdef ATHANOR_SM90A
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char* right = aligned(bytes);
  put_boxes(right, b, 64, kCount * 8);
  proxy_fence();
  __syncthreads();
  const int thread = static_cast<int>(threadIdx.x), row = thread / 32 * 16 + thread % 32 / 4;
  float d[kCount][4];
  for (int n = 0; n < kCount; ++n)
    for (int i = 0; i < 4; ++i) d[n][i] = 1.0f;
  uint32_t left[4][4];
  for (int step = 0; step < 4; ++step) {
    for (int i = 0; i < 4; ++i) {
      const bf16* at = a + (row + i % 2 * 8) * 64 + step * 16 + thread % 4 * 2 + i / 2 * 8;
      left[step][i] = static_cast<uint32_t>(at[0].bits) | static_cast<uint32_t>(at[1].bits) << 16;
    }
  }
  wgmma_fence(d, left);
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    wgmma_columns(d, left[step], wgmma_descriptor(right + step * 16 * 128, 64 * 128, 1024));
  }
  wgmma_commit();
  wgmma_wait<0>(d);
  store(out, d);
#endif
}

template <int kCount>
void expect_columns_product() {
  constexpr int kColumns = kCount * 8;
  const std::vector<bf16> a = small_integers(64 * 64, 3), b = small_integers(64 * kColumns, 4);
  const DeviceArray<bf16> left(a), right(b);
  const std::vector<float> out =
      run_instruction(columns_product<kCount>, 64 * kColumns, {1, 128, 1024 + kColumns * 128},
                      static_cast<const bf16*>(left), static_cast<const bf16*>(right));
  std::vector<double> expected = matrix_product(a, b, 64, kColumns, 64, false);
  for (double& x : expected) x += 1;
  EXPECT_CLOSE(out, expected, 0.0);
}

TEST(instruction_wgmma_of_columns_64) {
  if (has_hopper()) expect_columns_product<8>();
}
TEST(instruction_wgmma_of_columns_128) {
  if (has_hopper()) expect_columns_product<16>();
}

/// One warpgroup gives registers up and two others take them, as in attention; all compute on. A
/// block of 384 threads that has a multiprocessor to itself begins with 168 registers per thread.
__global__ void __launch_bounds__(384, 1) registers(float* out) {
#ifdef ATHANOR_SM90A
  const int thread = static_cast<int>(threadIdx.x);
  float sum = static_cast<float>(thread);
  if (thread < 128) {
    give_registers<24>();
    sum += 1;
  } else {
    take_registers<240>();
    sum += 2;
  }
  out[thread] = sum;
#endif
}

TEST(instruction_setmaxnreg) {
  if (!has_hopper()) return;
  const std::vector<float> out = run_instruction(registers, 384, {1, 384});
  for (int i = 0; i < 384; ++i) {
    EXPECT(out[static_cast<size_t>(i)] == static_cast<float>(i + (i < 128 ? 1 : 2)));
  }
}

}  // namespace
}  // namespace athanor::test
