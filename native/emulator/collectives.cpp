// Operations at which threads meet. Each meeting is also an edge in the race
// detector's "happened before".
#include <cstring>

#include "emulator/state.h"

namespace athanor::emulator {
namespace {

bool same_site(Site a, Site b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

}  // namespace

void join(Clock& clock, const Clock& other) {
  if (clock.size() < other.size()) clock.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

void warp_operation(WarpKind kind, const char* name, uint32_t mask, void* argument, WarpFunction function,
                    bool aligned, Site site) {
  Thread& thread = *machine.current;
  Warp& warp = *thread.warp;
  const uint32_t own = 1u << thread.lane;
  ++stats().warp_operations;
  if (!(mask & own)) return fail(std::string(name) + ": the calling lane is not in its own mask", site);
  thread.argument = argument;
  size_t i = 0;
  while (i < warp.pending.size() && warp.pending[i].mask != mask) ++i;
  if (i == warp.pending.size()) warp.pending.push_back({mask, 0, kind, site});
  PendingOperation& operation = warp.pending[i];
  if (operation.kind != kind || (aligned && !same_site(operation.site, site))) {
    return fail(std::string("divergent warp operation: ") + name + " while other lanes of the mask are" +
                    describe(operation.site),
                site);
  }
  operation.arrived |= own;
  if (operation.arrived != mask) return block_current(name, site);
  warp.pending.erase(warp.pending.begin() + static_cast<ptrdiff_t>(i));
  void* arguments[32] = {};
  for (int lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1) arguments[lane] = warp.lane[lane]->argument;
  }
  function(mask, arguments);
  ++warp.clock[warp.index];
  for (int lane = 0; lane < 32; ++lane) {
    if ((mask & ~own) >> lane & 1) wake(*warp.lane[lane]);
  }
}

void barrier(int id, unsigned threads, Site site) {
  Barrier& b = machine.barriers[id];
  const unsigned wanted = threads != 0 ? threads : static_cast<unsigned>(machine.threads.size());
  if (id != 0 && wanted % 32 != 0) return fail("a named barrier takes a multiple of 32 threads", site);
  if (b.arrived == 0) {
    b.expected = wanted;
    b.site = site;
    b.clock.assign(machine.warps.size(), 0);
  } else if (b.expected != wanted) {
    return fail("barrier " + std::to_string(id) + ": threads disagree on how many meet", site);
  } else if (id == 0 && !same_site(b.site, site)) {
    return fail("divergent __syncthreads: other threads of the block are" + describe(b.site), site);
  }
  join(b.clock, machine.current->warp->clock);
  b.waiters.push_back(machine.current);
  if (++b.arrived < b.expected) return block_current(id ? "a named barrier" : "__syncthreads", site);
  ++stats().barriers;
  std::vector<Thread*> waiters;
  waiters.swap(b.waiters);
  b.arrived = 0;
  uint64_t seen = 0;
  for (Thread* waiter : waiters) {
    Warp& warp = *waiter->warp;
    if (!(seen >> warp.index & 1)) {
      seen |= uint64_t{1} << warp.index;
      join(warp.clock, b.clock);
      ++warp.clock[warp.index];
    }
    if (waiter != machine.current) wake(*waiter);
  }
}

void warpgroup_operation(const char* name, void* argument, GroupFunction function, Site site) {
  Thread& thread = *machine.current;
  Warpgroup& group = machine.warpgroups[thread.warp_index / 4];
  if (group.arrived == 0) {
    group.site = site;
  } else if (!same_site(group.site, site)) {
    return fail(
        std::string("divergent warpgroup operation: ") + name + " while others are" + describe(group.site),
        site);
  }
  group.arguments[thread.linear % 128] = argument;
  if (++group.arrived < 128) return block_current(name, site);
  group.arrived = 0;
  Warp* warps = &machine.warps[thread.warp_index / 4 * 4];
  Clock all;
  for (int i = 0; i < 4; ++i) join(all, warps[i].clock);
  for (int i = 0; i < 4; ++i) warps[i].clock = all;
  function(group.arguments);
  for (int i = 0; i < 4; ++i) {
    ++warps[i].clock[warps[i].index];
    for (Thread* other : warps[i].lane) {
      if (other != &thread) wake(*other);
    }
  }
}

void reset_collectives() {
  for (Barrier& b : machine.barriers) b = Barrier();
  for (Warpgroup& group : machine.warpgroups) group = Warpgroup();
}

}  // namespace athanor::emulator
