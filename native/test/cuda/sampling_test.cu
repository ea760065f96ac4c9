#include "kernels/sampling.h"

#include <algorithm>
#include <numeric>

#include "core/philox.h"
#include "kernels/loss.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

constexpr SamplingSettings kPlain{1.0, 0, 1.0, 0.0, 1.0, 7};

struct Drawn {
  std::vector<int32_t> tokens;
  std::vector<float> log_probs;
};

/// A row of the batch is stream r, step 3 r.
template <class T>
Drawn sample(DType dtype, const std::vector<T>& logits, size_t rows, const SamplingSettings& settings,
             const std::vector<int32_t>& history = {}, const std::vector<int32_t>& suppressed = {},
             const std::vector<int32_t>& allowed = {}) {
  std::vector<int32_t> streams(rows), steps(rows);
  for (size_t r = 0; r < rows; ++r) {
    streams[r] = static_cast<int32_t>(r);
    steps[r] = static_cast<int32_t>(3 * r);
  }
  const DeviceArray<T> x(logits);
  const DeviceArray<int32_t> past(history), banned(suppressed), masks(allowed);
  const DeviceArray<int32_t> stream(streams), step(steps), tokens(rows);
  const DeviceArray<float> log_probs(rows);
  cuda::sampling_kernels().sample({.dtype = dtype,
                                   .tokens = tokens,
                                   .log_probs = log_probs,
                                   .logits = x,
                                   .history = history.empty() ? nullptr : static_cast<int32_t*>(past),
                                   .history_length = static_cast<int64_t>(history.size() / rows),
                                   .suppressed = banned,
                                   .suppressed_count = static_cast<int64_t>(suppressed.size()),
                                   .allowed = allowed.empty() ? nullptr : static_cast<int32_t*>(masks),
                                   .streams = stream,
                                   .steps = step,
                                   .settings = settings,
                                   .rows = static_cast<int64_t>(rows),
                                   .vocabulary = static_cast<int64_t>(logits.size() / rows)});
  return {tokens.get(), log_probs.get()};
}

/// The losses' log-probabilities of tokens under f32 logits.
std::vector<float> loss_log_probs(const std::vector<float>& logits, const std::vector<int32_t>& tokens,
                                  double temperature) {
  const size_t rows = tokens.size();
  const DeviceArray<float> x(logits), log_probs(rows), entropies(rows);
  const DeviceArray<int32_t> targets(tokens);
  const auto vocabulary = static_cast<int64_t>(logits.size() / rows);
  cuda::loss_kernels().log_prob({x, targets, static_cast<int64_t>(rows), vocabulary, DType::kF32},
                                static_cast<float>(1.0 / temperature), log_probs, entropies);
  return log_probs.get();
}

/// The tokens that a filter left, in order of (logit descending, token ascending),
/// and their weights.
struct Candidates {
  std::vector<size_t> tokens;
  std::vector<double> weights;
  void cut(size_t count) {
    tokens.resize(count);
    weights.resize(count);
  }
};

/// In double precision, by sorting the row.
int32_t reference_token(std::vector<double> row, const SamplingSettings& s, const int32_t* history,
                        size_t history_length, size_t r, const std::vector<int32_t>& suppressed) {
  const std::vector<double> given = row;
  for (size_t i = 0; i < history_length; ++i) {
    if (history[i] < 0) continue;
    const auto token = static_cast<size_t>(history[i]);
    row[token] = given[token] > 0 ? given[token] / s.repetition_penalty : given[token] * s.repetition_penalty;
  }
  for (int32_t token : suppressed) row[static_cast<size_t>(token)] = -INFINITY;
  Candidates kept;
  kept.tokens.resize(row.size());
  std::iota(kept.tokens.begin(), kept.tokens.end(), size_t{0});
  std::stable_sort(kept.tokens.begin(), kept.tokens.end(),
                   [&](size_t a, size_t b) { return row[a] > row[b]; });
  if (s.temperature == 0) return static_cast<int32_t>(kept.tokens[0]);
  for (size_t token : kept.tokens)
    kept.weights.push_back(std::exp((row[token] - row[kept.tokens[0]]) / s.temperature));
  if (s.top_k > 0) kept.cut(std::min(row.size(), static_cast<size_t>(s.top_k)));
  const double target = s.top_p * std::accumulate(kept.weights.begin(), kept.weights.end(), 0.0);
  double sum = 0;
  size_t count = 0;
  while (s.top_p < 1 && count < kept.tokens.size() && sum < target) sum += kept.weights[count++];
  if (s.top_p < 1) kept.cut(count);
  std::vector<double> weights(row.size());
  for (size_t i = 0; i < kept.tokens.size(); ++i) {
    if (kept.weights[i] >= s.min_p) weights[kept.tokens[i]] = kept.weights[i];
  }
  const double point =
      uniform53(philox(s.seed, r, 3 * r)) * std::accumulate(weights.begin(), weights.end(), 0.0);
  double before = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    before += weights[i];
    if (weights[i] > 0 && before > point) return static_cast<int32_t>(i);
  }
  return -1;
}

