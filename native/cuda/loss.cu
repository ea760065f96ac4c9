// A block per row. The row is read once for its log-sum-exp and once more, mostly from the L2
// cache, for each result.
#include "cuda/loss.h"

#include "cuda/loops.h"
#include "kernels/loss.h"

namespace athanor::cuda {
namespace {

// Two blocks per multiprocessor: an H100 then works on 264 rows, which with a vocabulary of 50,304
// take about the 50 MiB of its L2 cache.
constexpr int kRowThreads = 1024;
constexpr int kRowWarps = kRowThreads / kWarp;
// Stands for log p where p is 0: p log p is 0 there, but 0 * -inf would be NaN.
constexpr float kLowestLogProbability = -1e4f;

/// Calls body(first element) for each of a thread's vectors of a row.
template <int kWidth, class Body>
__device__ __forceinline__ void for_elements(int64_t vocab, Body&& body) {
  for (int64_t i = static_cast<int64_t>(threadIdx.x) * kWidth; i < vocab; i += kRowThreads * kWidth) body(i);
}

/// The largest element so far and the sum of e^(x - top).
struct Tally {
  float top = -INFINITY, sum = 0;

  /// The shift for exp. While every element is -inf, use 0: (-inf) - (-inf) would be NaN.
  __device__ __forceinline__ float shift() const { return top == -INFINITY ? 0.0f : top; }

  template <int kWidth>
  __device__ __forceinline__ void add(const float (&x)[kWidth]) {
    float most = top;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) most = fmaxf(most, x[i]);
    if (most > top) {
      sum *= expf(top - most);
      top = most;
    }
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sum += expf(x[i] - shift());
  }
};

/// log(sum(exp(row * inverse_temperature))) in every thread; not finite where the row
/// is no distribution.
template <int kWidth>
__device__ __forceinline__ float log_sum_exp(const float* row, int64_t vocab, float inverse_temperature,
                                             float* scratch) {
  Tally own;
  for_elements<kWidth>(vocab, [&](int64_t i) {
    float x[kWidth];
    load(x, row + i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) x[k] *= inverse_temperature;
    own.add(x);
  });
  Tally all;
  all.top = block_max(own.top, scratch);
  return all.top + logf(block_sum(own.sum * expf(own.top - all.shift()), scratch));
}

/// -sum(p log p)
template <int kWidth>
__device__ __forceinline__ float row_entropy(const float* row, int64_t vocab, float inverse_temperature,
                                             float log_sum, float* scratch) {
  float total = 0;
  for_elements<kWidth>(vocab, [&](int64_t i) {
    float x[kWidth];
    load(x, row + i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const float log_p = x[k] * inverse_temperature - log_sum;
      total += expf(log_p) * fmaxf(log_p, kLowestLogProbability);
    }
  });
  return -block_sum(total, scratch);
}

/// row[i] = f(i, row[i]) in place. A turn writes where it or, in bf16, an earlier turn has read:
/// one barrier per turn keeps reads and writes apart.
template <int kWidth, class T, class Function>
__device__ __forceinline__ void replace_row(float* row, int64_t vocab, Function f) {
  T* out = reinterpret_cast<T*>(row);
  for (int64_t turn = 0; turn < vocab; turn += kRowThreads * kWidth) {
    const int64_t i = turn + static_cast<int64_t>(threadIdx.x) * kWidth;
    float x[kWidth];
    if (i < vocab) {
      load(x, row + i);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) x[k] = f(i + k, x[k]);
    }
    if constexpr (sizeof(T) < sizeof(float)) __syncthreads();
    if (i < vocab) store(out + i, x);
  }
}

struct Zero {
  __device__ float operator()(int64_t, float) const { return 0.0f; }
};

template <int kWidth, class T>
__global__ void __launch_bounds__(kRowThreads)
    cross_entropy_kernel(LossRows in, float* losses, const float* row_scale) {
  ATHANOR_SHARED(float, scratch, [kRowWarps]);
  const int64_t r = blockIdx.x;
  float* row = in.logits + r * in.vocab;
  const int32_t target = in.targets[r];
  if (target < 0) {
    if (threadIdx.x == 0) losses[r] = 0.0f;
    if (row_scale != nullptr) replace_row<kWidth, T>(row, in.vocab, Zero{});
    return;
  }
  // The loss.
  const float at_target = row[target];
  const float log_sum = log_sum_exp<kWidth>(row, in.vocab, 1.0f, static_cast<float*>(scratch));
  if (threadIdx.x == 0) losses[r] = log_sum - at_target;
  // The gradient, in the place of the logits.
  if (row_scale == nullptr) return;
  const float scale = row_scale[r];
  replace_row<kWidth, T>(row, in.vocab, [=](int64_t i, float logit) {
    return (expf(logit - log_sum) - (i == target ? 1.0f : 0.0f)) * scale;
  });
}

