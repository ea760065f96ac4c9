// Hopper's barriers and copies.
#include "test/instructions/instruction.h"

namespace athanor::test {
namespace {

using namespace cuda;

/// Warp 1 waits for each of ten phases, which warp 0 completes: 32 arrivals each.
__global__ void phases(float* out) {
#ifdef ATHANOR_SM90
  ATHANOR_SHARED(uint64_t, barriers, [2]);
  ATHANOR_SHARED(int, number, );
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    mbarrier_init(barriers, 32);
    mbarrier_init(barriers + 1, 32);
    mbarrier_fence_init();
  }
  __syncthreads();
  for (unsigned round = 0; round < 10; ++round) {
    if (thread < 32) {
      if (round > 0) mbarrier_wait(barriers + 1, (round - 1) & 1);
      if (thread == 0) number = static_cast<int>(round * round);
      __syncwarp();
      mbarrier_arrive(barriers);
    } else {
      mbarrier_wait(barriers, round & 1);
      out[thread - 32] += static_cast<float>(number);
      mbarrier_arrive(barriers + 1);
    }
  }
#endif
}

TEST(instruction_mbarrier) {
  if (!has_hopper()) return;
  for (float x : run_instruction(phases, 32, {1, 64})) EXPECT(x == 285.0f);
}

/// Copies of 16 to 4096 bytes, one after another, each awaited at one barrier.
__global__ void bulk(float* out, const float* in, int count) {
#ifdef ATHANOR_SM90
  ATHANOR_DYNAMIC_SHARED(bytes);
  auto* barrier = reinterpret_cast<uint64_t*>(bytes + count * 4);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    mbarrier_init(barrier, 1);
    mbarrier_fence_init();
  }
  __syncthreads();
  unsigned round = 0;
  for (int begin = 0, part = 4; begin < count; begin += part, part *= 2, ++round) {
    const int length = part < count - begin ? part : count - begin;
    if (thread == 0) {
      mbarrier_arrive_expect(barrier, static_cast<unsigned>(length) * 4);
      bulk_copy(bytes + begin * 4, in + begin, static_cast<unsigned>(length) * 4, barrier);
    }
    mbarrier_wait(barrier, round & 1);
  }
  for (int i = thread; i < count; i += 32) out[i] = reinterpret_cast<const float*>(bytes)[i];
#endif
}

TEST(instruction_bulk_copy) {
  if (!has_hopper()) return;
  const std::vector<float> values = normals(2044, 1);
  const DeviceArray<float> in(values);
  const std::vector<float> out =
      run_instruction(bulk, values.size(), {1, 32, values.size() * 4 + 16}, static_cast<const float*>(in),
                      static_cast<int>(values.size()));
  EXPECT_CLOSE(out, values, 0.0);
}

constexpr int kBoxRows = 40;

/// Copies a box of 64 columns and reads it back through the 128-byte swizzle.
__global__ void boxed(float* out, const __grid_constant__ TensorMap map, int column, int row) {
#ifdef ATHANOR_SM90
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char* tile = bytes + (1024 - reinterpret_cast<uintptr_t>(bytes) % 1024) % 1024;
  auto* barrier = reinterpret_cast<uint64_t*>(tile + kBoxRows * 128);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    mbarrier_init(barrier, 1);
    mbarrier_fence_init();
    mbarrier_arrive_expect(barrier, kBoxRows * 128);
    tensor_copy(tile, &map, column, row, barrier);
  }
  __syncthreads();
  mbarrier_wait(barrier, 0);
  for (int i = thread; i < kBoxRows * 64; i += 32) {
    const int r = i / 64, c = i % 64;
    out[i] = widen(*reinterpret_cast<const bf16*>(tile + r * 128 + ((c / 8 ^ (r & 7)) * 16) + c % 8 * 2));
  }
#endif
}

/// At the edges of the matrix the box has zeros.
TEST(instruction_tensor_copy) {
  if (!has_hopper()) return;
  constexpr int kRows = 70, kColumns = 104;
  const std::vector<bf16> values = small_integers(kRows * kColumns, 2);
  const DeviceArray<bf16> in(values);
  const TensorMap map =
      make_tensor_map(static_cast<bf16*>(in), kColumns, kRows, kColumns * sizeof(bf16), kBoxRows);
  struct Place {
    int column, row;
  };
  for (const Place& place : {Place{0, 0}, Place{64, 33}, Place{8, 40}, Place{-8, -3}}) {
    const std::vector<float> out = run_instruction(boxed, kBoxRows * 64, {1, 32, 1024 + kBoxRows * 128 + 16},
                                                   map, place.column, place.row);
    std::vector<double> expected(out.size());
    for (int i = 0; i < kBoxRows * 64; ++i) {
      const int r = place.row + i / 64, c = place.column + i % 64;
      if (r < 0 || r >= kRows || c < 0 || c >= kColumns) continue;
      expected[static_cast<size_t>(i)] = to_float(values[static_cast<size_t>(r * kColumns + c)]);
    }
    EXPECT_CLOSE(out, expected, 0.0);
  }
}

}  // namespace
}  // namespace athanor::test