double reference_log_prob(const std::vector<double>& row, int32_t token, double temperature) {
  double sum = 0;
  const double top = *std::max_element(row.begin(), row.end());
  for (double x : row) sum += std::exp((x - top) / temperature);
  return (row[static_cast<size_t>(token)] - top) / temperature - std::log(sum);
}

template <class T>
void expect_draws(DType dtype, size_t vocabulary, size_t rows, const SamplingSettings& settings,
                  size_t history_length = 0, float spread = 3.0f,
                  const std::vector<int32_t>& suppressed = {}) {
  const std::vector<T> logits = as_type<T>(normals(rows * vocabulary, 11, spread));
  std::vector<int32_t> history = integers(rows * history_length, static_cast<int32_t>(vocabulary), 5);
  for (size_t i = 0; i + 1 < history.size(); i += 3) history[i + 1] = i % 2 == 0 ? history[i] : -1;
  const Drawn drawn = sample(dtype, logits, rows, settings, history, suppressed);
  for (size_t r = 0; r < rows; ++r) {
    std::vector<double> row;
    for (size_t i = 0; i < vocabulary; ++i)
      row.push_back(static_cast<double>(to_float(logits[r * vocabulary + i])));
    const int32_t expected =
        reference_token(row, settings, history.data() + r * history_length, history_length, r, suppressed);
    EXPECT(drawn.tokens[r] == expected);
    const double log_prob =
        reference_log_prob(row, expected, settings.temperature == 0 ? 1 : settings.temperature);
    EXPECT(std::fabs(drawn.log_probs[r] - log_prob) < 2e-6 * (1 + std::fabs(log_prob)));
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    const double temperature = settings.temperature == 0 ? 1 : settings.temperature;
    EXPECT(drawn.log_probs == loss_log_probs(logits, drawn.tokens, temperature));
  }
}

TEST_BOTH_TYPES(draws_are_those_of_the_reference) {
  for (size_t vocabulary : {1, 5, 1000, 3001}) expect_draws<T>(kType, vocabulary, 6, kPlain);
  expect_draws<T>(kType, 700, 6, {0.6, 0, 1.0, 0.0, 1.0, 1});
}

TEST_BOTH_TYPES(top_k_keeps_the_largest) {
  // Many bf16 logits are equal: the lower token counts as the larger.
  for (int64_t top_k : {1, 2, 17, 600, 5000}) {
    expect_draws<T>(kType, 1500, 4, {1.3, top_k, 1.0, 0.0, 1.0, 3}, 0, 0.1f);
  }
}

TEST_BOTH_TYPES(top_p_keeps_the_shortest_prefix) {
  for (double top_p : {1e-6, 0.3, 0.9, 0.9999}) {
    expect_draws<T>(kType, 1100, 4, {1.0, 0, top_p, 0.0, 1.0, 5});
    expect_draws<T>(kType, 1100, 4, {1.0, 40, top_p, 0.0, 1.0, 5});
  }
}

TEST(min_p_drops_what_is_small_beside_the_largest) {
  for (double min_p : {0.05, 0.5, 1.0}) {
    expect_draws<float>(DType::kF32, 900, 5, {1.0, 0, 1.0, min_p, 1.0, 9});
  }
  expect_draws<float>(DType::kF32, 900, 5, {0.8, 30, 0.8, 0.1, 1.0, 9});
}

