// Memory-bound loops over chunks of fixed size, so that the order of a sum follows the chunks and
// not the threads.
#include "kernels/elementwise.h"

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

void axpby(DType dtype, void* out, const void* a, float alpha, const void* b, float beta, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(out), static_cast<const T*>(a), static_cast<const T*>(b), count,
         [=](VecF x, VecF y) { return fma(x, set1(alpha), y * set1(beta)); });
  });
}

void lerp(DType dtype, void* target, const void* source, float weight, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(target), static_cast<const T*>(target), static_cast<const T*>(source), count,
         [=](VecF x, VecF y) { return fma(y - x, set1(weight), x); });
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
    auto* target = static_cast<T*>(out);
    for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) target[i] = element;
    });
  });
}

void cast(DType to, void* out, DType from, const void* in, int64_t count) {
  for_dtype(to, [&](auto to_type) {
    for_dtype(from, [&](auto from_type) {
      using To = decltype(to_type);
      using From = decltype(from_type);
      map1(static_cast<To*>(out), static_cast<const From*>(in), count, [](VecF x) { return x; });
    });
  });
}

float sum(DType dtype, const void* a, int64_t count) {
  const int64_t chunks = ceil_divide(count, kChunk);
  auto* partial = static_cast<float*>(thread_scratch(static_cast<size_t>(chunks) * sizeof(float)));
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const auto* source = static_cast<const T*>(a);
    for_chunks(count, [&](int64_t chunk, int64_t begin, int64_t end) {
      partial[chunk] =
          reduce_add(sum_lanes(begin, end, [&](int64_t i, auto lanes) { return load(source + i, lanes); }));
    });
  });
  float total = 0.0f;
  for (int64_t i = 0; i < chunks; ++i) total += partial[i];
  return total;
}

void sum_parts(DType dtype, void* out, const SummedParts& parts, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    auto* target = static_cast<T*>(out);
    const auto part = [&](int index) {
      return index == parts.own_index ? static_cast<const T*>(parts.own)
                                      : static_cast<const T*>(parts.base) + index * parts.stride;
    };
    for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
      for_lanes(begin, end, [&](int64_t i, auto lanes) {
        VecF total = load(part(0) + i, lanes);
        for (int index = 1; index < parts.count; ++index) total = total + load(part(index) + i, lanes);
        store(target + i, total, lanes);
      });
    });
  });
}

}  // namespace

constinit const ElementwiseKernels elementwise_kernels_table =
    complete_table<ElementwiseKernels>(axpby, lerp, scale, multiply, fill, cast, sum, sum_parts);

}  // namespace athanor::cpu::ATHANOR_ISA