/// Only reads; `entropies` may be null.
template <int kWidth>
__global__ void __launch_bounds__(kRowThreads)
    log_prob_kernel(LossRows in, float inverse_temperature, float* log_probs, float* entropies) {
  ATHANOR_SHARED(float, scratch, [kRowWarps]);
  const int64_t r = blockIdx.x;
  const float* row = in.logits + r * in.vocab;
  const int32_t target = in.targets[r];
  float log_prob = 0, entropy = 0;
  if (target >= 0) {
    auto* memory = static_cast<float*>(scratch);
    const float log_sum = log_sum_exp<kWidth>(row, in.vocab, inverse_temperature, memory);
    if (entropies != nullptr)
      entropy = row_entropy<kWidth>(row, in.vocab, inverse_temperature, log_sum, memory);
    log_prob = row[target] * inverse_temperature - log_sum;
  }
  if (threadIdx.x != 0) return;
  log_probs[r] = log_prob;
  if (entropies != nullptr) entropies[r] = entropy;
}

/// With p the softmax of logits / temperature and H its entropy: d log p[t] = 1[t] - p, dH = -p
/// (log p + H).
template <int kWidth, class T>
__global__ void __launch_bounds__(kRowThreads)
    log_prob_backward_kernel(LossRows in, float inverse_temperature, const float* dlog_probs,
                             const float* dentropies) {
  ATHANOR_SHARED(float, scratch, [kRowWarps]);
  const int64_t r = blockIdx.x;
  float* row = in.logits + r * in.vocab;
  const int32_t target = in.targets[r];
  if (target < 0) return replace_row<kWidth, T>(row, in.vocab, Zero{});
  auto* memory = static_cast<float*>(scratch);
  const float log_sum = log_sum_exp<kWidth>(row, in.vocab, inverse_temperature, memory);
  // The entropy, where its gradient needs it.
  const float dlog_prob = dlog_probs[r];
  const float dentropy = dentropies != nullptr ? dentropies[r] : 0.0f;
  const float entropy =
      dentropy != 0.0f ? row_entropy<kWidth>(row, in.vocab, inverse_temperature, log_sum, memory) : 0.0f;
  // The gradient, in the place of the logits.
  replace_row<kWidth, T>(row, in.vocab, [=](int64_t i, float logit) {
    const float log_p = logit * inverse_temperature - log_sum;
    const float share =
        expf(log_p) * (dlog_prob + dentropy * (fmaxf(log_p, kLowestLogProbability) + entropy));
    return ((i == target ? dlog_prob : 0.0f) - share) * inverse_temperature;
  });
}

/// Rows are vocab f32 apart, so vectors of bf16 are aligned where vectors of f32 are.
bool are_vectors(const LossRows& in) { return are_vector_rows(in.vocab, in.logits); }

Launch one_block_per_row(const LossRows& in) { return {static_cast<unsigned>(in.rows), kRowThreads}; }

void cross_entropy(const LossRows& in, float* losses, const float* row_scale) {
  if (in.rows == 0) return;
  for_dtype(in.dtype, [&](auto type) {
    for_width(are_vectors(in), [&](auto width) {
      launch(cross_entropy_kernel<width, decltype(type)>, one_block_per_row(in), in, losses, row_scale);
    });
  });
}

void log_prob(const LossRows& in, float inverse_temperature, float* log_probs, float* entropies) {
  if (in.rows == 0) return;
  for_width(are_vectors(in), [&](auto width) {
    launch(log_prob_kernel<width>, one_block_per_row(in), in, inverse_temperature, log_probs, entropies);
  });
}

void log_prob_backward(const LossRows& in, float inverse_temperature, const float* dlog_probs,
                       const float* dentropies) {
  if (in.rows == 0) return;
  for_dtype(in.dtype, [&](auto type) {
    for_width(are_vectors(in), [&](auto width) {
      launch(log_prob_backward_kernel<width, decltype(type)>, one_block_per_row(in), in, inverse_temperature,
             dlog_probs, dentropies);
    });
  });
}

}  // namespace

void token_log_probs(float* log_probs, const float* logits, const int32_t* tokens, int64_t rows,
                     int64_t vocab, float inverse_temperature) {
  log_prob({const_cast<float*>(logits), tokens, rows, vocab, DType::kF32}, inverse_temperature, log_probs,
           nullptr);
}

const LossKernels& loss_kernels() {
  static constexpr auto kTable = complete_table<LossKernels>(cross_entropy, log_prob, log_prob_backward);
  return kTable;
}

}  // namespace athanor::cuda
