// The loops are scalar code over small arrays that the compiler turns into vectors of doubles.
#include "kernels/random.h"

#include "core/box_muller.h"
#include "core/philox.h"
#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

constexpr int kBatch = 256;  // elements at a time: 64 Philox blocks, and all arrays stay in L1

/// Random words for elements [begin, begin + kBatch), begin a multiple of 4.
ATHANOR_INLINE void fill_words(uint32_t* words, int64_t begin, uint64_t seed, uint64_t stream) {
  for (int i = 0; i < kBatch; i += 4) {
    const PhiloxBlock block = philox(seed, stream, static_cast<uint64_t>(begin + i) / 4);
    for (int j = 0; j < 4; ++j) words[i + j] = block.word[j];
  }
}

/// Elements 2 i and 2 i + 1 are the sine and cosine of one pair of words.
ATHANOR_INLINE void normal_batch(float* out, const uint32_t* words, double mean, double std) {
  double radius[kBatch / 2], turn[kBatch / 2], sine[kBatch / 2], cosine[kBatch / 2];
  for (int i = 0; i < kBatch / 2; ++i) {
    radius[i] = (static_cast<double>(words[2 * i]) + 0.5) * 0x1p-32;  // never 0, never 1
    turn[i] = static_cast<double>(words[2 * i + 1]) * 0x1p-32;
  }
  for (int i = 0; i < kBatch / 2; ++i) radius[i] = __builtin_sqrt(-2.0 * log_unit(radius[i])) * std;
  for (int i = 0; i < kBatch / 2; ++i) sin_cos_turn(turn[i], sine + i, cosine + i);
  for (int i = 0; i < kBatch / 2; ++i) {
    out[2 * i] = static_cast<float>(mean + radius[i] * sine[i]);
    out[2 * i + 1] = static_cast<float>(mean + radius[i] * cosine[i]);
  }
}

template <class Batch>
ATHANOR_INLINE void fill_batches(float* target, int64_t count, uint64_t seed, uint64_t stream,
                                 Batch&& batch) {
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    uint32_t words[kBatch];
    float numbers[kBatch];
    for (int64_t at = begin; at < end; at += kBatch) {
      fill_words(words, at, seed, stream);
      batch(numbers, words);
      std::memcpy(target + at, numbers,
                  static_cast<size_t>(smaller<int64_t>(kBatch, end - at)) * sizeof(float));
    }
  });
}

void normal(float* target, int64_t count, double mean, double std, uint64_t seed, uint64_t stream) {
  fill_batches(target, count, seed, stream,
               [=](float* out, const uint32_t* words) { normal_batch(out, words, mean, std); });
}

void uniform(float* target, int64_t count, float low, float high, uint64_t seed, uint64_t stream) {
  const double width = static_cast<double>(high) - static_cast<double>(low);
  const float largest =
      low < high ? __builtin_nextafterf(high, low) : low;  // rounding up may not give `high`
  fill_batches(target, count, seed, stream, [=](float* out, const uint32_t* words) {
    for (int i = 0; i < kBatch; ++i) {
      const auto x = static_cast<float>(static_cast<double>(words[i]) * 0x1p-32 * width + low);
      out[i] = x < largest ? x : largest;
    }
  });
}

}  // namespace

constinit const RandomKernels random_kernels_table = complete_table<RandomKernels>(normal, uniform);

}  // namespace athanor::cpu::ATHANOR_ISA
