// target[indices[i]] += source[i]. A task owns a range of channels and walks all rows in order:
// no two tasks share an element, and each element's sum has one order whatever the number of
// tasks or threads.
#pragma once

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {

// 512 bytes of an f32 row: a run that is long enough for the prefetcher, and 768 channels still
// make six tasks.
constexpr int64_t kScatterChannels = 128;
// Table rows are scattered, so the next ones are fetched by hand; eight rows ahead is about
// a memory latency.
constexpr int64_t kScatterAhead = 8;

template <class Target, class Source>
ATHANOR_INLINE void scatter_add(Target* target, const Source* source, const int32_t* indices, int64_t rows,
                                int64_t channels) {
  parallel_for(ceil_divide(channels, kScatterChannels), [&](int64_t task) {
    const int64_t begin = task * kScatterChannels;
    const int64_t count = smaller(channels - begin, kScatterChannels);
    for (int64_t row = 0; row < rows; ++row) {
      if (row + kScatterAhead < rows) {
        const Target* next = target + indices[row + kScatterAhead] * channels + begin;
        for (int64_t i = 0; i < count; i += 64 / static_cast<int64_t>(sizeof(Target)))
          __builtin_prefetch(next + i, 1);
      }
      Target* out = target + indices[row] * channels + begin;
      const Source* in = source + row * channels + begin;
      for_lanes(0, count, [&](int64_t i, auto lanes) {
        store(out + i, load(out + i, lanes) + load(in + i, lanes), lanes);
      });
    }
  });
}

}  // namespace athanor::cpu::ATHANOR_ISA
