// A filter keeps a prefix of the tokens ordered by (logit descending, token ascending). Instead of sorting a
// vocabulary, the end of that prefix is found by radix selection on the bits of the logits: linear in any
// case.
#include "kernels/sampling.h"

#include "core/philox.h"
#include "cpu/row_softmax.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

constexpr int kDigitBits = 11;  // 3 digits cover 32 bits, and a table of 2,048 doubles stays in L1
constexpr int64_t kBuckets = int64_t{1} << kDigitBits;
// Weights are summed in blocks: the block that holds the drawn point is found first, then the token inside
// it.
constexpr int64_t kDrawBlock = 256;

/// Scratch of one row. `logits` are penalised; `weights` are exp((logit - max) / temperature), 0 once
/// filtered out.
struct Row {
  float* logits;
  float* weights;
  double* block_sums;
  double* buckets;
  int64_t n;
};

ATHANOR_INLINE int64_t padded(int64_t n) { return ceil_divide(n, 16) * 16; }  // keeps what follows aligned

ATHANOR_INLINE int64_t row_bytes(int64_t n) {
  return 2 * padded(n) * 4 + padded(ceil_divide(n, kDrawBlock) + kBuckets) * 8;
}

ATHANOR_INLINE Row row_at(char* memory, int64_t n) {
  auto* floats = reinterpret_cast<float*>(memory);
  auto* doubles = reinterpret_cast<double*>(floats + 2 * padded(n));
  return {floats, floats + padded(n), doubles, doubles + ceil_divide(n, kDrawBlock), n};
}

