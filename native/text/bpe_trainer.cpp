#include "text/bpe_trainer.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <queue>

#include "core/error.h"
#include "core/thread_pool.h"

namespace athanor::text {
namespace {

constexpr size_t kCountBytes = 256 << 10;
constexpr uint32_t kBoundary = ~uint32_t{0};  // between two words
constexpr uint32_t kInside = kBoundary - 1;   // a place inside a token, once the start of one
constexpr uint32_t kNone = ~uint32_t{0};

/// All distinct words, one symbol per byte. A token of n bytes keeps its id in its first and
/// its last place, so the next token and the one before are found from the lengths of tokens,
/// with no links.
class Words {
 public:
  Words(const WordCounter& words, const uint32_t* byte_ids) {
    size_t total = 1;
    for (const auto& e : words.entries())
      if (e.count > 0 && e.size > 1) total += e.size + 1;
    expect(total < kInside, ErrorCode::kArgument, "the distinct words are ", total,
           " bytes; the most is 4 GiB: train on a sample");
    symbols_.reserve(total);
    word_of_.reserve(total);
    put(kBoundary);
    for (const auto& e : words.entries()) {
      if (e.count == 0 || e.size < 2) continue;
      counts_.push_back(e.count);
      const uint8_t* bytes = words.word(e);
      for (uint32_t i = 0; i < e.size; ++i) put(byte_ids[bytes[i]]);
      put(kBoundary);
    }
  }

  size_t size() const { return symbols_.size(); }
  uint32_t& operator[](size_t at) { return symbols_[at]; }
  uint64_t count_at(size_t at) const { return counts_[word_of_[at]]; }

 private:
  void put(uint32_t symbol) {
    symbols_.push_back(symbol);
    word_of_.push_back(static_cast<uint32_t>(counts_.size()) - 1);
  }

  std::vector<uint32_t> symbols_;
  std::vector<uint32_t> word_of_;
  std::vector<uint64_t> counts_;
};

struct Pair {
  uint32_t left;
  uint32_t right;
  uint64_t count;
  size_t places;  // the first of its places in the arena: where it stood when it was made
  uint32_t place_count;
};

struct Candidate {
  uint64_t count;
  uint32_t left;
  uint32_t right;
  uint32_t pair;

  bool operator<(const Candidate& other) const {
    if (count != other.count) return count < other.count;
    return left != other.left ? left > other.left : right > other.right;
  }
};

class Merger {
 public:
  Merger(Words& words, size_t tokens, uint64_t min_count)
      : words_(words),
        min_count_(min_count),
        length_(tokens, 1),
        by_left_(tokens, kNone),
        by_right_(tokens, kNone) {
    count_byte_pairs();
  }

  /// The pair to merge next, or false when none occurs often enough. Counts only fall after a pair
  /// is made, so a stale candidate is put back with its present count.
  bool next(Candidate* best) {
    while (!heap_.empty()) {
      Candidate top = heap_.top();
      heap_.pop();
      const uint64_t count = pairs_[top.pair].count;
      if (count == top.count) {
        *best = top;
        return true;
      }
      top.count = count;
      if (count >= min_count_) heap_.push(top);
    }
    return false;
  }

  void merge(const Candidate& best, uint32_t result) {
    const uint32_t left = best.left;
    const uint32_t right = best.right;
    const uint32_t left_length = length_[left];
    const uint32_t right_length = length_[right];
    length_[result] = left_length + right_length;
    made_.clear();
    made_places_.clear();
    const Pair pair = pairs_[best.pair];
    for (uint32_t i = 0; i < pair.place_count; ++i) {
      const uint32_t at = places_[pair.places + i];
      const uint32_t middle = at + left_length;
      if (words_[at] != left || words_[middle] != right) continue;
      const uint64_t count = words_.count_at(at);
      const uint32_t before = words_[at - 1];
      const uint32_t after = words_[middle + right_length];
      if (before != kBoundary) {
        lower(before, left, result, count);
        raise(by_left_, before, before, result, count, at - length_[before]);
      }
      if (after != kBoundary) {
        lower(right, after, result, count);
        raise(by_right_, after, result, after, count, at);
      }
      if (right_length > 1) words_[middle] = kInside;
      words_[at] = result;
      words_[middle + right_length - 1] = result;
    }
    pairs_[best.pair].count = 0;
    keep_made(result);
  }

