// The state that the emulator's files share: the running launch, block, warps and threads. One
// launch runs at a time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "emulator/async_copy.h"
#include "emulator/fiber.h"
#include "emulator/runtime.h"

namespace athanor::emulator {

/// How much of each warp's history has happened before a point; one number per warp of the block.
using Clock = std::vector<uint32_t>;

enum class ThreadState : uint8_t { kReady, kBlocked, kPolling, kDone };

struct PendingCopy {
  void* to;
  const void* from;
  unsigned bytes, source_bytes;  // the rest is zeros
  uint64_t group;
  Site site;
};

struct Warp;

struct Thread : ThreadContext {
  Fiber fiber;
  Warp* warp;
  ThreadState state;
  const char* waits_for;
  const uint64_t* polled;  // the mbarrier that it came to last
  Site site;
  void* argument;  // of the warp operation that it has come to
  std::vector<PendingCopy> copies;
  uint64_t open_group;
  uint32_t proxy_fences;  // that it has passed
};

/// A warp operation that some lanes of its mask have reached.
struct PendingOperation {
  uint32_t mask, arrived;
  WarpKind kind;
  Site site;
};

struct Warp {
  uint32_t ready = 0, alive = 0, polling = 0;  // a bit a lane
  Thread* lane[32] = {};
  std::vector<PendingOperation> pending;
  Clock clock;
  unsigned index = 0;
};

struct Barrier {
  unsigned arrived = 0, expected = 0;
  Site site;
  std::vector<Thread*> waiters;
  Clock clock;
};

/// A warpgroup's matrix product that was started and not waited for.
struct PendingProduct {
  float* d[128];
  uint32_t a_registers[128][4];
  bool a_in_registers;
  uint64_t a, b;
  int columns;
  bool b_transposed, accumulate;
  uint64_t group;
  Site site;
};

struct Warpgroup {
  unsigned arrived = 0;
  Site site;
  void* arguments[128];
  std::vector<PendingProduct> products;
  uint64_t open_group = 0;
  bool fenced = false;  // a wgmma.fence came after the last wait
};

struct Machine {
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<char*> stacks;
  Barrier barriers[16];
  Warpgroup warpgroups[8];
  std::vector<BulkCopy> bulk_copies;
  std::map<const void*, Clock> object_clocks;  // of mbarriers
  Thread* current = nullptr;
  unsigned alive = 0;
  bool running = false;
  std::string error;  // empty: none
  const void* kernel = nullptr;
  void (*function)(void*) = nullptr;
  void* argument = nullptr;
  uint32_t launch = 0, block = 0;  // the block's number in the grid
  uint64_t block_serial = 0;       // over all launches
  uint64_t progress = 0;
  uint64_t random = 0;
};
extern Machine machine;

uint64_t next_random();
std::string describe(Site site);
std::string describe(const Thread& thread);
/// The demangled name of the running kernel, for messages.
std::string kernel_name();
/// The source line of a code address, for messages.
std::string code_line(const void* address);

void block_current(const char* waits_for, Site site);
/// A spinning thread yields. A block in which only spinning threads are left has deadlocked.
void poll_current(const char* waits_for, Site site);
void wake(Thread& thread);

void join(Clock& clock, const Clock& other);
void reset_collectives();
void land_copies(Thread& thread, uint64_t groups_below);
void land_bulk_copy();

void memory_begin_block(size_t dynamic_bytes);
void memory_end_launch();

// The race detector, which does nothing until it is switched on.
void race_detection_on();
void race_access(const void* pointer, size_t bytes, bool is_write, const void* code, Site site,
                 AccessKind kind);
void race_begin_block();
void race_new_allocation(const void* pointer, size_t bytes);
void race_drop_allocation(const void* pointer);

struct SharedRegion {
  size_t offset, bytes;
  const char* name;
};
constexpr size_t kSharedArena = 256 * 1024;
extern unsigned char shared_arena[kSharedArena + 1024];
const std::vector<SharedRegion>& shared_regions();

}  // namespace athanor::emulator
