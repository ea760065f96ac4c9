// Runs the blocks of a launch one after another and the threads of a block until each blocks
// or ends. A block in which no thread can continue has deadlocked, and the fault says which
// thread waits where.
#include <dlfcn.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator/recording.h"
#include "emulator/state.h"

namespace athanor::emulator {

ThreadContext* self = nullptr;
Machine machine;

Options& options() {
  static Options instance = [] {
    Options o;
    if (const char* order = std::getenv("ATHANOR_EMULATOR_ORDER")) o.order = std::atoi(order);
    if (const char* async = std::getenv("ATHANOR_EMULATOR_ASYNC"))
      o.async_late = std::string(async) != "early";
    if (const char* limit = std::getenv("ATHANOR_EMULATOR_SHARED")) {
      o.shared_limit = static_cast<size_t>(std::atol(limit));
    }
    return o;
  }();
  return instance;
}

Stats& stats() {
  static Stats instance{};
  return instance;
}

uint64_t next_random() {
  uint64_t& x = machine.random;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return x;
}

namespace {

std::string first_line_of(const std::string& command) {
  char line[1024] = "";
  if (FILE* pipe = popen(command.c_str(), "r")) {
    if (std::fgets(line, sizeof line, pipe) == nullptr) line[0] = '\0';
    pclose(pipe);
  }
  const std::string text = line;
  return text.substr(0, text.find('\n'));
}

std::string addr2line(const void* address, const char* flags) {
  Dl_info info;
  if (address == nullptr || !dladdr(address, &info) || info.dli_fname == nullptr) return "?";
  char offset[32];
  std::snprintf(offset, sizeof offset, "%#zx",
                static_cast<size_t>(static_cast<const char*>(address) - static_cast<char*>(info.dli_fbase)));
  return first_line_of(std::string("addr2line ") + flags + " -e '" + info.dli_fname + "' " + offset +
                       " 2>/dev/null");
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::string describe(Site site) {
  if (site.file == nullptr) return "";
  return " at " + base_name(site.file) + ":" + std::to_string(site.line);
}

std::string describe(const Thread& thread) {
  const auto triple = [](Index3 i) {
    return "(" + std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z) + ")";
  };
  return "thread " + triple(thread.thread_index) + " of block " + triple(thread.block_index);
}

std::string kernel_name() {
  const std::string name = addr2line(machine.kernel, "-f -C");
  return name.substr(0, name.rfind('('));
}

std::string code_line(const void* address) {
  // The address is the return address of the call; the access is on the line before it.
  return base_name(addr2line(static_cast<const char*>(address) - 1, ""));
}

void fail(const std::string& text, Site site) {
  if (!machine.running) throw Fault(text + describe(site));
  if (machine.error.empty()) {
    machine.error = text + describe(site);
    if (machine.current) machine.error += ", " + describe(*machine.current);
    machine.error += " in " + kernel_name();
  }
  if (machine.current) block_current("the end of a faulty kernel", site);
}

void block_current(const char* waits_for, Site site) {
  Thread& thread = *machine.current;
  thread.state = ThreadState::kBlocked;
  thread.waits_for = waits_for;
  thread.site = site;
  fiber_leave(thread.fiber, false);
}

void poll_current(const char* waits_for, Site site) {
  Thread& thread = *machine.current;
  thread.state = ThreadState::kPolling;
  thread.waits_for = waits_for;
  thread.site = site;
  thread.warp->polling |= 1u << thread.lane;
  fiber_leave(thread.fiber, false);
}

void wake(Thread& thread) {
  thread.state = ThreadState::kReady;
  thread.warp->ready |= 1u << thread.lane;
}

void note_progress() { ++machine.progress; }

namespace {

void thread_entry() {
  fiber_started();
  machine.function(machine.argument);
  Thread& thread = *machine.current;
  land_copies(thread, ~uint64_t{0});
  thread.state = ThreadState::kDone;
  thread.warp->alive &= ~(1u << thread.lane);
  --machine.alive;
  fiber_leave(thread.fiber, true);
  std::abort();
}

void run_thread(Thread& thread) {
  machine.current = &thread;
  self = &thread;
  fiber_enter(thread.fiber);
  self = nullptr;
  machine.current = nullptr;
  if (!machine.error.empty()) throw Fault(machine.error);
}

int pick_lane(uint32_t ready, int order) {
  if (order == 0) return std::countr_zero(ready);
  if (order == 1) return 31 - std::countl_zero(ready);
  const int rotation = static_cast<int>(next_random() & 31);
  return (std::countr_zero(std::rotr(ready, rotation)) + rotation) & 31;
}

bool run_ready_warps(int order) {
  const auto count = static_cast<unsigned>(machine.warps.size());
  const unsigned start = order > 1 ? static_cast<unsigned>(next_random() % count) : 0;
  bool any = false;
  for (unsigned i = 0; i < count; ++i) {
    Warp& warp = machine.warps[order == 1 ? count - 1 - i : (start + i) % count];
    while (warp.ready) {
      const int lane = pick_lane(warp.ready, order);
      warp.ready &= ~(1u << lane);
      any = true;
      run_thread(*warp.lane[lane]);
      if (order > 1 && (next_random() & 3) == 0) break;  // another warp's turn
    }
  }
  return any;
}

bool wake_polling() {
  bool any = false;
  for (Warp& warp : machine.warps) {
    while (warp.polling) {
      const int lane = std::countr_zero(warp.polling);
      warp.polling &= ~(1u << lane);
      wake(*warp.lane[lane]);
      any = true;
    }
  }
  return any;
}

[[noreturn]] void fail_deadlock() {
  std::map<std::string, int> groups;
  unsigned done = 0;
  for (const Thread& thread : machine.threads) {
    if (thread.state == ThreadState::kDone) {
      ++done;
    } else {
      ++groups[std::string("wait for ") + thread.waits_for + describe(thread.site)];
    }
  }
  const Index3 b = machine.threads[0].block_index;
  std::string text = "deadlock in block (" + std::to_string(b.x) + "," + std::to_string(b.y) + "," +
                     std::to_string(b.z) + ") of " + kernel_name() + ": ";
  for (const auto& [what, count] : groups) text += std::to_string(count) + " threads " + what + "; ";
  throw Fault(text + std::to_string(done) + " have ended");
}

void start_block(Index3 block_index, dim3 block, dim3 grid, size_t shared_bytes) {
  ++machine.block_serial;
  ++stats().blocks;
  machine.block = (block_index.z * grid.y + block_index.y) * grid.x + block_index.x;
  machine.object_clocks.clear();
  memory_begin_block(shared_bytes);
  race_begin_block();
  const auto warp_count = static_cast<unsigned>(machine.warps.size());
  for (unsigned w = 0; w < warp_count; ++w) {
    Warp& warp = machine.warps[w];
    warp.index = w;
    warp.ready = warp.alive = warp.polling = 0;
    warp.pending.clear();
    warp.clock.assign(warp_count, 0);
    warp.clock[w] = 1;
  }
  const auto thread_count = static_cast<unsigned>(machine.threads.size());
  for (unsigned i = 0; i < thread_count; ++i) {
    Thread& thread = machine.threads[i];
    thread.thread_index = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
    thread.block_index = block_index;
    thread.block_size = block;
    thread.grid_size = grid;
    thread.linear = i;
    thread.lane = i % 32;
    thread.warp_index = i / 32;
    thread.warp = &machine.warps[i / 32];
    thread.copies.clear();
    thread.open_group = 0;
    thread.proxy_fences = 0;
    thread.polled = nullptr;
    thread.fiber.stack = machine.stacks[i];
    fiber_prepare(thread.fiber, thread_entry);
    thread.warp->lane[thread.lane] = &thread;
    thread.warp->alive |= 1u << thread.lane;
    wake(thread);
  }
  machine.alive = thread_count;
}

void run_block() {
  uint64_t seen = machine.progress;
  while (machine.alive) {
    if (run_ready_warps(options().order)) continue;
    // Late bulk copies land when everyone waits.
    if (machine.progress == seen && !machine.bulk_copies.empty()) land_bulk_copy();
    if (machine.progress == seen || !wake_polling()) fail_deadlock();
    seen = machine.progress;
  }
  while (!machine.bulk_copies.empty()) land_bulk_copy();
  for (const Warpgroup& group : machine.warpgroups) {
    if (!group.products.empty()) throw Fault("nobody waits for wgmma" + describe(group.products[0].site));
  }
}

struct LaunchGuard {
  LaunchGuard() { machine.running = true; }
  ~LaunchGuard() {
    machine.running = false;
    machine.current = nullptr;
    self = nullptr;
    machine.error.clear();
    machine.bulk_copies.clear();
    reset_collectives();
    memory_end_launch();
  }
};

}  // namespace

void launch(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes, void (*function)(void*),
            void* argument, size_t argument_bytes) {
  if (is_recording()) {
    std::vector<std::max_align_t> copy(argument_bytes / sizeof(std::max_align_t) + 1);
    std::memcpy(copy.data(), argument, argument_bytes);
    return run_or_record(
        [=]() mutable { launch(kernel, grid, block, shared_bytes, function, copy.data(), argument_bytes); });
  }
  const unsigned thread_count = block.x * block.y * block.z;
  if (machine.running) throw Fault("a kernel launches a kernel");
  if (thread_count == 0 || thread_count > 1024 || block.z > 64) {
    throw Fault("a block of " + std::to_string(thread_count) + " threads");
  }
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    throw Fault("a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
                std::to_string(grid.z) + " blocks");
  }
  machine.kernel = kernel;
  machine.function = function;
  machine.argument = argument;
  machine.random = 0x9e3779b97f4a7c15ull * static_cast<uint64_t>(options().order + 1);
  ++machine.launch;
  ++stats().launches;
  while (machine.stacks.size() < thread_count) machine.stacks.push_back(fiber_new_stack());
  machine.threads.resize(thread_count);
  machine.warps.resize((thread_count + 31) / 32);
  const LaunchGuard guard;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        start_block({x, y, z}, block, grid, shared_bytes);
        run_block();
      }
}

}  // namespace athanor::emulator
