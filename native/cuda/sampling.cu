// A block per row. A filter keeps a prefix of the tokens ordered by (logit descending, token
// ascending). Instead of sorting the vocabulary, it searches for the logit that ends the prefix,
// over the bits of the logits, which order as the numbers do; each pass leaves a quarter of the
// range. A pass reads the row, after the first one from the L2 cache (a row of 50,257 is 200 KB),
// and only counts or sums the logits above three thresholds.
#include "kernels/sampling.h"

#include "core/philox.h"
#include "cuda/loops.h"
#include "cuda/loss.h"

namespace athanor::cuda {
namespace {

// One block reads a whole row, so it is large. With 1,024 threads, each would have 64 registers,
// too few for the sums of three thresholds; unrolled loops over its warps would fill the
// registers as well.
constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarp;
constexpr int kThresholds = 3;
constexpr int32_t kEvery = 0x7fffffff;
constexpr float kInfinity = __builtin_inff(), kLargest = 0x1.fffffep127f;

struct RowsArgs {
  SampleArgs given;
  const float* logits;  // given.logits in f32
  float* adjusted;      // [rows, vocabulary], or null: nothing changes the logits
  float inverse_temperature;
};

/// The shared memory of a block.
struct Shared {
  double sums[kWarps][2 * kThresholds];
  float tops[kWarps];
  int counts[kWarps];
  int32_t token;
};

/// Unsigned numbers in the order of the floats; both zeros give the same number.
__device__ __forceinline__ uint32_t ordered(float x) {
  const uint32_t bits = __float_as_uint(x + 0.0f);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float from_ordered(uint32_t key) {
  return __uint_as_float((key >> 31) != 0 ? key & 0x7fffffffu : ~key);
}

__device__ __forceinline__ bool is_number(float x) { return fabsf(x) <= kLargest; }

/// The logits to draw from. weight = exp((logit - top) / temperature), so the largest is exactly 1.
struct Row {
  const float* logits;
  int64_t vocabulary;
  float inverse_temperature;
  float shift;

  __device__ __forceinline__ float operator[](int64_t i) const { return logits[i]; }
  __device__ __forceinline__ float weight(float logit) const {
    return expf(__fadd_rn(__fmul_rn(logit, inverse_temperature), -shift));
  }
};

/// The tokens that filters have left: those above the threshold, and those at the threshold up
/// to a token.
struct Kept {
  uint32_t threshold = 0;
  int32_t last_tie = kEvery;

  __device__ __forceinline__ bool has(uint32_t key, int64_t token) const {
    return key > threshold || (key == threshold && token <= last_tie);
  }
};

/// Sums over the block, in every thread.
template <int kCount>
__device__ __forceinline__ void block_sums(double (&x)[kCount], Shared& shared) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) x[i] = warp_sum(x[i]);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) shared.sums[threadIdx.x / kWarp][i] = x[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    x[i] = 0;
#pragma unroll 1
    for (int warp = 0; warp < kWarps; ++warp) x[i] += shared.sums[warp][i];
  }
}

/// Sets the row's shift; returns the largest logit, and the sum of all weights in `sum`.
__device__ __forceinline__ float measure_row(Row& row, double& sum, Shared& shared) {
  float top = -kInfinity;
  for (int64_t i = threadIdx.x; i < row.vocabulary; i += kThreads) top = fmaxf(top, row[i]);
  top = block_max(top, shared.tops);
  row.shift = __fmul_rn(top, row.inverse_temperature);
  double total[1] = {0};
  for (int64_t i = threadIdx.x; i < row.vocabulary; i += kThreads) total[0] += row.weight(row[i]);
  block_sums(total, shared);
  sum = total[0];
  return top;
}

