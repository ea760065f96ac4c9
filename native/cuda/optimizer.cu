// Both kernels are bound by memory. AdamW moves 28 bytes per f32 parameter (4 streams read, 3
// written) and 24 per bf16 parameter; the norm moves 4. Tensors are passed by value, as many per
// launch as fit the 4 KiB of a kernel's parameters: no copy, no wait.
#include "kernels/optimizer.h"

#include <algorithm>
#include <cmath>

#include "core/stochastic_rounding.h"
#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

constexpr int kTensors = 56;
// 16 elements per thread keep enough loads in flight. A block has one chunk of a tensor.
constexpr int64_t kChunk = kOptimizerChunk;

struct AdamwConstants {
  float gradient_scale, first_rate, beta2, second_rate, step_size, second_scale, eps;
};

/// Tensors of one type T.
template <class T>
struct AdamwList {
  struct Item {
    T* parameter;
    const float* gradient;
    float* first;
    float* second;
    int64_t count;
    int32_t first_chunk;
    float keep;
    uint64_t stream;  // of its rounding
    int64_t begin;    // of these elements in the tensor
  } items[kTensors];
  int count;
  AdamwConstants constants;
  uint64_t seed;
};
static_assert(sizeof(AdamwList<bf16>) <= 4096);

struct SpanList {
  struct Item {
    const void* data;
    int64_t count;
    int32_t first_chunk;
    DType dtype;
  } items[kTensors];
  int count;
};

/// The item that a chunk belongs to; chunks of all items are numbered one after another.
template <class List>
__device__ __forceinline__ int item_of_chunk(const List& list, int chunk) {
  int low = 0, high = list.count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (list.items[middle].first_chunk <= chunk ? low : high) = middle;
  }
  return low;
}

__device__ __forceinline__ void adamw_element(const AdamwConstants& k, float keep, float& p, float g,
                                              float& m, float& v) {
  g *= k.gradient_scale;
  m = fmaf(g - m, k.first_rate, m);
  v = fmaf(v, k.beta2, g * g * k.second_rate);
  p = p * keep - k.step_size * (m / fmaf(sqrtf(v), k.second_scale, k.eps));
}

__global__ void __launch_bounds__(kBlock) adamw_kernel(const __grid_constant__ AdamwList<float> list) {
  const auto chunk = static_cast<int>(blockIdx.x);
  const auto& t = list.items[item_of_chunk(list, chunk)];
  const int64_t begin = (chunk - t.first_chunk) * kChunk;
  const int64_t end = begin + kChunk < t.count ? begin + kChunk : t.count;
  int64_t i = begin + threadIdx.x * 4;
  for (; i + 4 <= end; i += kBlock * 4) {
    float4 p = *reinterpret_cast<float4*>(t.parameter + i), m = *reinterpret_cast<float4*>(t.first + i);
    float4 v = *reinterpret_cast<float4*>(t.second + i);
    const float4 g = *reinterpret_cast<const float4*>(t.gradient + i);
    adamw_element(list.constants, t.keep, p.x, g.x, m.x, v.x);
    adamw_element(list.constants, t.keep, p.y, g.y, m.y, v.y);
    adamw_element(list.constants, t.keep, p.z, g.z, m.z, v.z);
    adamw_element(list.constants, t.keep, p.w, g.w, m.w, v.w);
    *reinterpret_cast<float4*>(t.parameter + i) = p;
    *reinterpret_cast<float4*>(t.first + i) = m;
    *reinterpret_cast<float4*>(t.second + i) = v;
  }
  for (; i < end; ++i) {
    adamw_element(list.constants, t.keep, t.parameter[i], t.gradient[i], t.first[i], t.second[i]);
  }
}

/// One element per thread, for tensors that do not start at a multiple of 16 bytes.
__global__ void __launch_bounds__(kBlock)
    adamw_unaligned_kernel(const __grid_constant__ AdamwList<float> list) {
  const auto chunk = static_cast<int>(blockIdx.x);
  const auto& t = list.items[item_of_chunk(list, chunk)];
  const int64_t begin = (chunk - t.first_chunk) * kChunk;
  const int64_t end = begin + kChunk < t.count ? begin + kChunk : t.count;
  for (int64_t i = begin + threadIdx.x; i < end; i += kBlock) {
    adamw_element(list.constants, t.keep, t.parameter[i], t.gradient[i], t.first[i], t.second[i]);
  }
}

/// A thread has one Philox block and its eight elements, which are 16 apart: half a warp reads 64
/// bytes of f32 in a row and 32 of bf16, which are whole sectors, at any address.
__global__ void __launch_bounds__(kBlock) adamw_rounded_kernel(const __grid_constant__ AdamwList<bf16> list) {
  static_assert(kChunk % kRoundingGroup == 0);
  const auto chunk = static_cast<int>(blockIdx.x);
  const auto& t = list.items[item_of_chunk(list, chunk)];
  const int64_t begin = (chunk - t.first_chunk) * kChunk;
  const int64_t end = begin + kChunk < t.count ? begin + kChunk : t.count;
  constexpr int kChunkBlocks = kChunk / kRoundingHalves;
  for (int block = static_cast<int>(threadIdx.x); block < kChunkBlocks; block += kBlock) {
    const int64_t first = begin + block / kRoundingBlocks * kRoundingGroup + block % kRoundingBlocks;
    if (first >= end) return;
    const PhiloxBlock bits =
        philox(list.seed, t.stream, static_cast<uint64_t>((t.begin + begin) / kRoundingHalves + block));
#pragma unroll
    for (int half = 0; half < kRoundingHalves; ++half) {
      const int64_t i = first + half * kRoundingBlocks;
      if (i >= end) break;
      float p = widen(t.parameter[i]);
      adamw_element(list.constants, t.keep, p, t.gradient[i], t.first[i], t.second[i]);
      t.parameter[i] = round_stochastically(p, bits.word[half / 2] >> half % 2 * 16 & 0xffffu);
    }
  }
}

