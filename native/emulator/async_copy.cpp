// A copy lands as late as its wait allows (or at once, with ATHANOR_EMULATOR_ASYNC=early), so that
// a kernel that does not wait reads the old contents.
#include "emulator/async_copy.h"

#include <algorithm>
#include <cstring>

#include "emulator/state.h"

namespace athanor::emulator {
namespace {

void land(const PendingCopy& copy) {
  std::memcpy(copy.to, copy.from, copy.source_bytes);
  std::memset(static_cast<char*>(copy.to) + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
}

}  // namespace

void async_copy(void* to, const void* from, unsigned bytes, unsigned source_bytes, Site site) {
  ++stats().async_copies;
  note_access(to, bytes, true, site);
  if (source_bytes != 0) note_access(from, source_bytes, false, site);
  Thread& thread = *machine.current;
  const PendingCopy copy{to, from, bytes, source_bytes, thread.open_group, site};
  if (options().async_late) {
    thread.copies.push_back(copy);
  } else {
    land(copy);
  }
}

void async_commit() { ++machine.current->open_group; }

void async_wait(unsigned groups_left) {
  Thread& thread = *machine.current;
  if (thread.open_group >= groups_left) land_copies(thread, thread.open_group - groups_left);
}

void land_copies(Thread& thread, uint64_t groups_below) {
  size_t kept = 0;
  for (const PendingCopy& copy : thread.copies) {
    if (copy.group >= groups_below) {
      thread.copies[kept++] = copy;
      continue;
    }
    land(copy);
    note_access(copy.to, copy.bytes, true, copy.site);
  }
  thread.copies.resize(kept);
}

// ---- mbarriers: arrivals and bytes still missing in this phase, and the phase's parity,
// in one word.
namespace {

struct Phase {
  uint16_t missing, count;
  int32_t bytes : 31;
  uint32_t parity : 1;
};
static_assert(sizeof(Phase) == sizeof(uint64_t));

Phase load(const uint64_t* barrier) {
  Phase phase;
  std::memcpy(&phase, barrier, sizeof phase);
  return phase;
}

void store(uint64_t* barrier, Phase phase) {
  if (phase.missing == 0 && phase.bytes == 0) {
    phase.parity ^= 1;
    phase.missing = phase.count;
  }
  std::memcpy(barrier, &phase, sizeof phase);
  note_progress();
}

void release_to(const void* object) {
  Warp& warp = *machine.current->warp;
  join(machine.object_clocks[object], warp.clock);
  ++warp.clock[warp.index];
}

}  // namespace

void mbarrier_init(uint64_t* barrier, unsigned count, Site site) {
  check_shared(barrier, 8, 8, "an mbarrier", site);
  const Phase phase{static_cast<uint16_t>(count), static_cast<uint16_t>(count), 0, 0};
  std::memcpy(barrier, &phase, sizeof phase);
  machine.object_clocks[barrier].clear();
}

void mbarrier_arrive(uint64_t* barrier, Site site) {
  check_shared(barrier, 8, 8, "an mbarrier", site);
  release_to(barrier);
  Phase phase = load(barrier);
  if (phase.missing == 0) return fail("an mbarrier has more arrivals than its count", site);
  --phase.missing;
  store(barrier, phase);
}

void mbarrier_expect(uint64_t* barrier, unsigned bytes, Site site) {
  check_shared(barrier, 8, 8, "an mbarrier", site);
  Phase phase = load(barrier);
  phase.bytes += static_cast<int>(bytes);
  std::memcpy(barrier, &phase, sizeof phase);
}

void mbarrier_wait(uint64_t* barrier, unsigned parity, Site site) {
  check_shared(barrier, 8, 8, "an mbarrier", site);
  machine.current->polled = barrier;
  while (load(barrier).parity == (parity & 1)) poll_current("an mbarrier", site);
  join(machine.current->warp->clock, machine.object_clocks[barrier]);
}

// ---- bulk copies
namespace {

/// The order of the 16-byte pieces of a row depends on the row's number modulo 8, so that reads
/// down the rows are free of bank conflicts. Outside of the tensor there are zeros.
void land_box(const BulkCopy& copy) {
  const TensorView& view = copy.view;
  for (unsigned r = 0; r < view.box_rows; ++r) {
    for (unsigned c = 0; c < view.box_columns; ++c) {
      uint32_t offset = shared_offset(copy.to) + (r * view.box_columns + c) * 2;
      offset ^= (offset >> 7 & 7) << 4;
      const int64_t column = copy.column + static_cast<int64_t>(c), row = copy.row + static_cast<int64_t>(r);
      uint16_t element = 0;
      if (column >= 0 && row >= 0 && static_cast<uint64_t>(column) < view.columns &&
          static_cast<uint64_t>(row) < view.rows) {
        const auto* source = view.base + static_cast<uint64_t>(row) * view.stride_bytes;
        std::memcpy(&element, source + column * 2, 2);
      }
      std::memcpy(shared_arena + offset, &element, 2);
    }
  }
}

void land_bulk(const BulkCopy& copy) {
  if (copy.view.base != nullptr) {
    land_box(copy);
  } else {
    std::memcpy(copy.to, copy.from, copy.bytes);
  }
  stats().bulk_bytes += copy.bytes;
  Phase phase = load(copy.barrier);
  phase.bytes -= static_cast<int>(copy.bytes);
  store(copy.barrier, phase);
}

}  // namespace

void bulk_copy(const BulkCopy& copy, Site site) {
  const bool is_box = copy.view.base != nullptr;
  check_shared(copy.to, copy.bytes, is_box ? 1024 : 16, "the target of a bulk copy", site);
  if (!is_box && (copy.bytes % 16 != 0 || reinterpret_cast<uintptr_t>(copy.from) % 16 != 0)) {
    return fail("a bulk copy takes sizes and sources that are multiples of 16", site);
  }
  note_access(copy.to, copy.bytes, true, site, AccessKind::kAsync);
  release_to(copy.barrier);
  if (options().async_late) {
    machine.bulk_copies.push_back(copy);
  } else {
    land_bulk(copy);
  }
}

// A copy that somebody waits for lands first: a kernel may not count on copies landing in the order
// of their starts.
void land_bulk_copy() {
  const auto is_waited_for = [](const BulkCopy& copy) {
    return std::any_of(machine.threads.begin(), machine.threads.end(), [&](const Thread& thread) {
      return thread.state == ThreadState::kPolling && thread.polled == copy.barrier;
    });
  };
  auto& copies = machine.bulk_copies;
  auto found = std::find_if(copies.begin(), copies.end(), is_waited_for);
  if (found == copies.end()) found = copies.begin();
  const BulkCopy copy = *found;
  copies.erase(found);
  land_bulk(copy);
}

}  // namespace athanor::emulator