  void discard(const Candidate& best) { pairs_[best.pair].count = 0; }

 private:
  struct Made {
    uint32_t left;
    uint32_t right;
    uint64_t count;
    uint32_t place_count;
    size_t next_place;
  };

  void count_byte_pairs() {
    std::vector<uint64_t> counts(65536);
    std::vector<uint32_t> place_counts(65536);
    const auto each = [&](auto&& visit) {
      for (size_t i = 1; i + 1 < words_.size(); ++i)
        if (words_[i] != kBoundary && words_[i + 1] != kBoundary) visit(words_[i] << 8 | words_[i + 1], i);
    };
    each([&](uint32_t pair, size_t at) {
      counts[pair] += words_.count_at(at);
      ++place_counts[pair];
    });
    std::vector<size_t> next(65536, ~size_t{0});
    for (uint32_t pair = 0; pair < 65536; ++pair) {
      if (counts[pair] < min_count_) continue;
      next[pair] = places_.size();
      add_pair({pair >> 8, pair & 255, counts[pair], places_.size(), place_counts[pair]});
      places_.resize(places_.size() + place_counts[pair]);
    }
    each([&](uint32_t pair, size_t at) {
      if (next[pair] != ~size_t{0}) places_[next[pair]++] = static_cast<uint32_t>(at);
    });
  }

  void add_pair(const Pair& pair) {
    const uint32_t index = static_cast<uint32_t>(pairs_.size());
    pairs_.push_back(pair);
    index_.insert(pair_key(pair.left, pair.right), index);
    heap_.push({pair.count, pair.left, pair.right, index});
  }

  /// Handles a pair that a merge breaks up. A pair with the new token is among those being made; a
  /// pair that was too rare to keep is in no table.
  void lower(uint32_t left, uint32_t right, uint32_t result, uint64_t count) {
    if (left == result) {
      made_[by_right_[right]].count -= count;
    } else if (const uint32_t* pair = index_.find(pair_key(left, right))) {
      pairs_[*pair].count -= count;
    }
  }

  void raise(std::vector<uint32_t>& by_neighbor, uint32_t neighbor, uint32_t left, uint32_t right,
             uint64_t count, uint32_t at) {
    uint32_t& made = by_neighbor[neighbor];
    if (made == kNone) {
      made = static_cast<uint32_t>(made_.size());
      made_.push_back({left, right, 0, 0, 0});
    }
    made_[made].count += count;
    ++made_[made].place_count;
    made_places_.push_back({made, at});
  }

  /// Keeps the pairs with the new token that occur often enough, each with its places in one run
  /// of the arena.
  void keep_made(uint32_t result) {
    for (Made& made : made_) {
      (made.right == result ? by_left_[made.left] : by_right_[made.right]) = kNone;
      made.next_place = ~size_t{0};
      if (made.count < min_count_) continue;
      made.next_place = places_.size();
      add_pair({made.left, made.right, made.count, places_.size(), made.place_count});
      places_.resize(places_.size() + made.place_count);
    }
    for (const auto& [made, at] : made_places_)
      if (made_[made].next_place != ~size_t{0}) places_[made_[made].next_place++] = at;
  }

