// The warpgroup's products with one operand in registers and the other read along its rows, and the
// faults where one of their required steps is left out.
#include "test/check.h"
#include "test/cuda/arrays.h"
#include "test/emulator/faults.h"

namespace athanor::test {
namespace {

using namespace cuda;

enum class Omit { kNothing, kFence, kProxyFence, kWait, kWaitBeforeOverwrite };

constexpr int kRows = 64, kInner = 64, kBoxBytes = kInner * 128;

/// out [64, 8 kCount] = a [64, 64] b [64, 8 kCount], b in boxes of 64 columns, written by
/// the threads themselves.
template <int kCount>
__global__ void product_from_registers(float* out, const bf16* a, const bf16* b, Omit omit) {
#ifdef ATHANOR_SM90A
  constexpr int kColumns = kCount * 8;
  ATHANOR_DYNAMIC_SHARED(bytes);
  const auto put = [&](int i, bf16 value) {
    const int row = i / kColumns, column = i % kColumns;
    const int at = row * 128 + ((column % 64 / 8 ^ (row & 7)) * 16) + column % 8 * 2;
    *reinterpret_cast<bf16*>(bytes + column / 64 * kBoxBytes + at) = value;
  };
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < kInner * kColumns; i += 128) put(i, b[i]);
  if (omit != Omit::kProxyFence) proxy_fence();
  __syncthreads();

  const int row = thread / 32 * 16 + thread % 32 / 4;
  float d[kCount][4] = {};
  if (omit != Omit::kFence) wgmma_fence(d);
  for (int step = 0; step < kInner / 16; ++step) {
    uint32_t registers[4];
    for (int i = 0; i < 4; ++i) {
      const int at = (row + i % 2 * 8) * kInner + step * 16 + thread % 4 * 2 + i / 2 * 8;
      registers[i] = *reinterpret_cast<const uint32_t*>(a + at);
    }
    wgmma_columns(d, registers, wgmma_descriptor(bytes + step * 16 * 128, kBoxBytes, 1024));
  }
  wgmma_commit();
  if (omit == Omit::kWaitBeforeOverwrite) {
    for (int i = thread; i < kInner * kColumns; i += 128) put(i, bf16{0});
  }
  omit == Omit::kWait ? wgmma_wait<1>(d) : wgmma_wait<0>(d);
  for (int n = 0; n < kCount; ++n) {
    for (int i = 0; i < 4; ++i) {
      out[(row + i / 2 * 8) * kColumns + n * 8 + thread % 4 * 2 + i % 2] = d[n][i];
    }
  }
  if (omit == Omit::kWait) wgmma_wait<0>(d);
#endif
}

template <int kCount>
Outcome run_product(Omit omit, double* error) {
  constexpr int kColumns = kCount * 8;
  const std::vector<bf16> a = as_type<bf16>(normals(kRows * kInner, 1)),
                          b = as_type<bf16>(normals(kInner * kColumns, 2));
  std::vector<double> reference(kRows * kColumns);
  for (int i = 0; i < kRows; ++i)
    for (int k = 0; k < kInner; ++k)
      for (int j = 0; j < kColumns; ++j)
        reference[i * kColumns + j] +=
            static_cast<double>(to_float(a[i * kInner + k])) * to_float(b[k * kColumns + j]);
  const DeviceArray<bf16> device_a(a), device_b(b);
  const Outcome outcome =
      run(product_from_registers<kCount>, reference.size(), {1, 128, kBoxBytes * kColumns / 64},
          static_cast<const bf16*>(device_a), static_cast<const bf16*>(device_b), omit);
  *error = relative_error(outcome.out, reference);
  return outcome;
}

TEST(a_product_with_an_operand_in_registers) {
  double error;
  EXPECT(run_product<8>(Omit::kNothing, &error).fault.empty() && error < 1e-6);
  EXPECT(run_product<16>(Omit::kNothing, &error).fault.empty() && error < 1e-6);
}

TEST(a_product_without_its_fence_is_refused) {
  double error;
  EXPECT(run_product<8>(Omit::kFence, &error).has("wgmma without a wgmma.fence"));
}

TEST(a_product_of_what_no_proxy_fence_has_published_is_found) {
  double error;
  const Outcome outcome = run_product<8>(Omit::kProxyFence, &error);
  if (emulator::detects_races()) EXPECT(outcome.has("no proxy fence between a write at wgmma_test.cu"));
}

TEST(a_product_that_is_read_before_the_wait_is_wrong) {
  if (!emulator::options().async_late) return;
  double error;
  EXPECT(run_product<8>(Omit::kWait, &error).fault.empty() && error > 0.5);
}

TEST(an_operand_that_is_overwritten_before_the_wait_is_found) {
  if (!emulator::options().async_late) return;
  double error;
  const Outcome outcome = run_product<8>(Omit::kWaitBeforeOverwrite, &error);
  EXPECT(emulator::detects_races() ? !outcome.fault.empty() : error > 0.5);
}

__global__ void leave_a_product_running(float* out) {
#ifdef ATHANOR_SM90A
  ATHANOR_DYNAMIC_SHARED(bytes);
  for (int i = static_cast<int>(threadIdx.x); i < kBoxBytes; i += 128) bytes[i] = 0;
  proxy_fence();
  __syncthreads();
  float d[8][4] = {};
  wgmma_fence(d);
  wgmma_rows(d, wgmma_descriptor(bytes, 16, 1024), wgmma_descriptor(bytes, 16, 1024), false);
  wgmma_commit();
  out[threadIdx.x] = d[0][0];
#endif
}

TEST(a_product_that_nobody_waits_for_is_found) {
  if (!emulator::options().async_late) return;
  EXPECT(
      run(leave_a_product_running, 128, {1, 128, kBoxBytes}).has("nobody waits for wgmma at wgmma_test.cu"));
}

}  // namespace
}  // namespace athanor::test
