// Every four bytes of shared and global memory remember their last write and up to three reads: by
// which thread, at which point of its warp's history, from which line. Two accesses race when
// neither happened before the other: of two blocks always, of two warps unless a barrier or an
// mbarrier lies between them, of two lanes unless a warp operation does.
#include <algorithm>
#include <memory>

#include "emulator/state.h"

namespace athanor::emulator {
namespace {

constexpr size_t kCellBytes = 4;
constexpr int kReads = 3;

struct Access {
  uint32_t launch, block;
  uint16_t thread;
  uint8_t bytes;  // a bit a byte of the cell; 0: no access
  AccessKind kind;
  uint32_t clock;
  uint32_t proxy_fences;  // that its thread had passed
  const void* code;
  Site site;
};

struct Cell {
  Access write;
  Access reads[kReads];
};

struct GlobalShadow {
  size_t bytes;
  std::unique_ptr<Cell[]> cells;  // made at the first access
};

bool enabled = false;
std::unique_ptr<Cell[]> shared_cells;
std::map<const char*, GlobalShadow> global_shadows;

size_t cell_count(size_t bytes) { return bytes / kCellBytes + 2; }

bool happened_before(const Access& access) {
  const Thread& now = *machine.current;
  const unsigned warp = access.thread / 32;
  if (access.thread == now.linear) return true;
  if (warp == now.warp_index) return access.clock < now.warp->clock[warp];
  return access.clock <= now.warp->clock[warp];
}

bool conflicts(const Access& earlier, const Access& now) {
  if (earlier.launch != now.launch || !(earlier.bytes & now.bytes)) return false;
  if (earlier.kind == AccessKind::kAtomic && now.kind == AccessKind::kAtomic) return false;
  return earlier.block != now.block || !happened_before(earlier);
}

/// The cells of an array or allocation and the place of an access in it; no cells for memory of
/// nobody or out of bounds.
struct Place {
  Cell* cells;
  size_t offset;
  const char* space;
  const char* name;
};
constexpr Place kNowhere{nullptr, 0, "", ""};

std::string place_of(const Access& access) {
  return access.site.file != nullptr ? describe(access.site) : " at " + code_line(access.code);
}

void report(const Access& earlier, const Access& now, const char* kind, const Place& place) {
  fail(std::string(place.space) + " memory race (" + kind + ") on " + place.name + ":" + place_of(now) +
           " against thread " + std::to_string(earlier.thread) + " of block " +
           std::to_string(earlier.block) + place_of(earlier),
       {});
}

/// Reports a thread's own write that wgmma or a bulk copy reads without a proxy fence of the
/// thread in between.
bool lacks_proxy_fence(const Access& write, const Access& now) {
  return now.kind == AccessKind::kAsync && write.kind != AccessKind::kAsync && write.launch == now.launch &&
         (write.bytes & now.bytes) && machine.threads[write.thread].proxy_fences == write.proxy_fences;
}

void record(Cell& cell, const Access& now, bool is_write, const Place& where) {
  if (conflicts(cell.write, now)) {
    return report(cell.write, now, is_write ? "write after write" : "read of another thread's write", where);
  }
  if (!is_write && where.cells == shared_cells.get() && lacks_proxy_fence(cell.write, now)) {
    return fail("no proxy fence between a write" + place_of(cell.write) + " and its asynchronous read" +
                    place_of(now),
                {});
  }
  if (is_write) {
    for (Access& read : cell.reads) {
      if (conflicts(read, now)) return report(read, now, "write after read", where);
      read.bytes &= static_cast<uint8_t>(~now.bytes);
    }
    cell.write = now;
    return;
  }
  for (Access& read : cell.reads) {
    const bool is_stale = read.launch != now.launch || read.bytes == 0;
    if (is_stale || (read.block == now.block && happened_before(read))) {
      read = now;
      return;
    }
  }
  cell.reads[next_random() % kReads] = now;
}

Place shared_place(size_t offset, size_t bytes, const Access& now) {
  for (const SharedRegion& region : shared_regions()) {
    if (offset >= region.offset && offset + bytes <= region.offset + region.bytes) {
      return {shared_cells.get(), offset, "shared", region.name};
    }
  }
  fail("shared memory out of bounds: " + std::to_string(bytes) + " bytes at offset " +
           std::to_string(offset) + place_of(now),
       {});
  return kNowhere;
}

// Most accesses are in the same array as the last one.
struct {
  const char* begin = nullptr;
  GlobalShadow* shadow = nullptr;
} recent;

Place global_place(const char* pointer, size_t bytes, const Access& now) {
  const bool is_recent =
      recent.shadow != nullptr && pointer >= recent.begin && pointer < recent.begin + recent.shadow->bytes;
  if (!is_recent) {
    auto found = global_shadows.upper_bound(pointer);
    if (found == global_shadows.begin()) return kNowhere;
    --found;
    if (pointer >= found->first + found->second.bytes + 256) return kNowhere;
    recent = {found->first, &found->second};
  }
  const auto offset = static_cast<size_t>(pointer - recent.begin);
  if (offset + bytes > recent.shadow->bytes) {
    fail("global memory out of bounds: " + std::to_string(bytes) + " bytes at offset " +
             std::to_string(offset) + " of an allocation of " + std::to_string(recent.shadow->bytes) +
             place_of(now),
         {});
    return kNowhere;
  }
  auto& cells = recent.shadow->cells;
  if (!cells) cells.reset(new Cell[cell_count(recent.shadow->bytes)]());
  return {cells.get(), offset, "global", "memory"};
}

}  // namespace

void race_detection_on() {
  enabled = true;
  shared_cells.reset(new Cell[cell_count(kSharedArena)]());
}

bool detects_races() { return enabled; }

void race_begin_block() {
  if (!enabled) return;
  std::fill_n(shared_cells.get(), std::min(cell_count(stats().shared_peak + 64), cell_count(kSharedArena)),
              Cell());
}

void race_new_allocation(const void* pointer, size_t bytes) {
  if (enabled) global_shadows[static_cast<const char*>(pointer)] = {bytes, nullptr};
}

void race_drop_allocation(const void* pointer) {
  recent = {};
  global_shadows.erase(static_cast<const char*>(pointer));
}

void race_access(const void* pointer, size_t bytes, bool is_write, const void* code, Site site,
                 AccessKind kind) {
  if (!enabled || machine.current == nullptr || !machine.error.empty()) return;
  const auto* p = static_cast<const unsigned char*>(pointer);
  const Thread& thread = *machine.current;
  Access now{machine.launch,
             machine.block,
             static_cast<uint16_t>(thread.linear),
             0,
             kind,
             thread.warp->clock[thread.warp_index],
             thread.proxy_fences,
             code,
             site};
  const bool is_shared = p >= shared_arena && p < shared_arena + sizeof shared_arena;
  const Place place = is_shared ? shared_place(shared_offset(p), bytes, now)
                                : global_place(reinterpret_cast<const char*>(p), bytes, now);
  if (place.cells == nullptr) return;
  const size_t begin = place.offset, end = begin + bytes;
  for (size_t cell = begin / kCellBytes; cell * kCellBytes < end; ++cell) {
    const size_t low = std::max(begin, cell * kCellBytes), high = std::min(end, (cell + 1) * kCellBytes);
    now.bytes = static_cast<uint8_t>(((1u << (high - low)) - 1) << (low - cell * kCellBytes));
    record(place.cells[cell], now, is_write, place);
    if (!machine.error.empty()) return;
  }
}

}  // namespace athanor::emulator