TEST_BOTH_TYPES(penalised_tokens_are_penalised_once) {
  expect_draws<T>(kType, 50, 8, {1.0, 0, 1.0, 0.0, 1.8, 9}, 37);
  expect_draws<T>(kType, 1100, 4, {0.7, 20, 0.9, 0.02, 0.5, 9}, 600);
  expect_draws<T>(kType, 50, 8, {0.0, 0, 1.0, 0.0, 1.8, 9}, 37);
}

TEST_BOTH_TYPES(suppressed_tokens_are_not_drawn_and_count_in_log_probs) {
  // Half of the tokens, so that most rows have their largest logit among them.
  std::vector<int32_t> suppressed;
  for (int32_t token = 0; token < 1100; token += token < 600 ? 2 : 1) suppressed.push_back(token);
  for (double temperature : {0.0, 0.8}) {
    for (int64_t top_k : {0, 30}) {
      for (double top_p : {0.9, 1.0}) {
        expect_draws<T>(kType, 1100, 6, {temperature, top_k, top_p, 0.02, 1.0, 9}, 0, 3.0f, suppressed);
        expect_draws<T>(kType, 1100, 6, {temperature, top_k, top_p, 0.02, 1.4, 9}, 300, 3.0f, suppressed);
      }
    }
  }
}

TEST_BOTH_TYPES(tokens_outside_of_the_mask_of_a_row_are_suppressed_there) {
  constexpr size_t kVocabulary = 1100, kRows = 5, kWords = (kVocabulary + 31) / 32;
  const std::vector<T> logits = as_type<T>(normals(kRows * kVocabulary, 11, 3.0f));
  const std::vector<int32_t> history = integers(kRows * 40, kVocabulary, 5);
  for (double temperature : {0.0, 0.8}) {
    const SamplingSettings settings{temperature, 30, 0.9, 0.02, 1.4, 9};
    std::vector<int32_t> allowed(kRows * kWords);
    std::vector<std::vector<int32_t>> others(kRows);
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t token = 0; token < kVocabulary; ++token) {
        if ((token / 7 + r) % 4 == 0) {
          allowed[r * kWords + token / 32] |= static_cast<int32_t>(1u << (token % 32));
        } else {
          others[r].push_back(static_cast<int32_t>(token));
        }
      }
    }
    const Drawn drawn = sample(kType, logits, kRows, settings, history, {}, allowed);
    for (size_t r = 0; r < kRows; ++r) {
      const Drawn expected = sample(kType, logits, kRows, settings, history, others[r]);
      EXPECT(drawn.tokens[r] == expected.tokens[r]);
      EXPECT(drawn.log_probs[r] == expected.log_probs[r]);
    }
  }
}

TEST(greedy_takes_the_first_of_equals) {
  expect_draws<float>(DType::kF32, 2500, 3, {0.0, 0, 1.0, 0.0, 1.0, 0});
  std::vector<float> logits(2100, -1.0f);
  logits[1900] = logits[2000] = 0.0f;
  logits[1100] = -0.0f;  // equal to the other zeros
  EXPECT(sample(DType::kF32, logits, 1, {0.0, 0, 1.0, 0.0, 1.0, 0}).tokens[0] == 1100);
}

TEST(equal_logits_are_cut_in_the_order_of_tokens) {
  const std::vector<float> logits(4000, 0.25f);
  std::vector<int32_t> seen(20);
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const Drawn drawn = sample(DType::kF32, logits, 2, {1.0, 40, 0.5, 0.0, 1.0, seed});
    for (int32_t token : drawn.tokens) {
      EXPECT(token >= 0 && token < 20);
      if (token >= 0 && token < 20) ++seen[static_cast<size_t>(token)];
    }
  }
  EXPECT(std::count(seen.begin(), seen.end(), 0) < 18);
}

TEST(rows_that_are_no_distribution_say_so) {
  constexpr size_t kVocabulary = 70;
  std::vector<float> logits = normals(5 * kVocabulary, 1);
  logits[3] = NAN;
  logits[kVocabulary + 69] = INFINITY;
  std::fill_n(logits.begin() + 2 * kVocabulary, kVocabulary, -INFINITY);
  logits[3 * kVocabulary] = -INFINITY;  // this one is fine
  const Drawn drawn = sample(DType::kF32, logits, 5, {1.0, 5, 0.9, 0.0, 1.0, 1});
  for (size_t r = 0; r < 5; ++r) {
    EXPECT((drawn.tokens[r] < 0) == (r < 3));
  }
}

}  // namespace
}  // namespace athanor::test