void launch_list(const AdamwList<float>& list, unsigned chunks) {
  bool is_vector = true;
  for (int i = 0; i < list.count; ++i) {
    const auto& t = list.items[i];
    is_vector = is_vector && are_aligned(t.parameter, t.gradient, t.first, t.second);
  }
  launch(is_vector ? adamw_kernel : adamw_unaligned_kernel, Launch{chunks, kBlock}, list);
}

void launch_list(const AdamwList<bf16>& list, unsigned chunks) {
  launch(adamw_rounded_kernel, Launch{chunks, kBlock}, list);
}

/// The tensors whose parameters are of type T.
template <class T>
void step_tensors(const AdamwTensor* tensors, int64_t count, const AdamwSettings& s,
                  const AdamwConstants& constants) {
  AdamwList<T> list;
  list.constants = constants;
  list.seed = s.seed;
  list.count = 0;
  int64_t chunks = 0;
  const auto launch_all = [&] {
    if (chunks != 0) launch_list(list, static_cast<unsigned>(chunks));
    list.count = 0;
    chunks = 0;
  };
  for (int64_t i = 0; i < count; ++i) {
    const AdamwTensor& t = tensors[i];
    if (t.dtype != dtype_of<T>()) continue;
    if (list.count == kTensors) launch_all();
    list.items[list.count++] = {static_cast<T*>(t.parameter),
                                t.gradient,
                                t.first,
                                t.second,
                                t.count,
                                static_cast<int32_t>(chunks),
                                static_cast<float>(1.0 - s.lr * t.weight_decay),
                                rounding_stream(s.step, t.place),
                                t.begin};
    chunks += ceil_divide(t.count, kChunk);
  }
  launch_all();
}

void adamw_step(const AdamwTensor* tensors, int64_t count, const AdamwSettings& s) {
  const double step = static_cast<double>(s.step);
  const AdamwConstants constants{static_cast<float>(s.gradient_scale),
                                 static_cast<float>(1.0 - s.beta1),
                                 static_cast<float>(s.beta2),
                                 static_cast<float>(1.0 - s.beta2),
                                 static_cast<float>(s.lr / (1.0 - std::pow(s.beta1, step))),
                                 static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(s.beta2, step))),
                                 static_cast<float>(s.eps)};
  step_tensors<float>(tensors, count, s, constants);
  step_tensors<bf16>(tensors, count, s, constants);
}

template <class T>
__device__ __forceinline__ double squares(const T* data, int64_t begin, int64_t end) {
  double total = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kBlock) {
    const double x = widen(data[i]);
    total += x * x;
  }
  return total;
}

/// partial[chunk] = the chunk's sum of squares.
__global__ void __launch_bounds__(kBlock)
    squares_kernel(double* partial, const __grid_constant__ SpanList list) {
  ATHANOR_SHARED(double, scratch, [kBlock / kWarp]);
  const auto chunk = static_cast<int>(blockIdx.x);
  const auto& span = list.items[item_of_chunk(list, chunk)];
  const int64_t begin = (chunk - span.first_chunk) * kChunk;
  const int64_t end = begin + kChunk < span.count ? begin + kChunk : span.count;
  double total = span.dtype == DType::kF32 ? squares(static_cast<const float*>(span.data), begin, end)
                                           : squares(static_cast<const bf16*>(span.data), begin, end);
  total = block_sum(total, static_cast<double*>(scratch));
  if (threadIdx.x == 0) partial[chunk] = total;
}

void squares_by_chunk(const FloatSpan* spans, int64_t count, double* sums) {
  int64_t all_chunks = 0;
  for (int64_t i = 0; i < count; ++i) all_chunks += ceil_divide(spans[i].count, kChunk);
  if (all_chunks == 0) return;
  const auto bytes = static_cast<size_t>(all_chunks) * sizeof(double);
  const Scratch memory(bytes);
  auto* partial = memory.as<double>();
  int64_t done = 0;
  for (int64_t first = 0; first < count; first += kTensors) {
    SpanList list;
    list.count = static_cast<int>(std::min<int64_t>(kTensors, count - first));
    int64_t chunks = 0;
    for (int i = 0; i < list.count; ++i) {
      const FloatSpan& span = spans[first + i];
      list.items[i] = {span.data, span.count, static_cast<int32_t>(chunks), span.dtype};
      chunks += ceil_divide(span.count, kChunk);
    }
    if (chunks == 0) continue;
    launch(squares_kernel, Launch{static_cast<unsigned>(chunks), kBlock}, partial + done, list);
    done += chunks;
  }
  copy_to_host(sums, partial, bytes);
}

}  // namespace

const OptimizerKernels& optimizer_kernels() {
  static constexpr auto kTable = complete_table<OptimizerKernels>(adamw_step, squares_by_chunk);
  return kTable;
}

}  // namespace athanor::cuda
