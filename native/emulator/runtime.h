// Runs kernel sources on the CPU: one fiber per GPU thread, one block after another, on one system
// thread, in the same order every time. It emulates the parts that programs get wrong (barriers,
// warps, shared memory, asynchronous copies). If a kernel runs here without a fault and agrees with
// its reference, only its inline PTX and its speed remain to be proved on hardware.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "emulator/language.h"

namespace athanor::emulator {

/// A source line of a kernel: the default argument of every call from a kernel to the emulator.
struct Site {
  const char* file = nullptr;
  int line = 0;
};
#define ATHANOR_SITE ::athanor::emulator::Site site = {__builtin_FILE(), __builtin_LINE()}

/// A mistake of a kernel, whether a GPU would report it or not.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Index3 {
  unsigned x, y, z;
};

/// The indices of a GPU thread.
struct ThreadContext {
  Index3 thread_index, block_index;
  dim3 block_size, grid_size;
  unsigned lane, warp_index, linear;
};
extern ThreadContext* self;

struct Options {
  /// 0: threads run in rising order, 1: in falling, else the seed of a
  /// shuffled order (ATHANOR_EMULATOR_ORDER).
  int order = 0;
  /// Asynchronous copies land at the wait rather than at once (ATHANOR_EMULATOR_ASYNC=late|early).
  bool async_late = true;
  /// Shared memory of one block: 227 KiB on sm_90, 163 KiB on sm_80 (ATHANOR_EMULATOR_SHARED).
  size_t shared_limit = 227 * 1024;
};
Options& options();

struct Stats {
  uint64_t launches, blocks, barriers, warp_operations, matrix_products, matrix_loads, bank_conflicts,
      async_copies, bulk_bytes, shared_peak;
};
Stats& stats();

/// Ends the running kernel; the launch throws Fault with this text, the site and the thread.
void fail(const std::string& text, Site site);

// Collectives. A warp operation runs once, when the last lane of its mask has arrived, on the
// arguments of all lanes. All lanes must reach an `aligned` operation on one source line.
enum class WarpKind { kSync, kShuffle, kVote, kMatrixLoad, kMatrixProduct };
using WarpFunction = void (*)(uint32_t mask, void* const* arguments);
void warp_operation(WarpKind kind, const char* name, uint32_t mask, void* argument, WarpFunction function,
                    bool aligned, Site site);
/// All of `threads` (0: the block) threads meet at barrier `id`.
void barrier(int id, unsigned threads, Site site);
/// A collective of the 128 threads of a warpgroup, which all reach it on one line.
using GroupFunction = void (*)(void* const* arguments);
void warpgroup_operation(const char* name, void* argument, GroupFunction function, Site site);

// Memory.
void* allocate(size_t bytes);
void release(void* pointer);
unsigned char* dynamic_shared();
void* static_shared(size_t bytes, size_t alignment, const char* name, uint64_t* block, void** pointer);
/// The result of __cvta_generic_to_shared: an offset into the block's shared memory.
uint32_t shared_offset(const void* pointer);
void check_shared(const void* pointer, size_t bytes, size_t alignment, const char* what, Site site);
/// kAsync: by wgmma and bulk copies, which see a thread's own writes only after its proxy fence.
enum class AccessKind : uint8_t { kPlain, kAtomic, kAsync };
/// Tells the race detector of an access that the emulator makes in a thread's name.
void note_access(const void* pointer, size_t bytes, bool is_write, Site site,
                 AccessKind kind = AccessKind::kPlain);
void proxy_fence();
/// Whether this is the build that checks every load and store for races.
bool detects_races();
/// Wakes threads that spin on memory: some of it has changed.
void note_progress();

/// `argument` is copied, byte by byte, where the launch is recorded.
void launch(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes, void (*function)(void*),
            void* argument, size_t argument_bytes);

/// A __shared__ array. Its memory is new in each block, filled with NaN and fenced.
template <class T>
struct SharedArray {
  uint64_t block = 0;
  void* pointer = nullptr;
  T& get(const char* name) {
    return *static_cast<T*>(
        static_shared(sizeof(T), alignof(T) < 16 ? 16 : alignof(T), name, &block, &pointer));
  }
};

}  // namespace athanor::emulator

#define threadIdx (::athanor::emulator::self->thread_index)
#define blockIdx (::athanor::emulator::self->block_index)
#define blockDim (::athanor::emulator::self->block_size)
#define gridDim (::athanor::emulator::self->grid_size)

/// `__shared__ float name[32];` and `extern __shared__`, for nvcc and for the emulator.
#define ATHANOR_SHARED(T, name, ...)                                          \
  static ::athanor::emulator::SharedArray<T __VA_ARGS__> name##_shared_array; \
  auto& name = name##_shared_array.get(#name)
#define ATHANOR_DYNAMIC_SHARED(name) unsigned char* name = ::athanor::emulator::dynamic_shared()
