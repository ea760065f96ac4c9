#include "text/ngram_index.h"

#include <algorithm>

#include "core/error.h"
#include "core/thread_pool.h"
#include "text/minhash.h"
#include "text/xxhash64.h"

namespace athanor::text {
namespace {
constexpr size_t kMostWords = 1000;
constexpr size_t kFirstPlaces = 1 << 10;
/// The words of a longer text do not keep their memory.
constexpr size_t kLargeText = 1 << 20;
}  // namespace

NgramIndex::NgramIndex(size_t ngram, size_t shortest)
    : ngram_(ngram), shortest_(shortest), lengths_(ngram + 1), entries_(kFirstPlaces) {
  expect(ngram >= 1 && ngram <= kMostWords && shortest >= 1 && shortest <= ngram, ErrorCode::kArgument,
         "expected runs of 1 to ", kMostWords, " words, the shortest no longer than the others, but got ",
         ngram, " and ", shortest);
}

const NgramIndex::Entry* NgramIndex::find(std::string_view words, uint64_t hash) const {
  const size_t mask = entries_.size() - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    const Entry& entry = entries_[i];
    if (entry.bytes == 0) return nullptr;
    if (entry.hash == hash && std::string_view(arena_.data() + entry.at, entry.bytes) == words) return &entry;
  }
}

void NgramIndex::insert(const Entry& entry) {
  if ((size_ + 1) * 2 > entries_.size()) {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    size_ = 0;
    for (const Entry& e : old)
      if (e.bytes > 0) insert(e);
  }
  const size_t mask = entries_.size() - 1;
  size_t i = entry.hash & mask;
  while (entries_[i].bytes > 0) i = (i + 1) & mask;
  entries_[i] = entry;
  ++size_;
}

std::vector<uint32_t> NgramIndex::add(const std::vector<std::span<const uint8_t>>& texts, uint32_t set) {
  std::vector<uint32_t> counts;
  Words words;
  for (const auto& text : texts) {
    words.assign(text);
    counts.push_back(static_cast<uint32_t>(words.count()));
    const size_t length = std::min(ngram_, words.count());
    if (length < shortest_) continue;
    lengths_[length] = true;
    const std::string_view all = words.range(0, words.count());
    const size_t base = arena_.size();
    arena_.insert(arena_.end(), all.begin(), all.end());
    for (size_t first = 0; first + length <= words.count(); ++first) {
      const std::string_view run = words.range(first, length);
      const uint64_t hash = xxhash64(run.data(), run.size());
      if (find(run, hash) != nullptr) continue;
      insert({hash, base + static_cast<size_t>(run.data() - all.data()), static_cast<uint32_t>(run.size()),
              set});
    }
  }
  return counts;
}

NgramMatch NgramIndex::match(std::span<const uint8_t> text) const {
  thread_local Words kept;
  Words large;
  Words& words = text.size() > kLargeText ? large : kept;
  words.assign(text);
  NgramMatch result;
  for (size_t first = 0; first < words.count(); ++first) {
    for (size_t length = std::min(ngram_, words.count() - first); length >= shortest_; --length) {
      if (!lengths_[length]) continue;
      const std::string_view run = words.range(first, length);
      const Entry* entry = find(run, xxhash64(run.data(), run.size()));
      if (entry == nullptr) continue;
      if (result.count++ == 0) {
        result.set = entry->set;
        result.words = run;
      }
      break;
    }
  }
  return result;
}

std::vector<NgramMatch> NgramIndex::find(const std::vector<std::span<const uint8_t>>& texts) const {
  std::vector<NgramMatch> matches(texts.size());
  if (size_ == 0) return matches;
  const std::vector<size_t> ends = text_tasks(texts);
  parallel_for(static_cast<int64_t>(ends.size()), [&](int64_t task) {
    const size_t index = static_cast<size_t>(task);
    for (size_t i = index == 0 ? 0 : ends[index - 1]; i < ends[index]; ++i) matches[i] = match(texts[i]);
  });
  return matches;
}

}  // namespace athanor::text
