// The features of sm_90 in their two usual shapes: a ring of bulk copies between one producer
// and four consumer warps, and a matrix product fed by tensor copies. Each also runs with a
// step left out.
#include <random>

#include "test/check.h"
#include "test/emulator/faults.h"

namespace athanor::test {
namespace {

using namespace cuda;

std::vector<float> normals(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& x : out) x = normal(engine);
  return out;
}

enum class Omit { kNothing, kWait, kSyncwarp };

constexpr int kTile = 512, kStages = 3;

/// out[i] = the sum over tiles of in[tile * kTile + i].
__global__ void ring_sum(float* out, const float* in, int tiles, Omit omit) {
  ATHANOR_DYNAMIC_SHARED(bytes);
  auto* full = reinterpret_cast<uint64_t*>(bytes + kStages * kTile * 4);
  uint64_t* empty = full + kStages;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      mbarrier_init(full + stage, 1);
      mbarrier_init(empty + stage, 4);
    }
    mbarrier_fence_init();
  }
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  if (warp == 4) {
    for (int t = 0; lane == 0 && t < tiles; ++t) {
      const int stage = t % kStages;
      mbarrier_wait(empty + stage, static_cast<unsigned>(t / kStages + 1) & 1);
      mbarrier_arrive_expect(full + stage, kTile * 4);
      bulk_copy(bytes + stage * kTile * 4, in + t * kTile, kTile * 4, full + stage);
    }
    return;
  }
  float sum[kTile / 128] = {};
  for (int t = 0; t < tiles; ++t) {
    const int stage = t % kStages;
    if (omit != Omit::kWait) mbarrier_wait(full + stage, static_cast<unsigned>(t / kStages) & 1);
    const auto* tile = reinterpret_cast<const float*>(bytes + stage * kTile * 4);
    for (int i = 0; i < kTile / 128; ++i) sum[i] += tile[i * 128 + threadIdx.x];
    if (omit != Omit::kSyncwarp) __syncwarp();
    if (lane == 0) mbarrier_arrive(empty + stage);
  }
  for (int i = 0; i < kTile / 128; ++i) out[i * 128 + threadIdx.x] = sum[i];
}

Outcome run_ring(Omit omit, std::vector<double>* reference) {
  constexpr int kTiles = 7;
  const std::vector<float> values = normals(kTiles * kTile, 1);
  reference->assign(kTile, 0.0);
  for (int i = 0; i < kTiles * kTile; ++i) (*reference)[i % kTile] += values[i];
  const Scratch in(values.size() * sizeof(float));
  copy_to_device(in.as<float>(), values.data(), values.size() * sizeof(float));
  const Launch shape{1, 160, kStages * kTile * 4 + 2 * kStages * 8};
  return run(ring_sum, kTile, shape, static_cast<const float*>(in.as<float>()), kTiles, omit);
}

TEST(a_ring_of_bulk_copies_sums) {
  std::vector<double> reference;
  const Outcome good = run_ring(Omit::kNothing, &reference);
  EXPECT(good.fault.empty());
  EXPECT_CLOSE(good.out, reference, 1e-6);
}

TEST(a_ring_that_does_not_wait_is_caught) {
  std::vector<double> reference;
  const Outcome racy = run_ring(Omit::kWait, &reference);
  EXPECT(!racy.fault.empty() || relative_error(racy.out, reference) > 1e-3);
}

TEST(a_ring_that_releases_a_stage_too_early_is_a_race) {
  std::vector<double> reference;
  const Outcome racy = run_ring(Omit::kSyncwarp, &reference);
  if (emulator::detects_races()) EXPECT(racy.has("memory race"));
}

/// Two copies, each with its barrier; only the second is waited for, and the first is read.
__global__ void wait_for_the_other(float* out, const float* in, int waits_for_both) {
  ATHANOR_DYNAMIC_SHARED(bytes);
  auto* barriers = reinterpret_cast<uint64_t*>(bytes + 2 * 128);
  if (threadIdx.x == 0) {
    for (int i = 0; i < 2; ++i) mbarrier_init(barriers + i, 1);
    mbarrier_fence_init();
    for (int i = 0; i < 2; ++i) {
      mbarrier_arrive_expect(barriers + i, 128);
      bulk_copy(bytes + i * 128, in + i * 32, 128, barriers + i);
    }
  }
  __syncthreads();
  if (waits_for_both) mbarrier_wait(barriers, 0);
  mbarrier_wait(barriers + 1, 0);
  out[threadIdx.x] = reinterpret_cast<float*>(bytes)[threadIdx.x];
}

