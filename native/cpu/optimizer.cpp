// Both kernels are bound by memory: AdamW moves 28 bytes per parameter (4 streams read, 3 written),
// 24 where it is bf16; the norm moves 4. Rounding costs some 20 instructions per vector of 16.
#include "kernels/optimizer.h"

#include "cpu/loops.h"
#include "cpu/stochastic_rounding.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

/// The tensor that holds a chunk, when the chunks of all tensors are numbered one after another and
/// offsets[i] is the first of tensor i.
ATHANOR_INLINE int64_t tensor_of_chunk(const int64_t* offsets, int64_t count, int64_t chunk) {
  int64_t low = 0, high = count;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (offsets[middle] <= chunk ? low : high) = middle;
  }
  return low;
}

/// Fills offsets and returns the number of chunks.
template <class Span>
ATHANOR_INLINE int64_t number_chunks(int64_t* offsets, const Span* spans, int64_t count) {
  int64_t chunks = 0;
  for (int64_t i = 0; i < count; ++i) {
    offsets[i] = chunks;
    chunks += ceil_divide(spans[i].count, kChunk);
  }
  return chunks;
}

struct AdamwConstants {
  VecF gradient_scale, first_rate, beta2, second_rate, step_size, second_scale, eps;
};

/// Stores the moments and returns the parameter's new value, from its old one.
template <class Lanes>
ATHANOR_INLINE VecF adamw_lanes(const AdamwTensor& t, int64_t i, Lanes lanes, VecF p, const AdamwConstants& k,
                                float keep) {
  const VecF g = load(t.gradient + i, lanes) * k.gradient_scale;
  const VecF m0 = load(t.first + i, lanes);
  const VecF m = fma(g - m0, k.first_rate, m0);
  const VecF v = fma(load(t.second + i, lanes), k.beta2, g * g * k.second_rate);
  const VecF denominator = fma(sqrt(v), k.second_scale, k.eps);
  store(t.first + i, m, lanes);
  store(t.second + i, v, lanes);
  return p * set1(keep) - k.step_size * (m / denominator);
}

ATHANOR_INLINE void adamw_chunk(const AdamwTensor& t, int64_t begin, int64_t end, const AdamwConstants& k,
                                float keep) {
  auto* parameter = static_cast<float*>(t.parameter);
  for_lanes(begin, end, [&](int64_t i, auto lanes) {
    const VecF p = load(parameter + i, lanes);
    store(parameter + i, adamw_lanes(t, i, lanes, p, k, keep), lanes);
  });
}

ATHANOR_INLINE void adamw_chunk_rounded(const AdamwTensor& t, int64_t begin, int64_t end,
                                        const AdamwConstants& k, float keep, uint64_t seed, uint64_t stream) {
  static_assert(kChunk % kRoundingGroup == 0 && kOptimizerChunk % kRoundingGroup == 0);
  const int64_t groups_before = t.begin / kRoundingGroup;
  auto* parameter = static_cast<bf16*>(t.parameter);
  for (int64_t first = begin; first < end; first += kRoundingGroup) {
    const RoundingBits bits = rounding_bits(seed, stream, groups_before + first / kRoundingGroup);
    for_lanes(first, smaller(end, first + kRoundingGroup), [&](int64_t i, auto lanes) {
      const VecF p = adamw_lanes(t, i, lanes, load(parameter + i, lanes), k, keep);
      store(parameter + i, narrow_stochastically(p, rounding_lanes(bits, i - first)), lanes);
    });
  }
}

void adamw_step(const AdamwTensor* tensors, int64_t count, const AdamwSettings& s) {
  auto* offsets = static_cast<int64_t*>(thread_scratch(static_cast<size_t>(count) * sizeof(int64_t)));
  const int64_t chunks = number_chunks(offsets, tensors, count);
  const double step = static_cast<double>(s.step);
  const AdamwConstants k{set1(static_cast<float>(s.gradient_scale)),
                         set1(static_cast<float>(1.0 - s.beta1)),
                         set1(static_cast<float>(s.beta2)),
                         set1(static_cast<float>(1.0 - s.beta2)),
                         set1(static_cast<float>(s.lr / (1.0 - __builtin_pow(s.beta1, step)))),
                         set1(static_cast<float>(1.0 / __builtin_sqrt(1.0 - __builtin_pow(s.beta2, step)))),
                         set1(static_cast<float>(s.eps))};
  parallel_for(chunks, [&](int64_t chunk) {
    const int64_t i = tensor_of_chunk(offsets, count, chunk);
    const AdamwTensor& t = tensors[i];
    const int64_t begin = (chunk - offsets[i]) * kChunk;
    const auto keep = static_cast<float>(1.0 - s.lr * t.weight_decay);
    const int64_t end = smaller(t.count, begin + kChunk);
    if (t.dtype == DType::kF32) return adamw_chunk(t, begin, end, k, keep);
    adamw_chunk_rounded(t, begin, end, k, keep, s.seed, rounding_stream(s.step, t.place));
  });
}

ATHANOR_INLINE VecD square_halves(VecF v) {
  const VecDPair d = to_double(v);
  return d.low * d.low + d.high * d.high;
}

template <class T>
ATHANOR_INLINE double squares_of_chunk(const T* data, int64_t begin, int64_t end) {
  VecD total[2] = {};
  int64_t i = begin;
  for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
    total[0] += square_halves(load(data + i));
    total[1] += square_halves(load(data + i + kLanes));
  }
  for_lanes(i, end, [&](int64_t j, auto lanes) { total[0] += square_halves(load(data + j, lanes)); });
  const VecD both = total[0] + total[1];
  double sum = 0.0;
  for (int lane = 0; lane < kLanes / 2; ++lane) sum += both[lane];
  return sum;
}

void squares_by_chunk(const FloatSpan* spans, int64_t count, double* sums) {
  static_assert(kChunk == kOptimizerChunk);
  auto* offsets = static_cast<int64_t*>(thread_scratch(static_cast<size_t>(count) * sizeof(int64_t)));
  const int64_t chunks = number_chunks(offsets, spans, count);
  parallel_for(chunks, [&](int64_t chunk) {
    const int64_t i = tensor_of_chunk(offsets, count, chunk);
    const FloatSpan& span = spans[i];
    const int64_t begin = (chunk - offsets[i]) * kChunk;
    const int64_t end = smaller(span.count, begin + kChunk);
    for_dtype(span.dtype, [&](auto type) {
      sums[chunk] = squares_of_chunk(static_cast<const decltype(type)*>(span.data), begin, end);
    });
  });
}

}  // namespace

constinit const OptimizerKernels optimizer_kernels_table =
    complete_table<OptimizerKernels>(adamw_step, squares_by_chunk);

}  // namespace athanor::cpu::ATHANOR_ISA
