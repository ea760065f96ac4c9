// The split patterns as state machines. Each regular expression below matches at every position, so
// a text is tiled by its pieces; next() returns where the piece that starts at `at` ends. All are
// linear: a run that one alternative scans and gives back is scanned again at most twice.
#pragma once

#include <cstdint>

#include "text/unicode.h"

namespace athanor::text {

enum class SplitPattern { kGpt2, kGpt4, kGpt4o };

namespace detail {

struct Cursor {
  const uint8_t* classes;
  const uint8_t* end;

  Char at(const uint8_t* p) const { return char_at(classes, p, end); }
  uint8_t classes_at(const uint8_t* p) const { return p < end ? at(p).classes : uint8_t{0}; }

  /// The end of the run of characters with any of the bits.
  const uint8_t* run(const uint8_t* p, uint8_t bits) const {
    while (p < end) {
      const Char c = at(p);
      if ((c.classes & bits) == 0) break;
      p += c.bytes;
    }
    return p;
  }

  /// The end of the run of characters with none of the bits.
  const uint8_t* run_without(const uint8_t* p, uint8_t bits) const {
    while (p < end) {
      const Char c = at(p);
      if ((c.classes & bits) != 0) break;
      p += c.bytes;
    }
    return p;
  }

  /// \s+(?!\S)|\s+ from the first of at least one space: all of the run at the end of the text or
  /// when it is one character, else all but its last character. With newlines, \s*[\r\n]+ comes
  /// first: up to the last newline.
  template <bool newlines_first>
  const uint8_t* spaces(const uint8_t* start) const {
    const uint8_t* p = start;
    const uint8_t* last = start;
    const uint8_t* after_newline = nullptr;
    while (p < end) {
      const Char c = at(p);
      if ((c.classes & kSpace) == 0) break;
      last = p;
      p += c.bytes;
      if (newlines_first && (c.classes & kNewline) != 0) after_newline = p;
    }
    if (after_newline != nullptr) return after_newline;
    return p == end || last == start ? p : last;
  }

  /// Bytes of 's 't 'm 'd 're 've 'll at the apostrophe p, else 0. Ignoring case, the long s
  /// (U+017F) is an s.
  template <bool ignore_case>
  int contraction(const uint8_t* p) const {
    const auto lower = [&](int i) {
      return ignore_case && p[i] >= 'A' && p[i] <= 'Z' ? static_cast<uint8_t>(p[i] + 32) : p[i];
    };
    if (end - p < 2) return 0;
    const uint8_t first = lower(1);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    if (end - p < 3) return 0;
    const uint8_t second = lower(2);
    if ((first == 'r' || first == 'v') && second == 'e') return 3;
    if (first == 'l' && second == 'l') return 3;
    return ignore_case && first == 0xC5 && second == 0xBF ? 3 : 0;
  }
};

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
struct Gpt2Splitter : Cursor {
  const uint8_t* next(const uint8_t* p) const {
    if (*p == '\'') {
      if (const int bytes = contraction<false>(p)) return p + bytes;
    }
    const uint8_t* body = *p == ' ' && p + 1 < end ? p + 1 : p;
    const Char c = at(body);
    if (c.classes & kLetter) return run(body + c.bytes, kLetter);
    if (c.classes & kNumber) return run(body + c.bytes, kNumber);
    if (c.classes & kSpace) return spaces<false>(p);
    return run_without(body + c.bytes, kLetter | kNumber | kSpace);
  }
};

/// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
/// | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
struct Gpt4Splitter : Cursor {
  const uint8_t* next(const uint8_t* p) const {
    if (*p == '\'') {
      if (const int bytes = contraction<true>(p)) return p + bytes;
    }
    const Char c = at(p);
    const uint8_t* body = p + c.bytes;
    if (c.classes & kLetter) return run(body, kLetter);
    if (c.classes & kNumber) {
      for (int digits = 1; digits < 3 && (classes_at(body) & kNumber); ++digits) body += at(body).bytes;
      return body;
    }
    const Char second = body < end ? at(body) : Char{kSpace, 0};
    if ((c.classes & kNewline) == 0 && (second.classes & kLetter)) return run(body + second.bytes, kLetter);
    const bool mark = (c.classes & kSpace) == 0;
    if (mark || (*p == ' ' && (second.classes & (kLetter | kNumber | kSpace)) == 0))
      return run(run_without(body, kLetter | kNumber | kSpace), kNewline);
    return spaces<true>(p);
  }
};

/// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+
///   (?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*
///   (?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
struct Gpt4oSplitter : Cursor {
  static constexpr uint8_t kHead = kUpper | kCaselessLetter | kMark;
  static constexpr uint8_t kTail = kLower | kCaselessLetter | kMark;

