#include "kernels/elementwise.h"

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

struct Axpby {
  float alpha, beta;
  __device__ float operator()(float a, float b) const { return a * alpha + b * beta; }
};
struct Lerp {
  float weight;
  // Fused, so that target keeps its bits where the two are equal.
  __device__ float operator()(float x, float y) const { return fmaf(y - x, weight, x); }
};
struct Scale {
  float alpha;
  __device__ float operator()(float a) const { return a * alpha; }
};
struct Multiply {
  __device__ float operator()(float a, float b) const { return a * b; }
};

void axpby(DType dtype, void* out, const void* a, float alpha, const void* b, float beta, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(out), static_cast<const T*>(a), static_cast<const T*>(b), count, Axpby{alpha, beta});
  });
}

void lerp(DType dtype, void* target, const void* source, float weight, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(target), static_cast<const T*>(target), static_cast<const T*>(source), count,
         Lerp{weight});
  });
}

void scale(DType dtype, void* out, const void* a, float alpha, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map1(static_cast<T*>(out), static_cast<const T*>(a), count, Scale{alpha});
  });
}

void multiply(DType dtype, void* out, const void* a, const void* b, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(out), static_cast<const T*>(a), static_cast<const T*>(b), count, Multiply{});
  });
}

template <int kWidth, class T>
__global__ void __launch_bounds__(kBlock) fill_kernel(T* out, float value, int64_t count) {
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  float x[kWidth];
#pragma unroll
  for (int i = 0; i < kWidth; ++i) x[i] = value;
  if (begin + kWidth <= count) {
    store(out + begin, x);
  } else {
    for (int64_t i = begin; i < count; ++i) out[i] = narrow<T>(value);
  }
}

void fill(DType dtype, void* out, float value, int64_t count) {
  if (count == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_width(is_aligned(out), [&](auto width) {
      launch(fill_kernel<width, T>, Launch{blocks_for(count, kBlock * width), kBlock}, static_cast<T*>(out),
             value, count);
    });
  });
}

void cast(DType to, void* out, DType from, const void* in, int64_t count) {
  for_dtype(to, [&](auto to_type) {
    for_dtype(from, [&](auto from_type) {
      map1(static_cast<decltype(to_type)*>(out), static_cast<const decltype(from_type)*>(in), count,
           Identity{});
    });
  });
}

constexpr int64_t kSumChunk = 4096;

template <class T>
__global__ void __launch_bounds__(kBlock) sum_kernel(float* partial, const T* a, int64_t count) {
  ATHANOR_SHARED(float, scratch, [kBlock / kWarp]);
  const int64_t begin = blockIdx.x * kSumChunk;
  const int64_t end = begin + kSumChunk < count ? begin + kSumChunk : count;
  float total = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kBlock) total += widen(a[i]);
  total = block_sum(total, static_cast<float*>(scratch));
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

/// One block adds up the chunks; each thread takes every 256th.
__global__ void __launch_bounds__(kBlock)
    sum_chunks_kernel(float* out, const float* partial, int64_t chunks) {
  ATHANOR_SHARED(double, scratch, [kBlock / kWarp]);
  double total = 0;
  for (int64_t i = threadIdx.x; i < chunks; i += kBlock) total += partial[i];
  total = block_sum(total, static_cast<double*>(scratch));
  if (threadIdx.x == 0) *out = static_cast<float>(total);
}

float sum(DType dtype, const void* a, int64_t count) {
  if (count == 0) return 0.0f;
  const unsigned chunks = blocks_for(count, kSumChunk);
  const Scratch partial((chunks + 1) * sizeof(float));
  float* total = partial.as<float>() + chunks;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    launch(sum_kernel<T>, Launch{chunks, kBlock}, partial.as<float>(), static_cast<const T*>(a), count);
  });
  launch(sum_chunks_kernel, Launch{1, kBlock}, total, partial.as<float>(), static_cast<int64_t>(chunks));
  float result;
  copy_to_host(&result, total, sizeof result);
  return result;
}

template <int kWidth, class T>
__global__ void __launch_bounds__(kBlock) sum_parts_kernel(T* out, SummedParts parts, int64_t count) {
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  const auto part = [&](int index) {
    return index == parts.own_index ? static_cast<const T*>(parts.own)
                                    : static_cast<const T*>(parts.base) + index * parts.stride;
  };
  if (begin + kWidth <= count) {
    float total[kWidth], next[kWidth];
    load(total, part(0) + begin);
    // Unrolled, it would need more registers than there are.
#pragma unroll 1
    for (int index = 1; index < parts.count; ++index) {
      load(next, part(index) + begin);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) total[i] += next[i];
    }
    store(out + begin, total);
  } else {
    for (int64_t i = begin; i < count; ++i) {
      float total = widen(part(0)[i]);
      for (int index = 1; index < parts.count; ++index) total += widen(part(index)[i]);
      out[i] = narrow<T>(total);
    }
  }
}

void sum_parts(DType dtype, void* out, const SummedParts& parts, int64_t count) {
  if (count == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const auto* base = static_cast<const T*>(parts.base);
    const auto* second = base + parts.stride;  // aligned like every other part
    const auto* own = static_cast<const T*>(parts.own);
    for_width(are_aligned(static_cast<T*>(out), base, second, own), [&](auto width) {
      launch(sum_parts_kernel<width, T>, Launch{blocks_for(count, kBlock * width), kBlock},
             static_cast<T*>(out), parts, count);
    });
  });
}

}  // namespace

const ElementwiseKernels& elementwise_kernels() {
  static constexpr auto kTable =
      complete_table<ElementwiseKernels>(axpby, lerp, scale, multiply, fill, cast, sum, sum_parts);
  return kTable;
}

}  // namespace athanor::cuda
