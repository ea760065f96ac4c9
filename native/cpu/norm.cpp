// Layer norm and RMS norm are one code: RMS norm is layer norm with a mean of 0 and no bias. A row
// is read once from memory and then two or three times from L1. Weight gradients are summed over
// fixed blocks of rows, then over the blocks in order, so their bits do not depend on the threads.
#include "kernels/norm.h"

#include "cpu/column_sum.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

template <bool kCentered, class Lanes>
ATHANOR_INLINE VecF gain(const float* weight, float offset, Lanes lanes) {
  return kCentered ? load(weight, lanes) : load(weight, lanes) + set1(offset);
}

template <bool kCentered, class T>
ATHANOR_INLINE void forward_row(T* y, T* sum, float* mean, float* rstd, const T* x, const T* delta,
                                const float* weight, float weight_offset, const float* bias, float eps,
                                int64_t channels) {
  // Sum the row: layer norm needs the mean before the squares, RMS norm takes the squares at once.
  const auto first = [](VecF v) { return kCentered ? v : v * v; };
  VecF total;
  if (delta != nullptr) {
    total = sum_lanes(0, channels, [&](int64_t i, auto lanes) {
      return first(store_rounded(sum + i, load(x + i, lanes) + load(delta + i, lanes), lanes));
    });
  } else {
    sum = const_cast<T*>(x);
    total = sum_lanes(0, channels, [&](int64_t i, auto lanes) { return first(load(x + i, lanes)); });
  }
  const float inverse_count = 1.0f / static_cast<float>(channels);
  const float average = kCentered ? reduce_add(total) * inverse_count : 0.0f;
  // Sum the squared distances from the mean.
  if (kCentered) {
    total = sum_lanes(0, channels, [&](int64_t i, auto lanes) {
      const VecF v = load(sum + i, lanes, average) - set1(average);
      return v * v;
    });
    *mean = average;
  }
  const float scale = 1.0f / __builtin_sqrtf(reduce_add(total) * inverse_count + eps);
  *rstd = scale;
  // Normalise.
  for_lanes(0, channels, [&](int64_t i, auto lanes) {
    // The passes over L1 leave memory idle, so fetch the next row meanwhile.
    __builtin_prefetch(x + channels + i);
    if (delta != nullptr) __builtin_prefetch(delta + channels + i);
    const VecF normal = (load(sum + i, lanes) - set1(average)) * set1(scale);
    const VecF shift = bias != nullptr ? load(bias + i, lanes) : zero();
    store(y + i, fma(normal, gain<kCentered>(weight + i, weight_offset, lanes), shift), lanes);
  });
}

template <bool kCentered>
void forward(const NormForwardArgs& args) {
  const int64_t channels = args.channels;
  for_dtype(args.dtype, [&](auto type) {
    using T = decltype(type);
    for_row_blocks(args.rows, channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t at = row * channels;
        forward_row<kCentered, T>(static_cast<T*>(args.y) + at, static_cast<T*>(args.sum) + at,
                                  kCentered ? args.mean + row : nullptr, args.rstd + row,
                                  static_cast<const T*>(args.x) + at,
                                  args.delta != nullptr ? static_cast<const T*>(args.delta) + at : nullptr,
                                  args.weight, args.weight_offset, args.bias, args.eps, channels);
      }
    });
  });
}

/// With g = dy * weight and n the normalised row: dx = rstd * (g - mean(g) - n * mean(g *
/// n)) + dsum.
template <bool kCentered, class T>
ATHANOR_INLINE void backward_row(T* dx, float* dweight, float* dbias, const T* dy, const T* dsum,
                                 const T* sum, const float* weight, float weight_offset, float mean,
                                 float rstd, int64_t channels) {
  // Sum g and g * n over the row, and add to the weight gradients.
  VecF g_sum = zero();
  const VecF gn_sum = sum_lanes(0, channels, [&](int64_t i, auto lanes) {
    const VecF d = load(dy + i, lanes);
    const VecF n = (load(sum + i, lanes, mean) - set1(mean)) * set1(rstd);
    const VecF g = d * gain<kCentered>(weight + i, weight_offset, lanes);
    store(dweight + i, fma(d, n, load(dweight + i, lanes)), lanes);
    if (dbias != nullptr) store(dbias + i, load(dbias + i, lanes) + d, lanes);
    if (kCentered) g_sum += g;
    return g * n;
  });
  const float inverse_count = 1.0f / static_cast<float>(channels);
  const VecF g_mean = set1(kCentered ? reduce_add(g_sum) * inverse_count : 0.0f);
  const VecF gn_mean = set1(reduce_add(gn_sum) * inverse_count);
  // Write dx.
  for_lanes(0, channels, [&](int64_t i, auto lanes) {
    const VecF n = (load(sum + i, lanes) - set1(mean)) * set1(rstd);
    const VecF g = load(dy + i, lanes) * gain<kCentered>(weight + i, weight_offset, lanes);
    const VecF residual = dsum != nullptr ? load(dsum + i, lanes) : zero();
    store(dx + i, fma((g - g_mean) - n * gn_mean, set1(rstd), residual), lanes);
  });
}

template <bool kCentered>
void backward(const NormBackwardArgs& args) {
  const int64_t rows = args.rows, channels = args.channels;
  const int64_t block_rows = sum_block_rows(rows);
  const int64_t blocks = ceil_divide(rows, block_rows);
  const bool has_bias = args.dbias != nullptr;
  const int64_t stride = channels * (has_bias ? 2 : 1);
  auto* partial = static_cast<float*>(thread_scratch(static_cast<size_t>(blocks * stride) * sizeof(float)));
  for_dtype(args.dtype, [&](auto type) {
    using T = decltype(type);
    parallel_for(blocks, [&](int64_t block) {
      float* weights = partial + block * stride;
      float* biases = has_bias ? weights + channels : nullptr;
      for (int64_t i = 0; i < stride; ++i) weights[i] = 0.0f;
      const int64_t end = smaller(rows, (block + 1) * block_rows);
      for (int64_t row = block * block_rows; row < end; ++row) {
        const int64_t at = row * channels;
        backward_row<kCentered, T>(static_cast<T*>(args.dx) + at, weights, biases,
                                   static_cast<const T*>(args.dy) + at,
                                   args.dsum != nullptr ? static_cast<const T*>(args.dsum) + at : nullptr,
                                   static_cast<const T*>(args.sum) + at, args.weight, args.weight_offset,
                                   kCentered ? args.mean[row] : 0.0f, args.rstd[row], channels);
      }
    });
  });
  add_partial_rows(args.dweight, partial, stride, blocks, channels);
  if (has_bias) add_partial_rows(args.dbias, partial + channels, stride, blocks, channels);
}

}  // namespace

constinit const NormKernels norm_kernels_table =
    complete_table<NormKernels>(forward<true>, backward<true>, forward<false>, backward<false>);

}  // namespace athanor::cpu::ATHANOR_ISA
