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

/// The first space between two letters of ASCII at or after `from`, or `end`.
const uint8_t* space_cut(const uint8_t* from, const uint8_t* end) {
  const auto letter = [](uint8_t c) { return static_cast<uint8_t>((c | 32) - 'a') < 26; };
  for (const uint8_t* p = from; p + 1 < end; ++p)
    if (*p == ' ' && letter(p[-1]) && letter(p[1])) return p;
  return end;
}

/// Calls visit(begin, end) for the parts of a piece that begin with runs of U+2581.
template <class Visit>
void each_word(const uint8_t* begin, const uint8_t* end, const Visit& visit) {
  static constexpr uint8_t kMark[3] = {0xE2, 0x96, 0x81};
  const auto is_mark = [&](const uint8_t* p) { return end - p >= 3 && std::memcmp(p, kMark, 3) == 0; };
  const uint8_t* at = begin;
  while (at < end) {
    const uint8_t* stop = at;
    while (is_mark(stop)) stop += 3;
    while (stop < end && !is_mark(stop)) ++stop;
    visit(at, stop);
    at = stop;
  }
}

std::vector<AddedTokens::Token> found_tokens(const Vocabulary& vocabulary, const Normalizer* normalizer) {
  std::vector<AddedTokens::Token> tokens;
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const TokenKind kind = vocabulary.kind(id);
    if (kind != TokenKind::kAdded && kind != TokenKind::kSpecial) continue;
    const uint8_t flags = vocabulary.flags(id);
    if (((flags & kNormalized) != 0) != (normalizer != nullptr)) continue;
    const Bytes text = vocabulary.text(id);
    std::vector<uint8_t> searched(text.begin(), text.end());
    if (normalizer != nullptr) searched = normalizer->normalize(text);
    if (searched.empty()) continue;
    tokens.push_back({static_cast<int32_t>(id), flags, kind == TokenKind::kSpecial, std::move(searched)});
  }
  return tokens;
}

}  // namespace

/// Consecutive parts that one thread encodes in one go.
struct Tokenizer::Task {
  size_t begin;
  size_t end;
  Ids ids;
  std::vector<size_t> ends;  // after each part, in ids
};

void Tokenizer::cut(Bytes text, bool is_first, std::vector<Part>& parts) const {
  const bool is_plain = normalizer_.empty() && pre_tokenizer_.only_pattern() != nullptr;
  const uint8_t* const end = text.data() + text.size();
  const uint8_t* begin = text.data();
  while (begin < end) {
    const uint8_t* stop = end;
    if (cuts_at_spaces_ && static_cast<size_t>(end - begin) > 2 * kPartBytes)
      stop = is_plain ? safe_cut(begin + kPartBytes, begin, end) : space_cut(begin + kPartBytes, end);
    parts.push_back({{begin, static_cast<size_t>(stop - begin)}, -1, is_first && begin == text.data()});
    begin = stop;
  }
}