/// The n-th token, from 1, of those whose logit has the key; there must be as many.
__device__ __forceinline__ int32_t nth_with_key(const Row& row, uint32_t key, int64_t n, Shared& shared) {
  const unsigned lane = threadIdx.x % kWarp, own = threadIdx.x / kWarp;
  int64_t seen = 0;
  for (int64_t begin = 0; begin < row.vocabulary && seen < n; begin += kThreads) {
    const int64_t i = begin + threadIdx.x;
    const bool matches = i < row.vocabulary && ordered(row[i]) == key;
    const uint32_t lanes = __ballot_sync(kAllLanes, matches);
    __syncthreads();
    if (lane == 0) shared.counts[own] = __popc(lanes);
    __syncthreads();
    int64_t rank = seen + __popc(lanes & ((1u << lane) - 1)) + 1;
#pragma unroll 1
    for (unsigned warp = 0; warp < kWarps; ++warp) {
      rank += warp < own ? shared.counts[warp] : 0;
      seen += shared.counts[warp];
    }
    if (matches && rank == n) shared.token = static_cast<int32_t>(i);
  }
  __syncthreads();
  return shared.token;
}

/// How many candidates lie at or above a threshold, and their measure: that number, or
/// their weights' sum.
struct Above {
  double measure, count;
};

template <bool kCounting, int kCount>
__device__ __forceinline__ void measure_above(Above (&above)[kCount], const uint32_t (&thresholds)[kCount],
                                              const Row& row, const Kept& kept, Shared& shared) {
  double sums[2 * kCount] = {};
  for (int64_t i = threadIdx.x; i < row.vocabulary; i += kThreads) {
    const float logit = row[i];
    const uint32_t key = ordered(logit);
    if (key < thresholds[0] || !kept.has(key, i)) continue;
    const double weight = kCounting ? 1.0 : static_cast<double>(row.weight(logit));
#pragma unroll
    for (int k = 0; k < kCount; ++k) {
      sums[2 * k] += key >= thresholds[k] ? weight : 0.0;
      sums[2 * k + 1] += key >= thresholds[k] ? 1.0 : 0.0;
    }
  }
  block_sums(sums, shared);
#pragma unroll
  for (int k = 0; k < kCount; ++k) above[k] = {sums[2 * k], sums[2 * k + 1]};
}

/// Drops all candidates past the shortest prefix (in the order above) whose measure reaches the
/// target: `limit` candidates when counting, else the share `limit` of all weight.
template <bool kCounting>
__device__ __forceinline__ void keep_prefix(Kept& kept, const Row& row, float top, double limit,
                                            Shared& shared) {
  // The prefix ends at or above `low` and below `high`. Below the first `low` every weight is 0.
  const uint32_t lowest = ordered(top - 90.0f / row.inverse_temperature);
  uint32_t low = lowest > kept.threshold ? lowest : kept.threshold, high = ordered(top) + 1;
  Above all[1], at_high{0, 0};
  measure_above<kCounting>(all, {low}, row, kept, shared);
  Above at_low = all[0];
  const double target = kCounting ? limit : limit * at_low.measure;
  if (at_low.measure < target) return;
  while (high - low > 1 && at_low.count - at_high.count > 1) {
    const uint32_t step = high - low > kThresholds ? (high - low) / (kThresholds + 1) : 1;
    uint32_t thresholds[kThresholds];
#pragma unroll
    for (int k = 0; k < kThresholds; ++k) {
      const uint32_t threshold = low + step * static_cast<uint32_t>(k + 1);
      thresholds[k] = threshold < high ? threshold : high;
    }
    Above above[kThresholds];
    measure_above<kCounting>(above, thresholds, row, kept, shared);
#pragma unroll
    for (int k = kThresholds - 1; k >= 0; --k) {
      if (above[k].measure >= target) {
        low = thresholds[k];
        at_low = above[k];
        break;
      }
      high = thresholds[k];
      at_high = above[k];
    }
  }
  int32_t last_tie = low == kept.threshold ? kept.last_tie : kEvery;
  if (const double tied = at_low.count - at_high.count; tied > 1) {  // of equal logits
    const double weight = kCounting ? 1.0 : static_cast<double>(row.weight(from_ordered(low)));
    const double wanted = ceil((target - at_high.measure) / weight);
    if (wanted < tied) {
      last_tie = nth_with_key(row, low, wanted > 1 ? static_cast<int64_t>(wanted) : 1, shared);
    }
  }
  kept = {low, last_tie};
}

/// A part of the vocabulary that holds the drawn point, and the sum of the weights before it.
struct Part {
  int64_t begin, end;
  double before;
};