/// Bits that order as the floats do, ascending; -0 counts as 0.
ATHANOR_INLINE uint32_t order_key(float x) {
  const float plain = x + 0.0f;
  uint32_t bits;
  std::memcpy(&bits, &plain, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/// Zeroes the weights of all tokens past the shortest prefix (in the order above) whose measure reaches the
/// target. Counting, a token measures 1 and the target is `limit` tokens; else it measures its weight and the
/// target is the share `limit` of all. Tokens of weight 0 are out already.
template <bool kCounting>
ATHANOR_INLINE void keep_prefix(const Row& row, double limit) {
  const auto measure = [&](int64_t i) { return kCounting ? 1.0 : static_cast<double>(row.weights[i]); };
  uint32_t prefix = 0, mask = 0;
  double target = limit;
  double before = 0.0;  // measure of all tokens above the bucket that is being refined
  for (int shift : {32 - kDigitBits, 32 - 2 * kDigitBits, 0}) {
    for (int64_t b = 0; b < kBuckets; ++b) row.buckets[b] = 0.0;
    for (int64_t i = 0; i < row.n; ++i) {
      if (row.weights[i] == 0.0f) continue;
      const uint32_t key = order_key(row.logits[i]);
      if ((key & mask) == prefix) row.buckets[(key >> shift) & (kBuckets - 1)] += measure(i);
    }
    if (!kCounting && mask == 0) {
      double total = 0.0;
      for (int64_t b = 0; b < kBuckets; ++b) total += row.buckets[b];
      target = limit * total;
    }
    int64_t lowest = 0;
    while (row.buckets[lowest] == 0.0) ++lowest;
    int64_t digit = kBuckets - 1;
    while (digit > lowest && before + row.buckets[digit] < target) before += row.buckets[digit--];
    while (row.buckets[digit] == 0.0) --digit;
    prefix |= static_cast<uint32_t>(digit) << shift;
    mask |= static_cast<uint32_t>(kBuckets - 1) << shift;
  }
  for (int64_t i = 0; i < row.n; ++i) {
    const uint32_t key = order_key(row.logits[i]);
    if (row.weights[i] == 0.0f || key > prefix) continue;
    if (key == prefix && before < target) {
      before += measure(i);
    } else {
      row.weights[i] = 0.0f;
    }
  }
}

/// The token that the point u * (sum of weights) falls into, u in [0, 1).
ATHANOR_INLINE int32_t draw(const Row& row, double u) {
  double total = 0.0;
  int64_t last_block = 0;
  for (int64_t block = 0; block * kDrawBlock < row.n; ++block) {
    const VecF sum = sum_lanes(block * kDrawBlock, smaller(row.n, (block + 1) * kDrawBlock),
                               [&](int64_t i, auto lanes) { return load(row.weights + i, lanes); });
    row.block_sums[block] = reduce_add(sum);
    total += row.block_sums[block];
    if (row.block_sums[block] > 0.0) last_block = block;
  }
  const double point = u * total;
  double before = 0.0;
  int64_t block = 0;
  while (block < last_block && before + row.block_sums[block] <= point) before += row.block_sums[block++];
  // Should rounding carry the point past the block's end, the block's last token has it.
  int32_t chosen = -1;
  for (int64_t i = block * kDrawBlock; i < smaller(row.n, (block + 1) * kDrawBlock); ++i) {
    if (row.weights[i] == 0.0f) continue;
    chosen = static_cast<int32_t>(i);
    before += row.weights[i];
    if (before > point) break;
  }
  return chosen;
}

ATHANOR_INLINE int32_t first_equal(const float* row, int64_t n, float value) {
  for (int64_t i = 0; i < n; ++i)
    if (row[i] == value) return static_cast<int32_t>(i);
  return -1;
}

ATHANOR_INLINE double uniform53(const PhiloxBlock& block) {
  const uint64_t bits = (static_cast<uint64_t>(block.word[0]) << 32 | block.word[1]) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

template <class T>
ATHANOR_INLINE void penalise(const Row& row, const T* logits, const int32_t* history, int64_t length,
                             float penalty) {
  for (int64_t i = 0; i < length; ++i) {
    if (history[i] < 0) continue;
    const float x = to_float(logits[history[i]]);  // the original: a token seen twice is penalised once
    row.logits[history[i]] = x > 0.0f ? x / penalty : x * penalty;
  }
}

template <class T>
ATHANOR_INLINE void sample_row(int32_t* token, float* log_prob, const Row& row, const T* logits,
                               const int32_t* history, int64_t history_length, const PhiloxBlock& random,
                               const SamplingSettings& s) {
  const bool greedy = s.temperature == 0.0;
  const float inverse_temperature = greedy ? 1.0f : static_cast<float>(1.0 / s.temperature);
  for_lanes(0, row.n, [&](int64_t i, auto lanes) { store(row.logits + i, load(logits + i, lanes), lanes); });
  const float log_sum_exp = row_log_sum_exp(row.logits, row.n, inverse_temperature);
  if (history != nullptr && s.repetition_penalty != 1.0)
    penalise(row, logits, history, history_length, static_cast<float>(s.repetition_penalty));
  const float top = row_max(row.logits, row.n);
  *token = -1;
  *log_prob = __builtin_nanf("");
  if (!__builtin_isfinite(log_sum_exp) || !__builtin_isfinite(top)) return;
  if (greedy) {
    *token = first_equal(row.logits, row.n, top);
  } else {
    const VecF scale = set1(inverse_temperature);
    for_lanes(0, row.n, [&](int64_t i, auto lanes) {
      store(row.weights + i, exp((load(row.logits + i, lanes) - set1(top)) * scale), lanes);
    });
    if (s.top_k > 0 && s.top_k < row.n) keep_prefix<true>(row, static_cast<double>(s.top_k));
    if (s.top_p < 1.0) keep_prefix<false>(row, s.top_p);
    if (s.min_p > 0.0) {
      for (int64_t i = 0; i < row.n; ++i)
        if (row.weights[i] < s.min_p) row.weights[i] = 0.0f;  // the largest weight is exp(0) = 1
    }
    *token = draw(row, uniform53(random));
  }
  *log_prob = log_probability(to_float(logits[*token]), inverse_temperature, log_sum_exp);
}

void sample(DType dtype, int32_t* tokens, float* log_probs, const void* logits, const int32_t* history,
            int64_t history_length, const int32_t* streams, const int32_t* steps,
            const SamplingSettings& settings, int64_t rows, int64_t vocabulary) {
  // One scratch row a task, and no more tasks than threads: a row's result does not depend on who computes
  // it.
  const int64_t tasks = smaller(rows, num_threads());
  auto* scratch = static_cast<char*>(thread_scratch(static_cast<size_t>(tasks * row_bytes(vocabulary))));
  for_dtype(dtype, [&](auto type) {
    const auto* source = static_cast<const decltype(type)*>(logits);
    parallel_for(tasks, [&](int64_t task) {
      const Row scratch_row = row_at(scratch + task * row_bytes(vocabulary), vocabulary);
      for (int64_t i = task; i < rows; i += tasks) {
        const PhiloxBlock random =
            philox(settings.seed, static_cast<uint32_t>(streams[i]), static_cast<uint32_t>(steps[i]));
        sample_row(tokens + i, log_probs + i, scratch_row, source + i * vocabulary,
                   history != nullptr ? history + i * history_length : nullptr, history_length, random,
                   settings);
      }
    });
  });
}

}  // namespace

const SamplingKernels sampling_kernels_table = {sample};

}  // namespace athanor::cpu::ATHANOR_ISA