  const uint8_t* next(const uint8_t* p) const {
    const Char c = at(p);
    const uint8_t* body = p + c.bytes;
    if (c.classes & kNumber) {
      for (int digits = 1; digits < 3 && (classes_at(body) & kNumber); ++digits) body += at(body).bytes;
      return body;
    }
    const bool letter = (c.classes & kLetter) != 0;
    if (letter || (c.classes & kNewline) == 0) {
      if (const uint8_t* word = word_end(letter ? p : body, (c.classes & kMark) ? p : nullptr)) {
        return word < end && *word == '\'' ? word + contraction<true>(word) : word;
      }
    }
    const bool mark = (c.classes & kSpace) == 0;
    if (mark || (*p == ' ' && body < end && (at(body).classes & (kLetter | kNumber | kSpace)) == 0)) {
      const uint8_t* q = run_without(body, kLetter | kNumber | kSpace);
      while (q < end && (*q == '\r' || *q == '\n' || *q == '/')) ++q;
      return q;
    }
    return spaces<true>(p);
  }

 private:
  /// The first two alternatives. Each is tried after the optional first character; where that
  /// character is a mark, which may begin a word itself, each is tried from it as well.
  const uint8_t* word_end(const uint8_t* start, const uint8_t* mark_start) const {
    const uint8_t* head_end = start;
    const uint8_t* after_last_tail = nullptr;
    while (head_end < end) {
      const Char c = at(head_end);
      if ((c.classes & kHead) == 0) break;
      head_end += c.bytes;
      if (c.classes & kTail) after_last_tail = head_end;
    }
    const uint8_t* tail_end = run(head_end, kTail);
    if (tail_end != head_end) return tail_end;
    if (after_last_tail != nullptr) return after_last_tail;
    // The upper-case rest holds no tail character: the first alternative can only end at
    // the mark itself.
    if (mark_start != nullptr) return start;
    return head_end != start ? head_end : nullptr;
  }
};

}  // namespace detail

/// Calls visit(begin, end) for each piece of [begin, end) in order.
template <class Visit>
void for_each_piece(SplitPattern pattern, const uint8_t* begin, const uint8_t* end, Visit&& visit) {
  const auto walk = [&](const auto& splitter) {
    for (const uint8_t* p = begin; p < end;) {
      const uint8_t* next = splitter.next(p);
      visit(p, next);
      p = next;
    }
  };
  const detail::Cursor cursor{unicode_classes(), end};
  switch (pattern) {
    case SplitPattern::kGpt2: return walk(detail::Gpt2Splitter{cursor});
    case SplitPattern::kGpt4: return walk(detail::Gpt4Splitter{cursor});
    case SplitPattern::kGpt4o: return walk(detail::Gpt4oSplitter{cursor});
  }
}

/// Whether every pattern begins a piece at p, for any text before and after, so that the text may
/// be cut there: at a space between two ASCII letters, or after a newline that stands alone between
/// two characters that are no space (nor, after it, the slash that GPT-4o's pattern takes along).
inline bool is_safe_cut(const uint8_t* p, const uint8_t* begin, const uint8_t* end) {
  // Four bytes hold the next character whole even where the text goes on after `end`.
  if (p - begin < 2 || end - p < 4) return false;
  const auto letter = [](uint8_t c) { return static_cast<uint8_t>((c | 32) - 'a') < 26; };
  if (*p == ' ') return letter(p[-1]) && letter(p[1]);
  if (p[-1] != '\n' || *p == '/') return false;
  const detail::Cursor cursor{unicode_classes(), end};
  if (cursor.at(p).classes & kSpace) return false;
  const uint8_t* before = p - 2;
  while (before > begin && p - before < 5 && (*before & 0xC0) == 0x80) --before;
  return (cursor.at(before).classes & kSpace) == 0;
}

/// The first safe cut at or after `from`, or `end`. Lets one text be worked on in parts.
inline const uint8_t* safe_cut(const uint8_t* from, const uint8_t* begin, const uint8_t* end) {
  for (const uint8_t* p = from; p < end; ++p)
    if (is_safe_cut(p, begin, end)) return p;
  return end;
}

/// The last safe cut, or `begin`.
inline const uint8_t* last_safe_cut(const uint8_t* begin, const uint8_t* end) {
  for (const uint8_t* p = end; p > begin; --p)
    if (is_safe_cut(p, begin, end)) return p;
  return begin;
}

}  // namespace athanor::text
