// A block per row. The likeliest tokens are found one by one: a pass over the row finds the largest
// logit below the last one. Few are asked for, and after the first pass the row is in the L2 cache.
#include "kernels/logits.h"

#include "cuda/loops.h"
#include "cuda/loss.h"
#include "kernels/rows.h"

namespace athanor::cuda {
namespace {

/// Larger for a larger logit, and for the lower of two tokens with equal logits; NaN is below all.
__device__ __forceinline__ uint64_t rank_of(float x, int64_t token) {
  const uint32_t bits = __float_as_uint(x + 0.0f);  // both zeros are equal
  const uint32_t ordered = (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  const uint64_t key = x != x ? 0 : ordered;
  return (key << 32) | ~static_cast<uint32_t>(token);
}

__global__ void __launch_bounds__(kBlock)
    top_tokens_kernel(int32_t* tokens, const float* logits, int64_t vocabulary, int64_t count) {
  ATHANOR_SHARED(uint64_t, ranks, [kBlock]);
  const float* const row = logits + static_cast<int64_t>(blockIdx.x) * vocabulary;
  uint64_t last = ~uint64_t{0};
  for (int64_t n = 0; n < count; ++n) {
    uint64_t best = 0;
    for (int64_t i = threadIdx.x; i < vocabulary; i += kBlock) {
      const uint64_t rank = rank_of(row[i], i);
      if (rank < last && rank > best) best = rank;
    }
    ranks[threadIdx.x] = best;
    __syncthreads();
    for (unsigned half = kBlock / 2; half > 0; half /= 2) {
      if (threadIdx.x < half && ranks[threadIdx.x + half] > ranks[threadIdx.x]) {
        ranks[threadIdx.x] = ranks[threadIdx.x + half];
      }
      __syncthreads();
    }
    last = ranks[0];
    if (threadIdx.x == 0) {
      tokens[static_cast<int64_t>(blockIdx.x) * count + n] =
          static_cast<int32_t>(~static_cast<uint32_t>(last));
    }
    __syncthreads();
  }
}

void top_tokens(int32_t* tokens, const float* logits, int64_t rows, int64_t vocabulary, int64_t count) {
  if (rows == 0) return;
  launch(top_tokens_kernel, Launch{static_cast<unsigned>(rows), kBlock}, tokens, logits, vocabulary, count);
}

/// The kernel of the losses takes one token per row, so each column of tokens is a launch.
void log_probs(float* out, const float* logits, const int32_t* tokens, int64_t rows, int64_t vocabulary,
               int64_t count, float inverse_temperature) {
  if (rows * count == 0) return;
  const size_t bytes = static_cast<size_t>(rows * count) * sizeof(float);
  const Scratch columns(bytes), results(bytes);
  rows_kernels().transpose(columns.as<int32_t>(), tokens, rows, count, sizeof(int32_t));
  for (int64_t i = 0; i < count; ++i) {
    token_log_probs(results.as<float>() + i * rows, logits, columns.as<int32_t>() + i * rows, rows,
                    vocabulary, inverse_temperature);
  }
  rows_kernels().transpose(out, results.as<float>(), count, rows, sizeof(float));
}

__global__ void __launch_bounds__(kBlock)
    add_at_kernel(float* out, const float* logits, const int32_t* tokens, const float* values,
                  int64_t vocabulary, int64_t count) {
  const int64_t r = blockIdx.x;
  for (int64_t i = threadIdx.x; i < vocabulary; i += kBlock) {
    out[r * vocabulary + i] = logits[r * vocabulary + i];
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  // One thread, because a token may be there twice and sums have an order.
  for (int64_t i = r * count; i < (r + 1) * count; ++i) {
    if (tokens[i] >= 0) out[r * vocabulary + tokens[i]] += values[i];
  }
}

void add_at(float* out, const float* logits, const int32_t* tokens, const float* values, int64_t rows,
            int64_t vocabulary, int64_t count) {
  if (rows == 0) return;
  launch(add_at_kernel, Launch{static_cast<unsigned>(rows), kBlock}, out, logits, tokens, values, vocabulary,
         count);
}

__global__ void __launch_bounds__(kBlock) cap_kernel(float* logits, float* slopes, int64_t count, float cap) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= count) return;
  const float t = tanhf(logits[i] / cap);
  logits[i] = t * cap;
  if (slopes != nullptr) slopes[i] = (1.0f - t) * (1.0f + t);
}

void cap_logits(float* logits, float* slopes, int64_t count, float cap) {
  if (count == 0) return;
  launch(cap_kernel, Launch{blocks_for(count, kBlock), kBlock}, logits, slopes, count, cap);
}

template <class T>
__global__ void __launch_bounds__(kBlock)
    multiply_slopes_kernel(T* gradients, int64_t stride, const float* slopes, int64_t rows,
                           int64_t vocabulary) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= rows * vocabulary) return;
  T& gradient = gradients[i / vocabulary * stride + i % vocabulary];
  gradient = narrow<T>(widen(gradient) * slopes[i]);
}

void multiply_slopes(DType dtype, void* gradients, int64_t stride, const float* slopes, int64_t rows,
                     int64_t vocabulary) {
  if (rows * vocabulary == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    launch(multiply_slopes_kernel<T>, Launch{blocks_for(rows * vocabulary, kBlock), kBlock},
           static_cast<T*>(gradients), stride, slopes, rows, vocabulary);
  });
}

}  // namespace

const LogitsKernels& logits_kernels() {
  static constexpr auto kTable =
      complete_table<LogitsKernels>(log_probs, top_tokens, add_at, cap_logits, multiply_slopes);
  return kTable;
}

}  // namespace athanor::cuda
