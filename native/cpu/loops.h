// Loop shapes that kernel families share. A loop body gets an index and a type for the lanes:
// AllLanes inside a row, SomeLanes at its end. One body serves both and does the same arithmetic.
#pragma once

#include "core/thread_pool.h"
#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {

struct AllLanes {};
struct SomeLanes {
  int count;
};

template <class T>
ATHANOR_INLINE VecF load(const T* p, AllLanes, float = 0.0f) {
  return load(p);
}
/// Lanes past the end hold `fill`.
template <class T>
ATHANOR_INLINE VecF load(const T* p, SomeLanes lanes, float fill = 0.0f) {
  return load_partial(p, lanes.count, fill);
}
template <class T, class Values>
ATHANOR_INLINE void store(T* p, Values v, AllLanes) {
  store(p, v);
}
template <class T, class Values>
ATHANOR_INLINE void store(T* p, Values v, SomeLanes lanes) {
  store_partial(p, v, lanes.count);
}

/// Stores v and returns it as a later load reads it.
template <class Lanes>
ATHANOR_INLINE VecF store_rounded(float* p, VecF v, Lanes lanes) {
  store(p, v, lanes);
  return v;
}
template <class Lanes>
ATHANOR_INLINE VecF store_rounded(bf16* p, VecF v, Lanes lanes) {
  store(p, v, lanes);
  return widen(narrow(v));
}

/// Calls body(i, lanes) over [begin, end).
template <class Body>
ATHANOR_INLINE void for_lanes(int64_t begin, int64_t end, Body&& body) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) body(i, AllLanes{});
  if (i < end) body(i, SomeLanes{static_cast<int>(end - i)});
}

/// A sum over [begin, end) of term(i, lanes), which must be 0 in lanes past the end. It keeps four
/// sums in turn, because an addition takes four cycles and one chain would wait for each.
template <class Term>
ATHANOR_INLINE VecF sum_lanes(int64_t begin, int64_t end, Term&& term) {
  VecF a = zero(), b = zero(), c = zero(), d = zero();
  int64_t i = begin;
  for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
    a += term(i, AllLanes{});
    b += term(i + kLanes, AllLanes{});
    c += term(i + 2 * kLanes, AllLanes{});
    d += term(i + 3 * kLanes, AllLanes{});
  }
  for_lanes(i, end, [&](int64_t j, auto lanes) { a += term(j, lanes); });
  return (a + b) + (c + d);
}

/// Calls body(T{}) with T the element type of a floating dtype.
template <class Body>
ATHANOR_INLINE void for_dtype(DType dtype, Body&& body) {
  if (dtype == DType::kF32) return body(float{});
  body(bf16{});
}

// 16 KiB of f32: a third of a 48 KiB L1, and large enough that handing out a chunk (about 50 ns)
// does not show.
constexpr int64_t kChunk = 4096;

/// Calls body(chunk, begin, end) in parallel over chunks of kChunk elements.
template <class Body>
ATHANOR_INLINE void for_chunks(int64_t count, Body&& body) {
  parallel_for(ceil_divide(count, kChunk),
               [&](int64_t chunk) { body(chunk, chunk * kChunk, smaller(count, (chunk + 1) * kChunk)); });
}

/// Calls body(begin, end) in parallel over blocks of whole rows of about kChunk elements.
template <class Body>
ATHANOR_INLINE void for_row_blocks(int64_t rows, int64_t channels, Body&& body) {
  const int64_t block = larger<int64_t>(1, kChunk / larger<int64_t>(1, channels));
  parallel_for(ceil_divide(rows, block), [&](int64_t i) { body(i * block, smaller(rows, (i + 1) * block)); });
}

/// out[i] = f(a[i])
template <class Out, class In, class Function>
ATHANOR_INLINE void map1(Out* out, const In* a, int64_t count, Function f) {
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    for_lanes(begin, end, [&](int64_t i, auto lanes) { store(out + i, f(load(a + i, lanes)), lanes); });
  });
}

/// out[i] = f(a[i], b[i])
template <class T, class Function>
ATHANOR_INLINE void map2(T* out, const T* a, const T* b, int64_t count, Function f) {
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    for_lanes(begin, end, [&](int64_t i, auto lanes) {
      store(out + i, f(load(a + i, lanes), load(b + i, lanes)), lanes);
    });
  });
}

}  // namespace athanor::cpu::ATHANOR_ISA
