// parallel_for hands out task indices in any order to any thread, so a kernel's bits may depend on
// the task list but never on the number of threads: each task writes its own output, and cross-task
// sums are done in task order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace athanor {

/// Runs body(context, i) for i in [0, count) on the pool; the calling thread takes part. A task's
/// exception reaches the caller, the first of several, and tasks not begun are left undone. A call
/// from inside a task, or while another thread uses the pool, runs serially.
void parallel_run(int64_t count, void (*body)(void* context, int64_t index), void* context);

template <class Body>
void parallel_for(int64_t count, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  if (count <= 1) {
    if (count == 1) body(int64_t{0});
    return;
  }
  parallel_run(
      count, [](void* context, int64_t index) { (*static_cast<Plain*>(context))(index); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// Runs body(begin, end) on ranges of [0, count), one per thread, whose lengths follow the threads'
/// speeds in earlier calls. For work of milliseconds that threads do without waiting for each
/// other: the cores of one machine can differ by a third, because other processes or the host of a
/// virtual machine load some of them.
void parallel_run_shares(int64_t count, void (*body)(void* context, int64_t begin, int64_t end),
                         void* context);

template <class Body>
void parallel_shares(int64_t count, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  parallel_run_shares(
      count, [](void* context, int64_t begin, int64_t end) { (*static_cast<Plain*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// The threads that a parallel_for has here: 1 inside a task.
int num_threads();
/// 0: one thread per core that this process may use. Throws ERR_ARGUMENT beyond 1,024.
void set_num_threads(int count);

/// Scratch memory of the calling thread, 64-byte aligned, valid until its next call on this thread.
void* thread_scratch(size_t bytes);

}  // namespace athanor
