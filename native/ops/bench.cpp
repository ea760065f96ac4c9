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

// The best of several short repeats: a repeat that another process disturbed says nothing
// about the machine.
constexpr int kRepeats = 20;
// Some 2 ms of multiply-adds on AVX-512 and 10 ms without vectors wider than 4.
constexpr int64_t kRounds = 100000;
constexpr int64_t kCopyFloats = int64_t{16} << 20;  // 64 MiB each way, far more than a cache
// On a GPU: some milliseconds of work per wait, beside which the wait hardly counts.
constexpr int64_t kDeviceRounds = 20000;
constexpr int64_t kDeviceCopyFloats = int64_t{64} << 20;
constexpr int kDeviceCopies = 10;

double seconds_of(auto&& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs body(thread) on every thread at once: each waits for the others, so that none takes two
/// turns. The wait is short, because the pool runs serially while another JavaScript thread has it.
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

/// Operations per second of `body`, which returns its number of operations and waits
/// for the device.
double best_rate(auto&& body) {
  double best = 0.0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    double done = 0.0;
    const double seconds = seconds_of([&] { done = body(); });
    best = std::max(best, done / seconds);
  }
  return best;
}

double measure_device_flops(Device device, DType dtype) {
  const Tensor sink({1}, DType::kF32, device);
  return best_rate([&] {
    const double done = bench_kernels(device).multiply_add(dtype, kDeviceRounds, sink.data<float>());
    cuda::backend().synchronize();
    return done;
  });
}

double measure_device_copy(Device device) {
  const Tensor from({kDeviceCopyFloats}, DType::kF32, device), to({kDeviceCopyFloats}, DType::kF32, device);
  from.fill_zero();
  return best_rate([&] {
    for (int i = 0; i < kDeviceCopies; ++i) {
      bench_kernels(device).copy(to.data<float>(), from.data<float>(), kDeviceCopyFloats);
    }
    cuda::backend().synchronize();
    return 2.0 * 4.0 * static_cast<double>(kDeviceCopyFloats) * kDeviceCopies;
  });
}

}  // namespace

double measure_peak_flops(DType dtype) {
  expect(dtype == DType::kF32 || dtype == DType::kBF16, ErrorCode::kDtype, "expected f32 or bf16 but got ",
         dtype_name(dtype));
  if (!is_host(default_device())) return measure_device_flops(default_device(), dtype);
  const BenchKernels& kernels = bench_kernels(Device{});
  const int threads = num_threads();
  return best_rate([&] {
    std::atomic<double> operations{0.0};
    on_all_threads(threads, [&](int64_t) {
      float sink;
      operations.fetch_add(kernels.multiply_add(dtype, kRounds, &sink));
    });
    return operations.load();
  });
}

double measure_copy_bandwidth() {
  if (!is_host(default_device())) return measure_device_copy(default_device());
  const Tensor from({kCopyFloats}, DType::kF32), to({kCopyFloats}, DType::kF32);
  std::fill_n(from.data<float>(), kCopyFloats, 1.0f);
  std::fill_n(to.data<float>(), kCopyFloats, 0.0f);
  const int threads = num_threads();
  const int64_t share = kCopyFloats / threads;
  return best_rate([&] {
    on_all_threads(threads, [&](int64_t thread) {
      const int64_t begin = thread * share;
      bench_kernels(Device{}).copy(to.data<float>() + begin, from.data<float>() + begin, share);
    });
    return 2.0 * 4.0 * static_cast<double>(share * threads);
  });
}

}  // namespace athanor::ops