  Words& words_;
  uint64_t min_count_;
  std::vector<uint32_t> length_;  // bytes of each token
  std::vector<Pair> pairs_;
  std::vector<uint32_t> places_;
  PairMap<uint32_t> index_;
  std::priority_queue<Candidate> heap_;
  // The pairs that the current merge makes, found by the neighbor on the left or on the right of
  // the new token.
  std::vector<uint32_t> by_left_;
  std::vector<uint32_t> by_right_;
  std::vector<Made> made_;
  std::vector<std::pair<uint32_t, uint32_t>> made_places_;
};

}  // namespace

const uint8_t* gpt2_byte_order() {
  static const auto order = [] {
    struct Order {
      uint8_t bytes[256];
    } result{};
    int next = 0;
    const auto printable = [](int b) { return (b >= 33 && b <= 126) || (b >= 161 && b != 173); };
    for (int b = 0; b < 256; ++b)
      if (printable(b)) result.bytes[next++] = static_cast<uint8_t>(b);
    for (int b = 0; b < 256; ++b)
      if (!printable(b)) result.bytes[next++] = static_cast<uint8_t>(b);
    return result;
  }();
  return order.bytes;
}

BpeTrainer::BpeTrainer(SplitPattern pattern, std::vector<std::vector<uint8_t>> reserved)
    : pattern_(pattern), reserved_(std::move(reserved)), counters_(static_cast<size_t>(num_threads())) {}

void BpeTrainer::count(const std::vector<Bytes>& texts) {
  std::vector<Bytes> parts;
  for (const Bytes text : texts) {
    const uint8_t* const end = text.data() + text.size();
    for (const uint8_t* begin = text.data(); begin < end;) {
      const uint8_t* stop = end;
      if (static_cast<size_t>(end - begin) > 2 * kCountBytes)
        stop = safe_cut(begin + kCountBytes, begin, end);
      parts.push_back({begin, static_cast<size_t>(stop - begin)});
      begin = stop;
    }
  }
  std::atomic<size_t> next{0};
  std::mutex failure_mutex;
  std::exception_ptr failure;
  parallel_for(static_cast<int64_t>(counters_.size()), [&](int64_t index) {
    WordCounter& counter = counters_[static_cast<size_t>(index)];
    try {
      for (size_t i; (i = next.fetch_add(1)) < parts.size();) {
        for_each_piece(pattern_, parts[i].data(), parts[i].data() + parts[i].size(),
                       [&](const uint8_t* begin, const uint8_t* end) {
                         expect(end - begin < 0xFFFFFFFFll, ErrorCode::kArgument,
                                "a word of 4 GiB with no place to split it");
                         counter.add(begin, static_cast<uint32_t>(end - begin), 1);
                       });
      }
    } catch (...) {
      std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

std::vector<int32_t> BpeTrainer::train(size_t tokens, uint64_t min_count) {
  expect(tokens >= 256 && tokens <= (size_t{1} << 24), ErrorCode::kArgument,
         "expected a vocabulary of 256 to 16777216 tokens but got ", tokens);
  expect(min_count >= 1, ErrorCode::kArgument, "the least count must be at least 1");
  const uint8_t* order = gpt2_byte_order();
  uint32_t byte_ids[256];
  for (uint32_t id = 0; id < 256; ++id) byte_ids[order[id]] = id;

  for (size_t i = 1; i < counters_.size(); ++i) {
    counters_[0].add_all(counters_[i]);
    counters_[i] = WordCounter();
  }
  Words words(counters_[0], byte_ids);
  Merger merger(words, tokens, min_count);

  std::vector<std::vector<uint8_t>> spelled;
  for (int id = 0; id < 256; ++id) spelled.push_back({order[id]});
  std::vector<int32_t> merges;
  Candidate best;
  while (spelled.size() < tokens && merger.next(&best)) {
    expect(!cancelled_.load(std::memory_order_relaxed), ErrorCode::kState, "training was cancelled");
    std::vector<uint8_t> token = spelled[best.left];
    token.insert(token.end(), spelled[best.right].begin(), spelled[best.right].end());
    if (std::find(reserved_.begin(), reserved_.end(), token) != reserved_.end()) {
      merger.discard(best);
      continue;
    }
    merger.merge(best, static_cast<uint32_t>(spelled.size()));
    spelled.push_back(std::move(token));
    merges.push_back(static_cast<int32_t>(best.left));
    merges.push_back(static_cast<int32_t>(best.right));
    merges_done_.store(merges.size() / 2, std::memory_order_relaxed);
  }
  return merges;
}

}  // namespace athanor::text