/// The weight of a token that may be drawn, else 0.
__device__ __forceinline__ double weight_of(const Row& row, const Kept& kept, float min_p, int64_t i) {
  const float logit = row[i];
  if (!kept.has(ordered(logit), i)) return 0;
  const float weight = row.weight(logit);
  return weight < min_p ? 0.0 : static_cast<double>(weight);
}

/// Sums a share of the part in each warp and returns the share that holds the point. With `u` of 0
/// or more the point is set to `u` times the whole sum; otherwise it stays.
__device__ __forceinline__ Part share_with_point(const Row& row, const Kept& kept, float min_p, Part part,
                                                 double u, double& point, Shared& shared) {
  const int64_t share = (part.end - part.begin + kThreads - 1) / kThreads * kWarp;
  const int64_t begin = part.begin + threadIdx.x / kWarp * share;
  const int64_t end = begin + share < part.end ? begin + share : part.end;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x % kWarp; i < end; i += kWarp) sum += weight_of(row, kept, min_p, i);
  sum = warp_sum(sum);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) shared.sums[threadIdx.x / kWarp][0] = sum;
  __syncthreads();
  double total = 0;
  int last = 0;
#pragma unroll 1
  for (int warp = 0; warp < kWarps; ++warp) {
    total += shared.sums[warp][0];
    if (shared.sums[warp][0] > 0) last = warp;
  }
  if (u >= 0) point = u * total;
  int chosen = 0;
  while (chosen < last && part.before + shared.sums[chosen][0] <= point) {
    part.before += shared.sums[chosen++][0];
  }
  const int64_t first = part.begin + chosen * share;
  return {first, first + share < part.end ? first + share : part.end, part.before};
}

/// For a whole warp: the first token of the part at which the sum of weights exceeds the point. If
/// rounding carries the point past the part's end, it is the part's last token.
__device__ __forceinline__ int32_t token_at(const Row& row, const Kept& kept, float min_p, Part part,
                                            double point) {
  const auto lane = static_cast<int>(threadIdx.x % kWarp);
  int32_t chosen = -1;
  for (int64_t begin = part.begin; begin < part.end; begin += kWarp) {
    const int64_t i = begin + lane;
    const double weight = i < part.end ? weight_of(row, kept, min_p, i) : 0.0;
    double up_to = weight;
#pragma unroll
    for (int lanes = 1; lanes < kWarp; lanes *= 2) {
      const double below = __shfl_up_sync(kAllLanes, up_to, static_cast<unsigned>(lanes));
      if (lane >= lanes) up_to += below;
    }
    const uint32_t past = __ballot_sync(kAllLanes, weight > 0 && part.before + up_to > point);
    if (past != 0) return static_cast<int32_t>(begin) + __ffs(static_cast<int>(past)) - 1;
    const uint32_t possible = __ballot_sync(kAllLanes, weight > 0);
    if (possible != 0) chosen = static_cast<int32_t>(begin) + 31 - __clz(static_cast<int>(possible));
    part.before += __shfl_sync(kAllLanes, up_to, kWarp - 1);
  }
  return chosen;
}

/// The drawn token, in thread 0.
__device__ __forceinline__ int32_t draw(const Row& row, float top, const SamplingSettings& s, double u,
                                        Shared& shared) {
  Kept kept;
  if (s.top_k > 0 && s.top_k < row.vocabulary) {
    keep_prefix<true>(kept, row, top, static_cast<double>(s.top_k), shared);
  }
  if (s.top_p < 1.0) keep_prefix<false>(kept, row, top, s.top_p, shared);
  const auto min_p = static_cast<float>(s.min_p);
  double point = 0;
  Part part = share_with_point(row, kept, min_p, {0, row.vocabulary, 0}, u, point, shared);
  part = share_with_point(row, kept, min_p, part, -1, point, shared);
  return threadIdx.x < kWarp ? token_at(row, kept, min_p, part, point) : -1;
}

