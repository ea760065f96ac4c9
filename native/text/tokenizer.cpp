#include "text/tokenizer.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>

#include "core/error.h"
#include "core/thread_pool.h"

namespace athanor::text {
namespace {

// 32 bytes each: together half of the smallest common L2, so that words stay in reach
// beside the text.
constexpr size_t kWordSlots = size_t{1} << 14;
// A part of this length takes about a millisecond, far longer than handing it out.
constexpr size_t kPartBytes = 64 << 10;
// A piece longer than this is rare enough to give its working memory back.
constexpr size_t kKeptScratch = 1 << 20;

/// A run of one text: to be split and merged, or (size 0) one token that was found whole.
struct Part {
  Bytes text;
  int32_t token;
};

/// Consecutive parts that one thread encodes in one go.
struct Task {
  size_t begin;
  size_t end;
  Ids ids;
  std::vector<size_t> ends;  // after each part, in ids
};

void cut(Bytes text, std::vector<Part>& parts) {
  const uint8_t* const end = text.data() + text.size();
  const uint8_t* begin = text.data();
  while (begin < end) {
    const uint8_t* stop = end;
    if (static_cast<size_t>(end - begin) > 2 * kPartBytes) stop = safe_cut(begin + kPartBytes, begin, end);
    parts.push_back({{begin, static_cast<size_t>(stop - begin)}, -1});
    begin = stop;
  }
}

std::vector<Task> group(const std::vector<Part>& parts) {
  std::vector<Task> tasks;
  size_t bytes = kPartBytes;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (bytes >= kPartBytes) {
      tasks.push_back({i, i, {}, {}});
      bytes = 0;
    }
    // Even an empty part costs some work.
    bytes += parts[i].text.size() + 16;
    tasks.back().end = i + 1;
  }
  return tasks;
}

}  // namespace

EncoderState::EncoderState() : words_(kWordSlots) {}

void EncoderState::encode(const Vocabulary& vocabulary, Bytes text, Ids& out) {
  for_each_piece(vocabulary.pattern(), text.data(), text.data() + text.size(),
                 [&](const uint8_t* begin, const uint8_t* end) {
                   encode_piece(vocabulary, begin, static_cast<size_t>(end - begin), out);
                 });
}

inline void EncoderState::encode_piece(const Vocabulary& vocabulary, const uint8_t* piece, size_t size,
                                       Ids& out) {
  if (size > 16) return merge(vocabulary, piece, size, out);
  const ShortKey key = short_key(piece, size);
  Word& word = words_[hash_short(key, size) & (kWordSlots - 1)];
  if (word.size == size && word.key.low == key.low && word.key.high == key.high) {
    const size_t before = out.size();
    out.resize(before + word.count);
    for (size_t i = 0; i < word.count; ++i) out[before + i] = word.ids[i];
    return;
  }
  const size_t before = out.size();
  merge(vocabulary, piece, size, out);
  const size_t count = out.size() - before;
  if (count > 3) return;
  word.key = key;
  word.size = static_cast<uint8_t>(size);
  word.count = static_cast<uint8_t>(count);
  std::copy_n(out.data() + before, count, word.ids);
}

void EncoderState::merge(const Vocabulary& vocabulary, const uint8_t* piece, size_t size, Ids& out) {
  if (vocabulary.ignore_merges()) {
    const int32_t id = vocabulary.whole(piece, size);
    if (id >= 0) return out.push_back(id);
  }
  expect(size < 0xFFFFFFFFull, ErrorCode::kArgument, "a piece of ", size,
         " bytes with no place to split it; the most is 4 GiB");
  const auto find = [&](uint32_t left, uint32_t right) { return vocabulary.merge(left, right); };
  merge_piece(piece, size, vocabulary.byte_ids(), find, scratch_, out);
  if (scratch_.heap.capacity() > kKeptScratch) scratch_ = MergeScratch();
}

TokenFinder::TokenFinder(const Vocabulary& vocabulary, bool with_special) : vocabulary_(vocabulary) {
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const TokenKind kind = vocabulary.kind(id);
    if (kind == TokenKind::kAdded || (with_special && kind == TokenKind::kSpecial))
      ids_.push_back(static_cast<int32_t>(id));
  }
  const auto token = [&](int32_t id) { return vocabulary.bytes(static_cast<size_t>(id)); };
  std::stable_sort(ids_.begin(), ids_.end(), [&](int32_t a, int32_t b) {
    if (token(a)[0] != token(b)[0]) return token(a)[0] < token(b)[0];
    return token(a).size() > token(b).size();
  });
  for (int32_t id : ids_) ++first_[token(id)[0] + 1];
  for (int byte = 0; byte < 256; ++byte) first_[byte + 1] += first_[byte];
}

