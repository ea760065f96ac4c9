#include "core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/allocator.h"
#include "core/error.h"

namespace athanor {
namespace {

// A decode step is some fifty kernels of 5 to 20 us; a sleeping worker takes about 50 us to wake. Spinning
// this long bridges the gap between two kernels of a step, and lets the core go when training pauses.
constexpr int kSpinIterations = 20000;

inline void cpu_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

thread_local bool inside_task = false;

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }

  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      ++generation_;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  void run(int64_t count, void (*body)(void*, int64_t), void* context) {
    body_ = body;
    context_ = context;
    count_ = count;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    {
      std::lock_guard lock(mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleeping_.load(std::memory_order_seq_cst) > 0) wake_.notify_all();
    drain();
    while (busy_.load(std::memory_order_acquire) != 0) cpu_pause();
  }

 private:
  void drain() {
    inside_task = true;
    for (;;) {
      const int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= count_) break;
      body_(context_, index);
    }
    inside_task = false;
  }

  void work() {
    uint64_t seen = 0;
    for (;;) {
      int spins = 0;
      while (generation_.load(std::memory_order_acquire) == seen) {
        if (++spins < kSpinIterations) {
          cpu_pause();
          continue;
        }
        std::unique_lock lock(mutex_);
        sleeping_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
        sleeping_.fetch_sub(1, std::memory_order_seq_cst);
      }
      seen = generation_.load(std::memory_order_acquire);
      if (stopping_) return;
      drain();
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> sleeping_{0};
  bool stopping_ = false;
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t count_ = 0;
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<int> busy_{0};
};

// The pool outlives static destruction: a worker blocked in a destructor at exit would hang the process.
struct PoolHolder {
  std::mutex mutex;
  std::unique_ptr<Pool> pool;
  int requested = 0;
};

PoolHolder& holder() {
  static PoolHolder* instance = new PoolHolder;
  return *instance;
}

struct Scratch {
  void* data = nullptr;
  size_t bytes = 0;
  ~Scratch() { host_free(data, bytes); }
};

}  // namespace

void parallel_run(int64_t count, void (*body)(void*, int64_t), void* context) {
  PoolHolder& h = holder();
  if (!inside_task) {
    std::unique_lock lock(h.mutex, std::try_to_lock);
    if (lock.owns_lock()) {
      if (!h.pool) h.pool = std::make_unique<Pool>(h.requested > 0 ? h.requested : available_cores());
      if (h.pool->size() > 1) {
        h.pool->run(count, body, context);
        return;
      }
    }
  }
  for (int64_t i = 0; i < count; ++i) body(context, i);
}

int num_threads() {
  PoolHolder& h = holder();
  std::lock_guard lock(h.mutex);
  if (h.pool) return h.pool->size();
  return h.requested > 0 ? h.requested : available_cores();
}

void set_num_threads(int count) {
  expect(count >= 0 && count <= 1024, ErrorCode::kArgument, "threads", "expected 0 to 1024 but got ", count);
  PoolHolder& h = holder();
  std::lock_guard lock(h.mutex);
  if (h.pool && h.pool->size() == (count > 0 ? count : available_cores())) return;
  h.requested = count;
  h.pool.reset();
}

void* thread_scratch(size_t bytes) {
  thread_local Scratch scratch;
  if (scratch.bytes < bytes) {
    host_free(scratch.data, scratch.bytes);
    scratch.data = nullptr;
    scratch.bytes = 0;
    scratch.data = host_allocate(bytes);
    scratch.bytes = bytes;
  }
  return scratch.data;
}

}  // namespace athanor