/// Copies the logits of allowed tokens, penalises those of tokens in the history, and takes
/// suppressed tokens out.
__device__ __forceinline__ void adjust(float* out, const float* logits, const int32_t* history,
                                       const int32_t* allowed, const SampleArgs& given) {
  const auto is_allowed = [&](int64_t i) {
    return allowed == nullptr || (static_cast<uint32_t>(allowed[i / 32]) >> (i % 32) & 1u) != 0;
  };
  const auto penalty = static_cast<float>(given.settings.repetition_penalty);
  const int64_t length = history == nullptr ? 0 : given.history_length;
  for (int64_t i = threadIdx.x; i < given.vocabulary; i += kThreads) {
    out[i] = is_allowed(i) ? logits[i] : -kInfinity;
  }
  __syncthreads();
  for (int64_t i = threadIdx.x; i < length; i += kThreads) {
    if (history[i] < 0 || !is_allowed(history[i])) continue;
    const float x = logits[history[i]];
    // Atomic because a token may be there twice; both write the same number.
    atomicExch(out + history[i], x > 0.0f ? x / penalty : x * penalty);
  }
  __syncthreads();
  for (int64_t i = threadIdx.x; i < given.suppressed_count; i += kThreads) {
    atomicExch(out + given.suppressed[i], -kInfinity);
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads, 1) sample_kernel(const __grid_constant__ RowsArgs args) {
  ATHANOR_SHARED(Shared, shared);
  const int64_t r = blockIdx.x;
  const SampleArgs& given = args.given;
  const SamplingSettings& s = given.settings;
  const int64_t vocabulary = given.vocabulary;
  const bool greedy = s.temperature == 0.0;
  // Measure the row as it was given.
  Row row{args.logits + r * vocabulary, vocabulary, args.inverse_temperature, 0.0f};
  double sum;
  float top = measure_row(row, sum, shared);
  const auto log_sum_exp = static_cast<float>(row.shift + log(sum));
  // Penalise and suppress, and measure again.
  if (args.adjusted != nullptr) {
    float* const adjusted = args.adjusted + r * vocabulary;
    const int32_t* history = given.history == nullptr ? nullptr : given.history + r * given.history_length;
    const int32_t* allowed =
        given.allowed == nullptr ? nullptr : given.allowed + r * ((vocabulary + 31) / 32);
    adjust(adjusted, row.logits, history, allowed, given);
    row.logits = adjusted;
    top = measure_row(row, sum, shared);
  }
  // Filter and draw.
  int32_t token = -1;
  if (is_number(log_sum_exp) && is_number(__fmul_rn(top, row.inverse_temperature))) {
    if (greedy) {
      token = nth_with_key(row, ordered(top), 1, shared);
    } else {
      const PhiloxBlock random =
          philox(s.seed, static_cast<uint32_t>(given.streams[r]), static_cast<uint32_t>(given.steps[r]));
      token = draw(row, top, s, uniform53(random), shared);
    }
  }
  if (threadIdx.x == 0) given.tokens[r] = token;
}

void sample(const SampleArgs& given) {
  const int64_t rows = given.rows, vocabulary = given.vocabulary;
  if (rows == 0) return;
  const SamplingSettings& s = given.settings;
  const bool is_penalised =
      given.history != nullptr && given.history_length > 0 && s.repetition_penalty != 1.0;
  const bool is_adjusted = is_penalised || given.suppressed_count > 0 || given.allowed != nullptr;
  const bool is_f32 = given.dtype == DType::kF32;
  const int64_t count = rows * vocabulary;
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  const Scratch widened(is_f32 ? 0 : bytes), adjusted(is_adjusted ? bytes : 0);
  if (!is_f32) map1(widened.as<float>(), static_cast<const bf16*>(given.logits), count, Identity{});
  const auto* logits = is_f32 ? static_cast<const float*>(given.logits) : widened.as<float>();
  const float inverse_temperature = s.temperature == 0.0 ? 1.0f : static_cast<float>(1.0 / s.temperature);
  launch(sample_kernel, Launch{static_cast<unsigned>(rows), kThreads},
         RowsArgs{given, logits, adjusted.as<float>(), inverse_temperature});
  token_log_probs(given.log_probs, logits, given.tokens, rows, vocabulary, inverse_temperature);
}

}  // namespace

const SamplingKernels& sampling_kernels() {
  static constexpr auto kTable = complete_table<SamplingKernels>(sample);
  return kTable;
}

}  // namespace athanor::cuda
