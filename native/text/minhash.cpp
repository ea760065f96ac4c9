#include "text/minhash.h"

#include <algorithm>
#include <random>

#include "core/error.h"
#include "core/thread_pool.h"
#include "text/minhash_kernel.h"
#include "text/xxhash64.h"

namespace athanor::text {
namespace {

constexpr size_t kMostHashes = 65536;
constexpr size_t kMostWords = 1000;
/// Hashes that are permuted at once: they stay in the first-level cache.
constexpr size_t kBlock = 256;
/// Bytes of text that a task takes at least: far more than it costs to begin one.
constexpr size_t kTaskBytes = 128 << 10;
/// The words of a longer text do not keep their memory.
constexpr size_t kLargeText = 1 << 20;

/// numpy's RandomState(seed).randint(least, 2^61 - 1, dtype=uint64).
class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : generator_(seed) {}

  uint64_t draw(uint64_t least) {
    // Draws of 61 bits until one is within the range, whose size needs as many.
    const uint64_t range = kMersenne61 - 1 - least;
    for (;;) {
      const uint64_t high = generator_();
      const uint64_t value = (high << 32 | generator_()) & kMersenne61;
      if (value <= range) return least + value;
    }
  }

 private:
  std::mt19937 generator_;
};

}  // namespace

MinHasher::MinHasher(const MinHashOptions& options) : options_(options) {
  expect(options.ngram >= 1 && options.ngram <= kMostWords, ErrorCode::kArgument, "expected 1 to ",
         kMostWords, " words per shingle but got ", options.ngram);
  expect(options.bands >= 1 && options.rows >= 1 && options.bands <= kMostHashes &&
             options.rows <= kMostHashes && hashes() <= kMostHashes,
         ErrorCode::kArgument, "expected 1 to ", kMostHashes, " hashes in bands but got ", options.bands,
         " bands of ", options.rows);
  const size_t filled = (hashes() + kPermutationLanes - 1) / kPermutationLanes * kPermutationLanes;
  factors_.resize(filled);
  addends_.resize(filled);
  NumpyRandom random(options.seed);
  for (size_t i = 0; i < hashes(); ++i) factors_[i] = random.draw(1);
  for (size_t i = 0; i < hashes(); ++i) addends_[i] = random.draw(0);
}

bool MinHasher::sign(std::span<const uint8_t> text, uint64_t* signature) const {
  thread_local Words kept;
  Words large;
  Words& words = text.size() > kLargeText ? large : kept;
  words.assign(text);
  if (words.count() < options_.ngram) {
    std::fill_n(signature, hashes(), kNone);
    return false;
  }
  static const LeastPermuted permute = least_permuted_versions().back();
  std::vector<uint64_t> least(factors_.size(), kNone);
  uint64_t block[kBlock];
  const size_t shingles = words.count() - options_.ngram + 1;
  for (size_t first = 0; first < shingles; first += kBlock) {
    const size_t count = std::min(kBlock, shingles - first);
    for (size_t i = 0; i < count; ++i) {
      const std::string_view shingle = words.range(first + i, options_.ngram);
      block[i] = xxhash64(shingle.data(), shingle.size());
    }
    permute(block, count, factors_.data(), addends_.data(), least.data(), least.size());
  }
  std::copy_n(least.begin(), hashes(), signature);
  return true;
}

std::vector<size_t> text_tasks(const std::vector<std::span<const uint8_t>>& texts) {
  std::vector<size_t> ends;
  size_t bytes = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    bytes += texts[i].size();
    if (bytes < kTaskBytes && i + 1 < texts.size()) continue;
    ends.push_back(i + 1);
    bytes = 0;
  }
  return ends;
}

std::vector<uint64_t> MinHasher::sign_all(const std::vector<std::span<const uint8_t>>& texts) const {
  std::vector<uint64_t> signatures(texts.size() * hashes());
  const std::vector<size_t> ends = text_tasks(texts);
  parallel_for(static_cast<int64_t>(ends.size()), [&](int64_t task) {
    const size_t index = static_cast<size_t>(task);
    for (size_t i = index == 0 ? 0 : ends[index - 1]; i < ends[index]; ++i)
      sign(texts[i], signatures.data() + i * hashes());
  });
  return signatures;
}

}  // namespace athanor::text
