// Barriers, shuffles, votes and atomics under their CUDA names.
#pragma once

#include <type_traits>

#include "emulator/runtime.h"

inline void __syncthreads(ATHANOR_SITE) { athanor::emulator::barrier(0, 0, site); }

inline void __syncwarp(uint32_t mask = 0xffffffffu, ATHANOR_SITE) {
  using namespace athanor::emulator;
  warp_operation(WarpKind::kSync, "__syncwarp", mask, nullptr, [](uint32_t, void* const*) {}, false, site);
}

inline void __threadfence() {}
inline void __threadfence_block() {}

namespace athanor::emulator {

enum class Shuffle { kIndex, kXor, kDown, kUp };

template <class T>
struct ShuffleArgument {
  T value, result;
  int operand;
  Shuffle kind;
  int width;
};

/// The lane that `lane` reads from: itself where the source is outside of its part of the warp.
inline int shuffle_source(int lane, int operand, Shuffle kind, int width) {
  const int begin = lane & ~(width - 1), end = begin + width;
  switch (kind) {
    case Shuffle::kIndex: return begin + (operand & (width - 1));
    case Shuffle::kXor: return (lane ^ operand) < end ? lane ^ operand : lane;
    case Shuffle::kDown: return lane + operand < end ? lane + operand : lane;
    case Shuffle::kUp: return lane - operand >= begin ? lane - operand : lane;
  }
  return lane;
}

template <class T>
void run_shuffle(uint32_t mask, void* const* arguments) {
  for (int lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1)) continue;
    auto& own = *static_cast<ShuffleArgument<T>*>(arguments[lane]);
    const int source = shuffle_source(lane, own.operand, own.kind, own.width);
    if (!(mask >> source & 1)) {
      fail("a shuffle reads lane " + std::to_string(source) + ", which is not in the mask", {});
      return;
    }
    own.result = static_cast<ShuffleArgument<T>*>(arguments[source])->value;
  }
}

template <class T>
T shuffle(uint32_t mask, T value, int operand, Shuffle kind, int width, Site site) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a shuffle moves 4 or 8 bytes");
  ShuffleArgument<T> argument{value, value, operand, kind, width};
  warp_operation(WarpKind::kShuffle, "__shfl_sync", mask, &argument, run_shuffle<T>, false, site);
  return argument.result;
}

struct VoteArgument {
  bool predicate;
  uint32_t ballot;
};

inline void run_vote(uint32_t mask, void* const* arguments) {
  uint32_t ballot = 0;
  for (int lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1 && static_cast<VoteArgument*>(arguments[lane])->predicate) ballot |= 1u << lane;
  }
  for (int lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1) static_cast<VoteArgument*>(arguments[lane])->ballot = ballot;
  }
}

inline uint32_t vote(uint32_t mask, bool predicate, Site site) {
  VoteArgument argument{predicate, 0};
  warp_operation(WarpKind::kVote, "__ballot_sync", mask, &argument, run_vote, false, site);
  return argument.ballot;
}

/// Threads switch only inside the emulator, so nothing interrupts a plain read and write.
template <class T, class Change>
__attribute__((no_sanitize("thread"), noinline)) T atomic_change(T* pointer, Change change, Site site) {
  note_access(pointer, sizeof(T), true, site, AccessKind::kAtomic);
  const T before = *pointer;
  *pointer = change(before);
  note_progress();
  return before;
}

}  // namespace athanor::emulator

template <class T>
T __shfl_sync(uint32_t mask, T value, int lane, int width = 32, ATHANOR_SITE) {
  using athanor::emulator::Shuffle;
  return athanor::emulator::shuffle(mask, value, lane, Shuffle::kIndex, width, site);
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32, ATHANOR_SITE) {
  using athanor::emulator::Shuffle;
  return athanor::emulator::shuffle(mask, value, lanes, Shuffle::kXor, width, site);
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned lanes, int width = 32, ATHANOR_SITE) {
  using athanor::emulator::Shuffle;
  return athanor::emulator::shuffle(mask, value, static_cast<int>(lanes), Shuffle::kDown, width, site);
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned lanes, int width = 32, ATHANOR_SITE) {
  using athanor::emulator::Shuffle;
  return athanor::emulator::shuffle(mask, value, static_cast<int>(lanes), Shuffle::kUp, width, site);
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate, ATHANOR_SITE) {
  return athanor::emulator::vote(mask, predicate != 0, site);
}
inline int __any_sync(uint32_t mask, int predicate, ATHANOR_SITE) {
  return athanor::emulator::vote(mask, predicate != 0, site) != 0;
}
inline int __all_sync(uint32_t mask, int predicate, ATHANOR_SITE) {
  return athanor::emulator::vote(mask, predicate != 0, site) == mask;
}

template <class T>
T __ldg(const T* pointer) {
  return *pointer;
}
template <class T>
T atomicAdd(T* pointer, std::type_identity_t<T> value, ATHANOR_SITE) {
  return athanor::emulator::atomic_change(pointer, [=](T old) { return old + value; }, site);
}
template <class T>
T atomicMax(T* pointer, std::type_identity_t<T> value, ATHANOR_SITE) {
  return athanor::emulator::atomic_change(pointer, [=](T old) { return value > old ? value : old; }, site);
}
template <class T>
T atomicExch(T* pointer, std::type_identity_t<T> value, ATHANOR_SITE) {
  return athanor::emulator::atomic_change(pointer, [=](T) { return value; }, site);
}
template <class T>
T atomicCAS(T* pointer, std::type_identity_t<T> expected, std::type_identity_t<T> value, ATHANOR_SITE) {
  return athanor::emulator::atomic_change(
      pointer, [=](T old) { return old == expected ? value : old; }, site);
}