TokenFinder::Match TokenFinder::find(Bytes text, size_t from) const {
  for (size_t at = from; at < text.size(); ++at) {
    const uint8_t byte = text[at];
    for (uint32_t i = first_[byte]; i < first_[byte + 1]; ++i) {
      const Bytes token = vocabulary_.bytes(static_cast<size_t>(ids_[i]));
      if (token.size() <= text.size() - at && std::memcmp(token.data(), text.data() + at, token.size()) == 0)
        return {at, token.size(), ids_[i]};
    }
  }
  return {text.size(), 0, -1};
}

Tokenizer::Tokenizer(VocabularyData data)
    : vocabulary_(std::move(data)), added_(vocabulary_, false), added_and_special_(vocabulary_, true) {}

std::unique_ptr<EncoderState> Tokenizer::take_state() const {
  {
    std::lock_guard lock(mutex_);
    if (!states_.empty()) {
      std::unique_ptr<EncoderState> state = std::move(states_.back());
      states_.pop_back();
      return state;
    }
  }
  return std::make_unique<EncoderState>();
}

void Tokenizer::return_state(std::unique_ptr<EncoderState> state) const {
  std::lock_guard lock(mutex_);
  states_.push_back(std::move(state));
}

std::vector<Ids> Tokenizer::encode(const std::vector<Bytes>& texts, bool allow_special) const {
  const TokenFinder& finder = allow_special ? added_and_special_ : added_;
  std::vector<Part> parts;
  std::vector<size_t> last_part;  // of each text, one past
  for (const Bytes text : texts) {
    size_t from = 0;
    while (!finder.empty()) {
      const TokenFinder::Match match = finder.find(text, from);
      if (match.id < 0) break;
      cut(text.subspan(from, match.at - from), parts);
      parts.push_back({{}, match.id});
      from = match.at + match.size;
    }
    cut(text.subspan(from), parts);
    last_part.push_back(parts.size());
  }

  std::vector<Task> tasks = group(parts);
  std::mutex failure_mutex;
  std::exception_ptr failure;
  parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index) {
    Task& task = tasks[static_cast<size_t>(index)];
    try {
      std::unique_ptr<EncoderState> state = take_state();
      for (size_t i = task.begin; i < task.end; ++i) {
        if (parts[i].token >= 0)
          task.ids.push_back(parts[i].token);
        else
          state->encode(vocabulary_, parts[i].text, task.ids);
        task.ends.push_back(task.ids.size());
      }
      return_state(std::move(state));
    } catch (...) {
      std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);

  std::vector<Ids> results(texts.size());
  size_t part = 0;
  size_t task = 0;
  for (size_t t = 0; t < texts.size(); ++t) {
    while (part < last_part[t]) {
      const Task& from = tasks[task];
      const size_t stop = std::min(last_part[t], from.end);
      const size_t first = part == from.begin ? 0 : from.ends[part - from.begin - 1];
      const size_t last = from.ends[stop - from.begin - 1];
      results[t].insert(results[t].end(), from.ids.begin() + static_cast<ptrdiff_t>(first),
                        from.ids.begin() + static_cast<ptrdiff_t>(last));
      part = stop;
      if (part == from.end) ++task;
    }
  }
  return results;
}

std::vector<uint8_t> Tokenizer::decode(const int32_t* ids, size_t count, bool skip_special) const {
  std::vector<uint8_t> out;
  out.reserve(count * 4);
  for (size_t i = 0; i < count; ++i) {
    expect(ids[i] >= 0, ErrorCode::kArgument, "id ", ids[i], " at ", i, " is negative");
    const auto id = static_cast<size_t>(ids[i]);
    // A model may have more rows than its tokenizer has tokens.
    if (id >= vocabulary_.size() || vocabulary_.kind(id) == TokenKind::kHole) continue;
    if (skip_special && vocabulary_.kind(id) == TokenKind::kSpecial) continue;
    const Bytes token = vocabulary_.bytes(id);
    out.insert(out.end(), token.begin(), token.end());
  }
  return out;
}

}  // namespace athanor::text
