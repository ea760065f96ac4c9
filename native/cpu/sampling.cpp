// A filter keeps a prefix of the tokens ordered by (logit descending, token ascending). Instead of
// sorting a vocabulary, the logit that ends the prefix is found by bisection: some twenty vector
// passes that only count or sum the weights above a threshold. The tokens that it keeps are then
// packed together, so that later steps see no others.
#include "kernels/sampling.h"

#include "core/philox.h"
#include "cpu/row_softmax.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

// Weights are summed in blocks: the block that holds the drawn point is found first, then the
// token inside it.
constexpr int64_t kDrawBlock = 256;

/// The tokens that filters have left, ascending, and scratch. weight = exp((logit - largest
/// logit) / temperature).
struct Candidates {
  float* logits;
  float* weights;
  int32_t* tokens;
  double* block_sums;
  int64_t n;
};

/// The candidates at or above a threshold.
struct Above {
  double measure;
  int64_t count;
};

ATHANOR_INLINE int64_t padded(int64_t n) { return round_up(n, 16); }  // aligns the next array

ATHANOR_INLINE int64_t scratch_bytes(int64_t n) {
  return 3 * padded(n) * 4 + padded(ceil_divide(n, kDrawBlock)) * 8;
}

ATHANOR_INLINE Candidates candidates_at(char* memory, int64_t n) {
  auto* floats = reinterpret_cast<float*>(memory);
  auto* tokens = reinterpret_cast<int32_t*>(floats + 2 * padded(n));
  return {floats, floats + padded(n), tokens, reinterpret_cast<double*>(tokens + padded(n)), n};
}

/// The measure is the number of candidates when counting, else the sum of their weights.
template <bool kCounting>
ATHANOR_INLINE Above measure_above(const Candidates& c, float threshold) {
  const VecF limit = set1(threshold);
  VecI count = {};
  VecD sum = {};
  for_lanes(0, c.n, [&](int64_t i, auto lanes) {
    const VecI kept = load(c.logits + i, lanes, -__builtin_inff()) >= limit;
    count -= kept;
    if (!kCounting) {
      const VecDPair weight = to_double(kept ? load(c.weights + i, lanes) : zero());
      sum += weight.low + weight.high;
    }
  });
  int64_t total = 0;
  for (int lane = 0; lane < kLanes; ++lane) total += count[lane];
  double weight = 0.0;
  for (int lane = 0; lane < kLanes / 2; ++lane) weight += sum[lane];
  return {kCounting ? static_cast<double>(total) : weight, total};
}

/// Packs the candidates at or above `high`, and the first of those in [low, high) that lift
/// `measure` to the target.
template <bool kCounting>
ATHANOR_INLINE void pack(Candidates& c, float low, float high, double measure, double target) {
  int64_t kept = 0;
  for (int64_t begin = 0; begin < c.n; begin += kLanes) {
    const int64_t end = smaller(c.n, begin + kLanes);
    if (end - begin == kLanes && !any_at_least(load(c.logits + begin), set1(low))) continue;
    for (int64_t i = begin; i < end; ++i) {
      const float logit = c.logits[i], weight = c.weights[i];
      const bool tied = logit >= low && logit < high;
      // Written always and counted if kept: a branch would be mispredicted half the time.
      c.logits[kept] = logit;
      c.weights[kept] = weight;
      c.tokens[kept] = c.tokens[i];
      kept += logit >= high || (tied && measure < target);
      if (tied) measure += kCounting ? 1.0 : static_cast<double>(weight);
    }
  }
  c.n = kept;
}

/// Drops all candidates past the shortest prefix (in the order above) whose measure reaches the
/// target: `limit` candidates when counting, else the share `limit` of all weight. The largest
/// logit is `top`.
template <bool kCounting>
ATHANOR_INLINE void keep_prefix(Candidates& c, float top, float temperature, double limit) {
  // The prefix ends at or above `low` and below `high`. Below the first `low` every weight is 0.
  float low = top - 90.0f * temperature;
  float high = __builtin_nextafterf(top, __builtin_inff());
  Above at_low = measure_above<kCounting>(c, low), at_high = {0.0, 0};
  const double target = kCounting ? limit : limit * at_low.measure;
  if (at_low.measure < target) return;
  while (at_low.count - at_high.count > 1) {
    const float middle = low + (high - low) * 0.5f;
    if (middle <= low || middle >= high) break;  // neighbouring floats: only equal logits are left
    const Above at_middle = measure_above<kCounting>(c, middle);
    const bool enough = at_middle.measure >= target;
    (enough ? low : high) = middle;
    (enough ? at_low : at_high) = at_middle;
    // Few are left: the next passes need not see the rest.
    if (at_low.count < c.n / 4) pack<kCounting>(c, low, low, 0.0, 0.0);
  }
  pack<kCounting>(c, low, high, at_high.measure, target);
}