TEST(copies_need_not_land_in_their_order) {
  if (!emulator::options().async_late) return;
  const Scratch in(64 * sizeof(float));
  const std::vector<float> ones(64, 1.0f);
  copy_to_device(in.as<float>(), ones.data(), 64 * sizeof(float));
  const auto run_with = [&](int waits_for_both) {
    return run(wait_for_the_other, 32, {1, 32, 2 * 128 + 16}, static_cast<const float*>(in.as<float>()),
               waits_for_both);
  };
  EXPECT(std::isnan(run_with(0).sum()) || !run_with(0).fault.empty());
  EXPECT(run_with(1).fault.empty() && run_with(1).sum() == 32);
}

constexpr int kTileBytes = 64 * 64 * 2;

/// out [m, n] = a [m, k] b [n, k]^T in tiles of 64 x 64, a producer warp and one warpgroup.
__global__ void tensor_product(float* out, const TensorMap a, const TensorMap b, int m, int n, int k) {
#ifdef ATHANOR_SM90A
  ATHANOR_DYNAMIC_SHARED(bytes);
  auto* full = reinterpret_cast<uint64_t*>(bytes + 2 * 2 * kTileBytes);
  uint64_t* empty = full + 2;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < 2; ++stage) {
      mbarrier_init(full + stage, 1);
      mbarrier_init(empty + stage, 1);
    }
    mbarrier_fence_init();
  }
  __syncthreads();
  const int tiles = (k + 63) / 64, row = static_cast<int>(blockIdx.y) * 64,
            column = static_cast<int>(blockIdx.x) * 64;
  if (threadIdx.x >= 128) {
    for (int t = 0; threadIdx.x == 128 && t < tiles; ++t) {
      const int stage = t % 2;
      unsigned char* tile = bytes + stage * 2 * kTileBytes;
      mbarrier_wait(empty + stage, static_cast<unsigned>(t / 2 + 1) & 1);
      mbarrier_arrive_expect(full + stage, 2 * kTileBytes);
      tensor_copy(tile, &a, t * 64, row, full + stage);
      tensor_copy(tile + kTileBytes, &b, t * 64, column, full + stage);
    }
    return;
  }
  float d[8][4] = {};
  for (int t = 0; t < tiles; ++t) {
    const int stage = t % 2;
    const unsigned char* tile = bytes + stage * 2 * kTileBytes;
    mbarrier_wait(full + stage, static_cast<unsigned>(t / 2) & 1);
    wgmma_fence(d);
    for (int step = 0; step < 4; ++step) {
      wgmma_rows(d, wgmma_descriptor(tile + step * 32, 16, 1024),
                 wgmma_descriptor(tile + kTileBytes + step * 32, 16, 1024), true);
    }
    wgmma_commit();
    wgmma_wait<0>(d);
    if (threadIdx.x == 0) mbarrier_arrive(empty + stage);
  }
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  for (int i = 0; i < 32; ++i) {
    const int r = row + warp * 16 + lane / 4 + i / 2 % 2 * 8, c = column + i / 4 * 8 + lane % 4 * 2 + i % 2;
    if (r < m && c < n) out[r * n + c] = d[i / 4][i % 4];
  }
#endif
}

TEST(a_product_of_tensor_copies_and_wgmma) {
  constexpr int kM = 100, kN = 72, kK = 200;
  std::vector<bf16> a(kM * kK), b(kN * kK);
  const std::vector<float> values = normals(a.size() + b.size(), 2);
  for (size_t i = 0; i < a.size(); ++i) a[i] = from_float<bf16>(values[i]);
  for (size_t i = 0; i < b.size(); ++i) b[i] = from_float<bf16>(values[a.size() + i]);
  std::vector<double> reference(kM * kN);
  for (int i = 0; i < kM; ++i)
    for (int j = 0; j < kN; ++j)
      for (int t = 0; t < kK; ++t)
        reference[i * kN + j] += static_cast<double>(to_float(a[i * kK + t])) * to_float(b[j * kK + t]);
  const Scratch da(a.size() * 2), db(b.size() * 2);
  copy_to_device(da.as<bf16>(), a.data(), a.size() * 2);
  copy_to_device(db.as<bf16>(), b.data(), b.size() * 2);
  const Outcome outcome = run(tensor_product, kM * kN, {dim3(2, 2), 160, 2 * 2 * kTileBytes + 4 * 8},
                              make_tensor_map(da.as<bf16>(), kK, kM, kK * 2, 64),
                              make_tensor_map(db.as<bf16>(), kK, kN, kK * 2, 64), kM, kN, kK);
  EXPECT(outcome.fault.empty());
  EXPECT_CLOSE(outcome.out, reference, 1e-6);
}

}  // namespace
}  // namespace athanor::test