std::vector<Tokenizer::Task> Tokenizer::group(const std::vector<Part>& parts) {
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

EncoderState::EncoderState() : words_(kWordSlots) {}

void EncoderState::encode_piece(const Vocabulary& vocabulary, const uint8_t* piece, size_t size, Ids& out) {
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
  if (!vocabulary.is_byte_level()) return merge_characters(vocabulary, piece, size, out);
  const auto find = [&](uint32_t left, uint32_t right) { return vocabulary.merge(left, right); };
  merge_piece(piece, size, vocabulary.byte_ids(), find, scratch_, out);
  if (scratch_.heap.capacity() > kKeptScratch) scratch_ = MergeScratch();
}

void EncoderState::merge_characters(const Vocabulary& vocabulary, const uint8_t* piece, size_t size,
                                    Ids& out) {
  symbols_.clear();
  vocabulary.append_symbols({piece, size}, symbols_);
  if (symbols_.empty()) return;
  const auto find = [&](uint32_t left, uint32_t right) { return vocabulary.merge(left, right); };
  merge_symbols(symbols_.size(), [&](size_t i) { return symbols_[i]; }, find, scratch_, out);
  if (scratch_.heap.capacity() > kKeptScratch) scratch_ = MergeScratch();
}

Tokenizer::Tokenizer(VocabularyData data, TextSettings settings)
    : vocabulary_(std::move(data)),
      normalizer_(std::move(settings.normalizer)),
      pre_tokenizer_(std::move(settings.pieces)),
      added_(found_tokens(vocabulary_, nullptr)),
      normalized_added_(found_tokens(vocabulary_, &normalizer_)),
      cuts_at_spaces_(normalizer_.cuts_at_spaces() && normalized_added_.empty() &&
                      pre_tokenizer_.cuts_at_spaces()) {}

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

void Tokenizer::encode_run(Bytes text, bool is_first, EncoderState& state, Ids& out) const {
  const uint8_t* const begin = text.data();
  const uint8_t* const end = begin + text.size();
  const auto piece = [&](const uint8_t* from, const uint8_t* to) {
    state.encode_piece(vocabulary_, from, static_cast<size_t>(to - from), out);
  };
  if (const SplitPattern* pattern = pre_tokenizer_.only_pattern())
    return for_each_piece(*pattern, begin, end, piece);
  if (pre_tokenizer_.spells()) {
    return pre_tokenizer_.each_piece(begin, end, is_first, [&](const uint8_t* from, const uint8_t* to) {
      unspell(from, to, state.unspelled);
      piece(state.unspelled.data(), state.unspelled.data() + state.unspelled.size());
    });
  }
  if (vocabulary_.is_byte_level() || !vocabulary_.begins_words() || vocabulary_.ignore_merges())
    return pre_tokenizer_.each_piece(begin, end, is_first, piece);
  pre_tokenizer_.each_piece(begin, end, is_first,
                            [&](const uint8_t* from, const uint8_t* to) { each_word(from, to, piece); });
}

void Tokenizer::encode_part(const Part& part, bool allow_special, EncoderState& state, Ids& out) const {
  if (part.token >= 0) return out.push_back(part.token);
  std::vector<uint8_t> normalized;
  Bytes text = part.text;
  if (!normalizer_.empty()) {
    normalized = normalizer_.normalize(text);
    text = normalized;
  }
  if (normalized_added_.empty()) return encode_run(text, part.is_first, state, out);
  std::vector<TextRun> runs;
  normalized_added_.find(text, 0, text.size(), allow_special, runs);
  for (const TextRun& run : runs) {
    if (run.id >= 0)
      out.push_back(run.id);
    else
      encode_run(text.subspan(run.begin, run.end - run.begin), part.is_first && run.begin == 0, state, out);
  }
}

void Tokenizer::add_runs(Bytes text, const std::vector<TextRun>& runs, std::vector<Part>& parts) const {
  for (const TextRun& run : runs) {
    if (run.id >= 0)
      parts.push_back({{}, run.id, false});
    else
      cut(text.subspan(run.begin, run.end - run.begin), run.begin == 0, parts);
  }
}

std::vector<Tokenizer::Task> Tokenizer::encode_parts(const std::vector<Part>& parts,
                                                     bool allow_special) const {
  std::vector<Task> tasks = group(parts);
  std::mutex failure_mutex;
  std::exception_ptr failure;
  parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index) {
    Task& task = tasks[static_cast<size_t>(index)];
    try {
      std::unique_ptr<EncoderState> state = take_state();
      for (size_t i = task.begin; i < task.end; ++i) {
        encode_part(parts[i], allow_special, *state, task.ids);
        task.ends.push_back(task.ids.size());
      }
      return_state(std::move(state));
    } catch (...) {
      std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
  return tasks;
}

std::vector<Ids> Tokenizer::encode(const std::vector<Bytes>& texts, bool allow_special) const {
  std::vector<Part> parts;
  std::vector<size_t> last_part;  // of each text, one past
  std::vector<TextRun> runs;
  for (const Bytes text : texts) {
    runs.clear();
    added_.find(text, 0, text.size(), allow_special, runs);
    add_runs(text, runs, parts);
    last_part.push_back(parts.size());
  }
  const std::vector<Task> tasks = encode_parts(parts, allow_special);

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

Ids Tokenizer::encode_marked(Bytes text, const std::vector<MarkedToken>& tokens) const {
  std::vector<TextRun> runs;
  size_t done = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const MarkedToken& token = tokens[i];
    expect(token.begin <= token.end && token.end <= text.size() &&
               (i == 0 || token.begin >= tokens[i - 1].end) && token.id >= 0 &&
               static_cast<size_t>(token.id) < vocabulary_.size(),
           ErrorCode::kArgument, "the token ", token.id, " at ", token.begin, " does not fit into the text");
    const size_t limit = i + 1 < tokens.size() ? tokens[i + 1].begin : text.size();
    size_t begin = std::max(token.begin, done);
    size_t end = std::max(token.end, done);
    AddedTokens::widen(vocabulary_.flags(static_cast<size_t>(token.id)), text, done, limit, begin, end);
    added_.find(text, done, begin, false, runs);
    runs.push_back({begin, end, token.id});
    done = end;
  }
  added_.find(text, done, text.size(), false, runs);
  std::vector<Part> parts;
  add_runs(text, runs, parts);
  Ids ids;
  for (const Task& task : encode_parts(parts, false)) ids.insert(ids.end(), task.ids.begin(), task.ids.end());
  return ids;
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