/// The index that the point u * (sum of weights) falls into, u in [0, 1).
ATHANOR_INLINE int64_t draw(const Candidates& c, double u) {
  double total = 0.0;
  int64_t last_block = 0;
  for (int64_t block = 0; block * kDrawBlock < c.n; ++block) {
    const VecF sum = sum_lanes(block * kDrawBlock, smaller(c.n, (block + 1) * kDrawBlock),
                               [&](int64_t i, auto lanes) { return load(c.weights + i, lanes); });
    c.block_sums[block] = reduce_add(sum);
    total += c.block_sums[block];
    if (c.block_sums[block] > 0.0) last_block = block;
  }
  const double point = u * total;
  double before = 0.0;
  int64_t block = 0;
  while (block < last_block && before + c.block_sums[block] <= point) before += c.block_sums[block++];
  // If rounding carries the point past the block's end, take the block's last candidate.
  int64_t chosen = -1;
  for (int64_t i = block * kDrawBlock; i < smaller(c.n, (block + 1) * kDrawBlock); ++i) {
    if (c.weights[i] == 0.0f) continue;
    chosen = i;
    before += c.weights[i];
    if (before > point) break;
  }
  return chosen;
}

ATHANOR_INLINE int32_t first_equal(const float* row, int64_t n, float value) {
  for (int64_t i = 0; i < n; i += kLanes) {
    if (n - i >= kLanes && !any_at_least(load(row + i), set1(value))) continue;
    for (int64_t j = i; j < smaller(n, i + kLanes); ++j)
      if (row[j] == value) return static_cast<int32_t>(j);
  }
  return -1;
}

template <class T>
ATHANOR_INLINE void penalise(float* out, const T* logits, const int32_t* history, int64_t length,
                             float penalty) {
  for (int64_t i = 0; i < length; ++i) {
    if (history[i] < 0) continue;
    const float x = to_float(logits[history[i]]);  // the original: penalise a repeated token once
    out[history[i]] = x > 0.0f ? x / penalty : x * penalty;
  }
}

/// Takes tokens out of the draw. Returns whether the largest logit may be another one now.
ATHANOR_INLINE bool suppress(const Candidates& c, float top, const int32_t* tokens, int64_t count) {
  bool was_top = false;
  for (int64_t i = 0; i < count; ++i) {
    was_top |= c.logits[tokens[i]] >= top;
    c.logits[tokens[i]] = -__builtin_inff();
    c.weights[tokens[i]] = 0.0f;
  }
  return was_top;
}

constexpr uint32_t kAllBits = 0xffffffffu;

/// Takes those of up to 32 tokens out of the draw whose bit is not set.
ATHANOR_INLINE void keep_bits(float* logits, float* weights, uint32_t bits, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const bool kept = (bits >> i & 1u) != 0;
    logits[i] = kept ? logits[i] : -__builtin_inff();
    weights[i] = kept ? weights[i] : 0.0f;
  }
}

/// Takes the tokens out of the draw whose bit is not set. Returns whether the largest logit is
/// another one now.
ATHANOR_INLINE bool restrict_to(const Candidates& c, float top, const int32_t* allowed) {
  for (int64_t begin = 0; begin < c.n; begin += 32) {
    const auto bits = static_cast<uint32_t>(allowed[begin / 32]);
    const auto count = static_cast<uint32_t>(smaller<int64_t>(c.n - begin, 32));
    float *const logits = c.logits + begin, *const weights = c.weights + begin;
    if (bits == kAllBits) continue;
    if (count < 32) {
      keep_bits(logits, weights, bits, count);
    } else if (bits == 0) {
      keep_bits(logits, weights, 0, 32);
    } else {
      keep_bits(logits, weights, bits, 32);
    }
  }
  return row_max(c.logits, c.n) < top;
}

/// Computes the weights again. Those of tokens without a bit are 0 already.
ATHANOR_INLINE void weigh(const Candidates& c, float inverse_temperature, float shift,
                          const int32_t* allowed) {
  if (allowed == nullptr) {
    row_sum_exp(c.logits, c.n, inverse_temperature, shift, c.weights);
    return;
  }
  for (int64_t begin = 0; begin < c.n; begin += 32) {
    if (allowed[begin / 32] == 0) continue;
    row_sum_exp(c.logits + begin, smaller<int64_t>(c.n - begin, 32), inverse_temperature, shift,
                c.weights + begin);
  }
}

