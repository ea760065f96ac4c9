#include "text/added_tokens.h"

#include <algorithm>

#include "text/literal_search.h"

namespace athanor::text {
namespace {

bool is_word_beside(Bytes text, size_t at, bool before) {
  const CharSet& word = char_kind(CharKind::kRegexWord);
  const uint8_t* const begin = text.data();
  const uint8_t* const end = begin + text.size();
  int bytes = 0;
  if (before) return at > 0 && word.contains(point_before(begin, begin + at, &bytes));
  return at < text.size() && word.contains(point_at(begin + at, end, &bytes));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    uint32_t node = 0;
    begins_[tokens_[i].text[0]] = true;
    for (const uint8_t byte : tokens_[i].text) {
      const uint64_t key = pair_key(node, byte);
      const uint32_t* next = nodes_.find(key);
      if (next == nullptr) {
        node = static_cast<uint32_t>(ends_.size());
        nodes_.insert(key, node);
        ends_.push_back(-1);
      } else {
        node = *next;
      }
    }
    if (ends_[node] < 0) ends_[node] = static_cast<int32_t>(i);
  }
}

const AddedTokens::Token* AddedTokens::longest(Bytes text, size_t at, size_t to) const {
  const Token* found = nullptr;
  uint32_t node = 0;
  for (; at < to; ++at) {
    const uint32_t* next = nodes_.find(pair_key(node, text[at]));
    if (next == nullptr) break;
    node = *next;
    if (ends_[node] >= 0) found = &tokens_[static_cast<size_t>(ends_[node])];
  }
  return found;
}

void AddedTokens::widen(uint8_t flags, Bytes text, size_t from, size_t to, size_t& begin, size_t& end) {
  const CharSet& space = char_kind(CharKind::kSpace);
  const uint8_t* const data = text.data();
  if (flags & kTakesSpaceBefore)
    begin = static_cast<size_t>(before_spaces(data + std::min(from, begin), data + begin, space) - data);
  if (flags & kTakesSpaceAfter) end = static_cast<size_t>(after_spaces(data + end, data + to, space) - data);
}

void AddedTokens::find(Bytes text, size_t from, size_t to, bool allow_special,
                       std::vector<TextRun>& runs) const {
  size_t done = from;
  const auto ordinary = [&](size_t end) {
    if (done < end) runs.push_back({done, end, -1});
  };
  for (size_t at = from; !tokens_.empty() && at < to;) {
    const Token* token = begins_[text[at]] ? longest(text, at, to) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->text.size();
    at = end;
    if (token->special && !allow_special) continue;
    if ((token->flags & kOnlyWord) && (is_word_beside(text, begin, true) || is_word_beside(text, end, false)))
      continue;
    widen(token->flags, text, done, to, begin, end);
    ordinary(begin);
    runs.push_back({begin, end, token->id});
    done = end;
  }
  ordinary(to);
}

}  // namespace athanor::text
