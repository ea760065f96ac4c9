// The words of a text as datatrove compares texts: lower case, numbers as 0, punctuation as spaces,
// no diacritics, divided as spaCy divides English. They stand in one buffer with a space behind
// each, so that n successive words are a range of bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace athanor::text {

/// Bytes of a text, behind the separator before a word and up to the one behind it.
struct WordSource {
  uint32_t begin;
  uint32_t end;
};

class Words {
 public:
  /// Replaces the words by those of `text`, which is UTF-8; a byte that is not counts as U+FFFD.
  /// Throws ERR_ARGUMENT for over kMostBytes.
  /// @param sources gets the place of each word; the parts of a divided word have one place
  void assign(std::span<const uint8_t> text, std::vector<WordSource>* sources = nullptr);

  /// Bytes of the longest text, so that places in the words fit into 32 bits.
  static constexpr size_t kMostBytes = size_t{1} << 30;

  size_t count() const { return starts_.size() - 1; }
  /// Words first to first + n - 1 with a space between two.
  std::string_view range(size_t first, size_t n) const {
    const size_t start = starts_[first];
    return {text_.data() + start, starts_[first + n] - 1 - start};
  }

 private:
  /// What stands between two separators, while it grows.
  struct Chunk {
    size_t start = 0;
    /// Whether more than a table lookup is needed to divide it.
    bool special = false;
    bool ascii = true;
  };

  const uint8_t* skip_number(const uint8_t* at, const uint8_t* end) const;
  void put(uint32_t point, Chunk& chunk);
  void put_simplified(uint32_t point, Chunk& chunk);
  void end_chunk(Chunk& chunk);
  void divide(const Chunk& chunk);
  void put_word(std::u32string_view word);
  void put_divided(std::string_view pieces);

  std::vector<char> text_;
  std::vector<uint32_t> starts_{0};
};

}  // namespace athanor::text