/// The inputs of one row.
template <class T>
struct RowInputs {
  const T* logits;
  const int32_t* history;
  const int32_t* allowed;
};

template <class T>
ATHANOR_INLINE void sample_row(int32_t* token, float* log_prob, Candidates c, const RowInputs<T>& row,
                               const PhiloxBlock& random, const SampleArgs& args) {
  const auto [logits, history, allowed] = row;
  const SamplingSettings& s = args.settings;
  const bool greedy = s.temperature == 0.0;
  const float inverse_temperature = greedy ? 1.0f : static_cast<float>(1.0 / s.temperature);
  for_lanes(0, c.n, [&](int64_t i, auto lanes) { store(c.logits + i, load(logits + i, lanes), lanes); });
  float top = row_max(c.logits, c.n);
  const float shift = top * inverse_temperature;
  const double sum = row_sum_exp(c.logits, c.n, inverse_temperature, shift, c.weights);
  const auto log_sum_exp = static_cast<float>(shift + __builtin_log(sum));
  if (history != nullptr && s.repetition_penalty != 1.0) {
    penalise(c.logits, logits, history, args.history_length, static_cast<float>(s.repetition_penalty));
    top = row_max(c.logits, c.n);
    if (!greedy) row_sum_exp(c.logits, c.n, inverse_temperature, top * inverse_temperature, c.weights);
  }
  const bool restricted = allowed != nullptr && restrict_to(c, top, allowed);
  if (suppress(c, top, args.suppressed, args.suppressed_count) || restricted) {
    top = row_max(c.logits, c.n);
    if (!greedy) weigh(c, inverse_temperature, top * inverse_temperature, allowed);
  }
  *token = -1;
  *log_prob = __builtin_nanf("");
  if (!__builtin_isfinite(log_sum_exp) || !__builtin_isfinite(top * inverse_temperature)) return;
  if (greedy) {
    *token = first_equal(c.logits, c.n, top);
  } else {
    const int64_t vocabulary = c.n;
    const auto temperature = static_cast<float>(s.temperature);
    const bool top_k = s.top_k > 0 && s.top_k < vocabulary;
    const bool filtered = top_k || s.top_p < 1.0;
    if (filtered)
      for (int64_t i = 0; i < vocabulary; ++i) c.tokens[i] = static_cast<int32_t>(i);
    if (top_k) keep_prefix<true>(c, top, temperature, static_cast<double>(s.top_k));
    if (s.top_p < 1.0) keep_prefix<false>(c, top, temperature, s.top_p);
    if (s.min_p > 0.0) {
      for (int64_t i = 0; i < c.n; ++i)
        if (c.weights[i] < s.min_p) c.weights[i] = 0.0f;  // the largest weight is exp(0) = 1
    }
    const int64_t chosen = draw(c, uniform53(random));
    *token = filtered ? c.tokens[chosen] : static_cast<int32_t>(chosen);
  }
  *log_prob = log_probability(to_float(logits[*token]), inverse_temperature, log_sum_exp);
}

void sample(const SampleArgs& args) {
  // One scratch row per task, and no more tasks than threads. A row's result does not depend
  // on the task.
  const int64_t rows = args.rows, vocabulary = args.vocabulary;
  const int64_t tasks = smaller<int64_t>(rows, num_threads());
  const int64_t bytes = scratch_bytes(vocabulary);
  auto* scratch = static_cast<char*>(thread_scratch(static_cast<size_t>(tasks * bytes)));
  for_dtype(args.dtype, [&](auto type) {
    const auto* logits = static_cast<const decltype(type)*>(args.logits);
    parallel_for(tasks, [&](int64_t task) {
      for (int64_t i = task; i < rows; i += tasks) {
        const PhiloxBlock random = philox(args.settings.seed, static_cast<uint32_t>(args.streams[i]),
                                          static_cast<uint32_t>(args.steps[i]));
        const int32_t* history = args.history != nullptr ? args.history + i * args.history_length : nullptr;
        const int32_t* allowed =
            args.allowed != nullptr ? args.allowed + i * ceil_divide(vocabulary, 32) : nullptr;
        sample_row(args.tokens + i, args.log_probs + i, candidates_at(scratch + task * bytes, vocabulary),
                   RowInputs{logits + i * vocabulary, history, allowed}, random, args);
      }
    });
  });
}

}  // namespace

constinit const SamplingKernels sampling_kernels_table = complete_table<SamplingKernels>(sample);

}  // namespace athanor::cpu::ATHANOR_ISA
