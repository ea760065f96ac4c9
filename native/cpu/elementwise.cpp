// Memory-bound loops in chunks of fixed size, so that the sum's order is the chunks' and not the threads'.
#include "kernels/elementwise.h"

#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

// 16 KiB of f32: a third of a 48 KiB L1, and large enough that handing out a chunk (about 50 ns) does not
// show.
constexpr int64_t kChunk = 4096;

template <class Body>
void for_chunks(int64_t count, Body&& body) {
  parallel_for((count + kChunk - 1) / kChunk,
               [&](int64_t chunk) { body(chunk, chunk * kChunk, std::min(count, (chunk + 1) * kChunk)); });
}

template <class Body>
void for_dtype(DType dtype, Body&& body) {
  if (dtype == DType::kF32) return body(float{});
  return body(bf16{});
}

/// Calls vector(i) for whole vectors of [begin, end) and partial(i, count) for what is left.
template <class Vector, class Partial>
ATHANOR_INLINE void for_lanes(int64_t begin, int64_t end, Vector&& vector, Partial&& partial) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) vector(i);
  if (i < end) partial(i, static_cast<int>(end - i));
}

template <class T, class Function>
void map1(T* out, const T* a, int64_t count, Function f) {
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    for_lanes(
        begin, end, [&](int64_t i) { store(out + i, f(load(a + i))); },
        [&](int64_t i, int n) { store_partial(out + i, f(load_partial(a + i, n)), n); });
  });
}

template <class T, class Function>
void map2(T* out, const T* a, const T* b, int64_t count, Function f) {
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    for_lanes(
        begin, end, [&](int64_t i) { store(out + i, f(load(a + i), load(b + i))); },
        [&](int64_t i, int n) {
          store_partial(out + i, f(load_partial(a + i, n), load_partial(b + i, n)), n);
        });
  });
}

void axpby(DType dtype, void* out, const void* a, float alpha, const void* b, float beta, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(out), static_cast<const T*>(a), static_cast<const T*>(b), count,
         [=](VecF x, VecF y) { return fma(x, set1(alpha), y * set1(beta)); });
  });
}

void scale(DType dtype, void* out, const void* a, float alpha, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map1(static_cast<T*>(out), static_cast<const T*>(a), count, [=](VecF x) { return x * set1(alpha); });
  });
}

void multiply(DType dtype, void* out, const void* a, const void* b, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(out), static_cast<const T*>(a), static_cast<const T*>(b), count,
         [](VecF x, VecF y) { return x * y; });
  });
}

void fill(DType dtype, void* out, float value, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const T element = from_float<T>(value);
    for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
      std::fill(static_cast<T*>(out) + begin, static_cast<T*>(out) + end, element);
    });
  });
}

void cast(DType to, void* out, DType from, const void* in, int64_t count) {
  for_dtype(to, [&](auto to_type) {
    for_dtype(from, [&](auto from_type) {
      using To = decltype(to_type);
      using From = decltype(from_type);
      auto* target = static_cast<To*>(out);
      const auto* source = static_cast<const From*>(in);
      for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
        for_lanes(
            begin, end, [&](int64_t i) { store(target + i, load(source + i)); },
            [&](int64_t i, int n) { store_partial(target + i, load_partial(source + i, n), n); });
      });
    });
  });
}

float sum(DType dtype, const void* a, int64_t count) {
  const int64_t chunks = (count + kChunk - 1) / kChunk;
  auto* partial = static_cast<float*>(thread_scratch(static_cast<size_t>(chunks) * sizeof(float)));
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const auto* source = static_cast<const T*>(a);
    for_chunks(count, [&](int64_t chunk, int64_t begin, int64_t end) {
      VecF total = zero();
      for_lanes(
          begin, end, [&](int64_t i) { total += load(source + i); },
          [&](int64_t i, int n) { total += load_partial(source + i, n); });
      partial[chunk] = reduce_add(total);
    });
  });
  float total = 0.0f;
  for (int64_t i = 0; i < chunks; ++i) total += partial[i];
  return total;
}

}  // namespace

const ElementwiseKernels elementwise_kernels_table = {axpby, scale, multiply, fill, cast, sum};

}  // namespace athanor::cpu::ATHANOR_ISA
