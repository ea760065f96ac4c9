#include "kernels/logits.h"

#include "cpu/row_softmax.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

void token_log_probs(float* log_probs, const float* logits, const int32_t* tokens, int64_t rows,
                     int64_t vocabulary, int64_t count, float inverse_temperature) {
  parallel_for(rows, [&](int64_t r) {
    const float* row = logits + r * vocabulary;
    const float log_sum_exp = row_log_sum_exp(row, vocabulary, inverse_temperature);
    for (int64_t i = r * count; i < (r + 1) * count; ++i)
      log_probs[i] = log_probability(row[tokens[i]], inverse_temperature, log_sum_exp);
  });
}

/// Whether a logit comes before another in the order of top_tokens, if its token is the higher one.
ATHANOR_INLINE bool is_before(float x, float other) { return x > other || (x == x && other != other); }

ATHANOR_INLINE void top_of_row(int32_t* top, const float* row, int64_t vocabulary, int64_t count) {
  int64_t kept = 0;
  for (int64_t begin = 0; begin < vocabulary; begin += kLanes) {
    const int64_t end = smaller(vocabulary, begin + kLanes);
    // Most blocks hold nothing that is above the smallest one kept. NaN is above nothing.
    const bool is_full = kept == count && end - begin == kLanes;
    const float lowest = is_full ? row[top[count - 1]] : 0.0f;
    if (is_full && lowest == lowest && !any_at_least(load(row + begin), set1(lowest))) continue;
    for (int64_t i = begin; i < end; ++i) {
      int64_t place = kept;
      while (place > 0 && is_before(row[i], row[top[place - 1]])) --place;
      if (place == count) continue;
      if (kept < count) ++kept;
      for (int64_t j = kept - 1; j > place; --j) top[j] = top[j - 1];
      top[place] = static_cast<int32_t>(i);
    }
  }
}

void top_tokens(int32_t* tokens, const float* logits, int64_t rows, int64_t vocabulary, int64_t count) {
  parallel_for(
      rows, [&](int64_t r) { top_of_row(tokens + r * count, logits + r * vocabulary, vocabulary, count); });
}

void add_at(float* out, const float* logits, const int32_t* tokens, const float* values, int64_t rows,
            int64_t vocabulary, int64_t count) {
  parallel_for(rows, [&](int64_t r) {
    float* row = out + r * vocabulary;
    std::memcpy(row, logits + r * vocabulary, static_cast<size_t>(vocabulary) * sizeof(float));
    for (int64_t i = r * count; i < (r + 1) * count; ++i)
      if (tokens[i] >= 0) row[tokens[i]] += values[i];
  });
}

void cap_logits(float* logits, float* slopes, int64_t count, float cap) {
  const float inverse = 1.0f / cap;
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    for_lanes(begin, end, [&](int64_t i, auto lanes) {
      const VecF t = tanh(load(logits + i, lanes) * set1(inverse));
      store(logits + i, t * set1(cap), lanes);
      if (slopes != nullptr) store(slopes + i, (set1(1.0f) - t) * (set1(1.0f) + t), lanes);
    });
  });
}

void multiply_slopes(DType dtype, void* gradients, int64_t stride, const float* slopes, int64_t rows,
                     int64_t vocabulary) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    parallel_for(rows, [&](int64_t r) {
      T* row = static_cast<T*>(gradients) + r * stride;
      for_lanes(0, vocabulary, [&](int64_t i, auto lanes) {
        store(row + i, load(row + i, lanes) * load(slopes + r * vocabulary + i, lanes), lanes);
      });
    });
  });
}

}  // namespace

constinit const LogitsKernels logits_kernels_table =
    complete_table<LogitsKernels>(token_log_probs, top_tokens, add_at, cap_logits, multiply_slopes);

}  // namespace athanor::cpu::ATHANOR_ISA
