#include "core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/error.h"
#include "core/operation.h"
#include "core/shares.h"

namespace athanor {
namespace {

// A decoding step is some fifty kernels of 5 to 20 us, 150 us pass between two steps, and a
// sleeping worker takes about 50 us to wake. Waiting for about half a millisecond bridges both gaps
// and still frees the core when training pauses. The first turns are pauses of 10 ns. After them
// a waiting thread offers its core to others at every turn, which takes a third of a microsecond
// where nobody wants it: to a thread of the pool that the system has taken the core from, and to
// the rest of the process, such as a server that writes out answers.
constexpr int64_t kPauses = 2000;
constexpr int64_t kTurns = kPauses + 1500;

inline void cpu_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

/// One turn of waiting, after `turns` others.
inline void wait_a_turn(int64_t turns) {
  if (turns < kPauses) {
    cpu_pause();
  } else {
    sched_yield();
  }
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

thread_local bool inside_task = false;
// The thread's place in the pool that it works for; a caller is 0.
thread_local size_t place = 0;

// The gate's word: generation of the work, whether it may still be joined, how many workers
// are on it.
constexpr uint64_t kActiveMask = 0xffff;
constexpr uint64_t kOpen = 0x10000;
constexpr uint64_t kGeneration = 0x20000;

class Pool {
 public:
  explicit Pool(int threads) : shares_(static_cast<size_t>(threads)) {
    for (int i = 1; i < threads; ++i) {
      workers_.emplace_back([this, i] {
        place = static_cast<size_t>(i);
        work();
      });
    }
  }

  ~Pool() {
    stopping_.store(true, std::memory_order_seq_cst);
    {
      std::lock_guard lock(mutex_);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// The caller takes part. When no task is left, it shuts the gate and waits for the workers that
  /// came through, but not for a worker that the system has not scheduled yet: on a busy machine
  /// that would cost milliseconds.
  void run(int64_t count, void (*body)(void*, int64_t), void* context) {
    body_ = body;
    context_ = context;
    count_ = count;
    operation_ = current_operation();
    next_.store(0, std::memory_order_relaxed);
    const uint64_t generation = (gate_.load(std::memory_order_relaxed) / kGeneration + 1) * kGeneration;
    gate_.store(generation | kOpen, std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) {
      {
        std::lock_guard lock(mutex_);
      }
      wake_.notify_all();
    }
    drain();
    gate_.fetch_and(~kOpen, std::memory_order_acq_rel);
    for (int64_t turns = 0; (gate_.load(std::memory_order_acquire) & kActiveMask) != 0; ++turns)
      wait_a_turn(turns);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  void run_shares(int64_t count, void (*body)(void*, int64_t, int64_t), void* context) {
    struct Call {
      Shares& shares;
      void (*body)(void*, int64_t, int64_t);
      void* context;
    } call{shares_, body, context};
    shares_.divide(count);
    run(
        size(),
        [](void* self, int64_t) {
          const Call& c = *static_cast<Call*>(self);
          const Shares::Share share = c.shares.take(place);
          const auto start = std::chrono::steady_clock::now();
          if (share.begin < share.end) c.body(c.context, share.begin, share.end);
          const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
          c.shares.record(place, share, seconds.count());
        },
        &call);
    shares_.learn();
  }

 private:
  void drain() {
    const OperationName name(operation_);  // a task may fail
    inside_task = true;
    for (;;) {
      const int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= count_) break;
      try {
        body_(context_, index);
      } catch (...) {
        fail_all();
      }
    }
    inside_task = false;
  }

  /// Keeps the first exception for the caller and leaves the other tasks undone.
  void fail_all() {
    std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    next_.store(count_, std::memory_order_relaxed);
  }

  bool has_work(uint64_t gate, uint64_t seen) const {
    return (gate & kOpen) != 0 && gate / kGeneration != seen;
  }

  void work() {
    uint64_t seen = 0;
    for (int64_t turns = 0;;) {
      if (stopping_.load(std::memory_order_relaxed)) return;
      uint64_t gate = gate_.load(std::memory_order_acquire);
      if (has_work(gate, seen)) {
        if (!gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) continue;
        seen = gate / kGeneration;
        drain();
        gate_.fetch_sub(1, std::memory_order_release);
        turns = 0;
      } else if (++turns < kTurns) {
        wait_a_turn(turns);
      } else {
        sleep(seen);
        turns = 0;
      }
    }
  }

  void sleep(uint64_t seen) {
    std::unique_lock lock(mutex_);
    sleeping_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, [&] {
      return stopping_.load(std::memory_order_seq_cst) ||
             has_work(gate_.load(std::memory_order_seq_cst), seen);
    });
    sleeping_.fetch_sub(1, std::memory_order_seq_cst);
  }

  std::vector<std::thread> workers_;
  Shares shares_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> sleeping_{0};
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  const char* operation_ = "";
  int64_t count_ = 0;
  std::exception_ptr error_;
  alignas(64) std::atomic<uint64_t> gate_{0};
  alignas(64) std::atomic<int64_t> next_{0};
};

// The pool outlives static destruction: a worker blocked in a destructor at exit would
// hang the process.
struct PoolHolder {
  std::mutex mutex;
  std::unique_ptr<Pool> pool;
  // Read without the mutex, which a running kernel holds.
  std::atomic<int> threads{available_cores()};
};

PoolHolder& holder() {
  static PoolHolder* instance = new PoolHolder;
  return *instance;
}

/// Calls use(pool) with the pool to itself; false inside of a task, while another thread uses the
/// pool, and where there are no workers.
template <class Use>
bool with_pool(Use&& use) {
  if (inside_task) return false;
  PoolHolder& h = holder();
  const std::unique_lock lock(h.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  if (!h.pool) h.pool = std::make_unique<Pool>(h.threads.load());
  if (h.pool->size() == 1) return false;
  use(*h.pool);
  return true;
}

struct Scratch {
  void* data = nullptr;
  size_t bytes = 0;
  ~Scratch() { host_free(data, bytes); }
};

}  // namespace

void parallel_run(int64_t count, void (*body)(void*, int64_t), void* context) {
  if (with_pool([&](Pool& pool) { pool.run(count, body, context); })) return;
  for (int64_t i = 0; i < count; ++i) body(context, i);
}

void parallel_run_shares(int64_t count, void (*body)(void*, int64_t, int64_t), void* context) {
  if (with_pool([&](Pool& pool) { pool.run_shares(count, body, context); })) return;
  body(context, 0, count);
}

int num_threads() { return inside_task ? 1 : holder().threads.load(std::memory_order_relaxed); }

void set_num_threads(int count) {
  expect(count >= 0 && count <= 1024, ErrorCode::kArgument, "expected 0 to 1024 but got ", count);
  PoolHolder& h = holder();
  std::lock_guard lock(h.mutex);
  const int threads = count > 0 ? count : available_cores();
  if (h.threads.exchange(threads) != threads) h.pool.reset();
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
