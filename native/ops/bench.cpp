#include "ops/bench.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "core/error.h"
#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/bench.h"

namespace athanor::ops {
namespace {

// The best of several short repeats: a repeat that another process disturbed says nothing about the machine.
constexpr int kRepeats = 20;
// Some 2 ms of multiply-adds on AVX-512 and 10 ms without vectors wider than 4.
constexpr int64_t kRounds = 100000;
constexpr int64_t kCopyFloats = int64_t{16} << 20;  // 64 MiB each way, far more than a cache

double seconds_of(auto&& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs body(thread) on every thread at once: each waits for the others, so that none takes two turns. Not
/// for long, because the pool runs serially while another JavaScript thread has it.
void on_all_threads(int threads, auto&& body) {
  std::atomic<int> missing{threads};
  parallel_for(threads, [&](int64_t thread) {
    missing.fetch_sub(1, std::memory_order_acq_rel);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    while (missing.load(std::memory_order_acquire) > 0 && std::chrono::steady_clock::now() < deadline) {
    }
    body(thread);
  });
}

}  // namespace

double measure_peak_flops(DType dtype) {
  expect(dtype == DType::kF32 || dtype == DType::kBF16, ErrorCode::kDtype, "measure_peak_flops",
         "expected f32 or bf16 but got ", dtype_name(dtype));
  const BenchKernels& kernels = bench_kernels(Device{});
  const int threads = num_threads();
  double best = 0.0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::atomic<double> operations{0.0};
    const double seconds = seconds_of([&] {
      on_all_threads(threads, [&](int64_t) {
        float sink;
        operations.fetch_add(kernels.multiply_add(dtype, kRounds, &sink));
      });
    });
    best = std::max(best, operations.load() / seconds);
  }
  return best;
}

double measure_copy_bandwidth() {
  const Tensor from({kCopyFloats}, DType::kF32), to({kCopyFloats}, DType::kF32);
  std::fill_n(from.data<float>(), kCopyFloats, 1.0f);
  std::fill_n(to.data<float>(), kCopyFloats, 0.0f);
  const int threads = num_threads();
  const int64_t share = kCopyFloats / threads;
  double best = 0.0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const double seconds = seconds_of([&] {
      on_all_threads(threads, [&](int64_t thread) {
        const int64_t begin = thread * share;
        bench_kernels(Device{}).copy(to.data<float>() + begin, from.data<float>() + begin, share);
      });
    });
    best = std::max(best, 2.0 * 4.0 * static_cast<double>(share * threads) / seconds);
  }
  return best;
}

}  // namespace athanor::ops
