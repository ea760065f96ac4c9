#include "text/vocabulary.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/error.h"
#include "text/added_tokens.h"
#include "text/literal_search.h"
#include "text/merge_piece.h"

namespace athanor::text {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};
// U+2581, which stands for a space.
constexpr uint32_t kWordMark = 0x2581;

/// Bytes as a person can read them, for messages.
std::string quoted(Bytes bytes) {
  static const char* hex = "0123456789abcdef";
  std::string text = "\"";
  for (size_t i = 0; i < bytes.size() && i < 40; ++i) {
    const uint8_t c = bytes[i];
    if (c >= 0x20 && c < 0x7F)
      text += static_cast<char>(c);
    else
      text += std::string("\\x") + hex[c >> 4] + hex[c & 15];
  }
  return text + (bytes.size() > 40 ? "…\"" : "\"");
}

bool same(Bytes a, Bytes b) { return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin()); }

}  // namespace

Vocabulary::Vocabulary(VocabularyData data) : data_(std::move(data)), merges_(data_.merges.size() / 3) {
  check_tokens();
  if (is_byte_level())
    index_bytes();
  else
    index_characters();
  index_merges();
  if (data_.ignore_merges) index_whole();
}

void Vocabulary::check_tokens() const {
  const size_t tokens = data_.kinds.size();
  expect(tokens > 0 && tokens < (size_t{1} << 31) && data_.offsets.size() == tokens + 1, ErrorCode::kFormat,
         "expected ", tokens + 1, " offsets for ", tokens, " tokens but got ", data_.offsets.size());
  expect(data_.offsets.front() == 0 && data_.offsets.back() == data_.bytes.size(), ErrorCode::kFormat,
         "the offsets do not span the bytes of the tokens");
  expect(data_.flags.size() == tokens, ErrorCode::kFormat, "expected the flags of ", tokens, " tokens");
  for (size_t id = 0; id < tokens; ++id) {
    expect(data_.offsets[id] <= data_.offsets[id + 1], ErrorCode::kFormat, "the offset of token ", id + 1,
           " is before that of token ", id);
    expect(data_.kinds[id] <= 3, ErrorCode::kFormat, "token ", id, " is of no known kind");
    expect(data_.kinds[id] == 0 || !bytes(id).empty(), ErrorCode::kFormat, "token ", id, " is empty");
  }
  if (!is_byte_level()) check_texts();
}

void Vocabulary::check_texts() const {
  const std::vector<uint32_t>& offsets = data_.text_offsets;
  expect(offsets.size() == data_.offsets.size() && offsets.front() == 0 &&
             offsets.back() == data_.texts.size() && std::is_sorted(offsets.begin(), offsets.end()),
         ErrorCode::kFormat, "the offsets do not span the texts of the tokens");
  expect(data_.unknown < static_cast<int32_t>(size()), ErrorCode::kFormat, "the unknown token ",
         data_.unknown, " does not exist");
}

/// Whether the model has the token, so that a text may become it by merges.
bool Vocabulary::is_mergeable(size_t id) const {
  return kind(id) == TokenKind::kOrdinary || (kind(id) == TokenKind::kAdded && (flags(id) & kOfModel) != 0);
}

void Vocabulary::index_characters() {
  begins_words_ = true;
  for (size_t id = 0; id < size(); ++id) {
    if (!is_mergeable(id)) continue;
    const Bytes token = text(id);
    const uint8_t* const end = token.data() + token.size();
    int bytes = 0;
    const uint32_t point = point_at(token.data(), end, &bytes);
    if (token.data() + bytes == end) characters_.insert(point, static_cast<uint32_t>(id));
    for (const uint8_t* at = token.data() + bytes; at < end; at += bytes) {
      int before = 0;
      if (point_at(at, end, &bytes) == kWordMark && point_before(token.data(), at, &before) != kWordMark)
        begins_words_ = false;
    }
  }
  begins_words_ = begins_words_ && characters_.find(kWordMark) != nullptr;
  if (data_.byte_fallback) index_fallback();
}

void Vocabulary::index_fallback() {
  fallback_.assign(256, kNone);
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  for (size_t id = 0; id < size(); ++id) {
    const Bytes token = text(id);
    if (kind(id) == TokenKind::kHole || token.size() != 6 || std::memcmp(token.data(), "<0x", 3) != 0 ||
        token[5] != '>')
      continue;
    const size_t high = kHex.find(static_cast<char>(token[3]));
    const size_t low = kHex.find(static_cast<char>(token[4]));
    if (high != std::string_view::npos && low != std::string_view::npos)
      fallback_[high * 16 + low] = static_cast<uint32_t>(id);
  }
}

void Vocabulary::append_symbols(Bytes piece, std::vector<uint32_t>& out) const {
  uint32_t pending = kNone;  // an unknown character that the next one may join
  const auto flush = [&] {
    if (pending != kNone) out.push_back(pending);
    pending = kNone;
  };
  const uint8_t* const end = piece.data() + piece.size();
  int bytes = 0;
  for (const uint8_t* at = piece.data(); at < end; at += bytes) {
    const uint32_t point = point_at(at, end, &bytes);
    if (const uint32_t* id = characters_.find(point); id != nullptr) {
      flush();
      out.push_back(*id);
      continue;
    }
    const auto has_token = [&](uint8_t byte) { return fallback_[byte] != kNone; };
    if (!fallback_.empty() && std::all_of(at, at + bytes, has_token)) {
      // The tokenizers library writes them before an unknown character that is still open.
      for (const uint8_t* byte = at; byte < at + bytes; ++byte) out.push_back(fallback_[*byte]);
    } else if (data_.unknown >= 0) {
      if (!data_.fuse_unknown) flush();
      pending = static_cast<uint32_t>(data_.unknown);
    }
  }
  flush();
}

void Vocabulary::index_bytes() {
  std::fill(std::begin(byte_ids_), std::end(byte_ids_), kNone);
  for (size_t id = 0; id < size(); ++id) {
    if (kind(id) != TokenKind::kOrdinary || bytes(id).size() != 1) continue;
    uint32_t& slot = byte_ids_[bytes(id)[0]];
    expect(slot == kNone, ErrorCode::kFormat, "tokens ", slot, " and ", id, " are the same byte");
    slot = static_cast<uint32_t>(id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const uint8_t b = static_cast<uint8_t>(byte);
    expect(byte_ids_[byte] != kNone, ErrorCode::kFormat, "no token for the byte ", quoted({&b, 1}),
           ": a byte-level vocabulary has all 256");
  }
}

void Vocabulary::index_merges() {
  expect(data_.merges.size() % 3 == 0, ErrorCode::kFormat, "merges come in triples");
  for (size_t i = 0; i < data_.merges.size(); i += 3) {
    for (size_t k = 0; k < 3; ++k) {
      const int32_t id = data_.merges[i + k];
      expect(id >= 0 && static_cast<size_t>(id) < size() && kind(id) != TokenKind::kHole, ErrorCode::kFormat,
             "merge ", i / 3, " names the token ", id, ", which does not exist");
    }
    const Bytes left = text(static_cast<size_t>(data_.merges[i]));
    const Bytes right = text(static_cast<size_t>(data_.merges[i + 1]));
    const size_t result = static_cast<size_t>(data_.merges[i + 2]);
    expect(kind(result) != TokenKind::kSpecial, ErrorCode::kFormat, "merge ", i / 3,
           " makes the special token ", quoted(text(result)), ", which ordinary text must not produce");
    const Bytes whole = text(result);
    expect(whole.size() == left.size() + right.size() && same(whole.first(left.size()), left) &&
               same(whole.last(right.size()), right),
           ErrorCode::kFormat, "merge ", i / 3, " of ", quoted(left), " and ", quoted(right),
           " gives another token: ", quoted(whole));
    const Merge merge{static_cast<uint32_t>(i / 3), static_cast<uint32_t>(result)};
    expect(merges_.insert(
               pair_key(static_cast<uint32_t>(data_.merges[i]), static_cast<uint32_t>(data_.merges[i + 1])),
               merge),
           ErrorCode::kFormat, "merge ", i / 3, " of ", quoted(left), " and ", quoted(right),
           " is in the list twice");
  }
}

void Vocabulary::index_whole() {
  size_t slots = 16;
  while (slots < size() * 2) slots *= 2;
  whole_.assign(slots, -1);
  for (size_t id = 0; id < size(); ++id) {
    if (!is_mergeable(id)) continue;
    const Bytes token = text(id);
    size_t i = hash_bytes(token.data(), token.size()) & (slots - 1);
    for (; whole_[i] >= 0; i = (i + 1) & (slots - 1)) {
      expect(!same(text(static_cast<size_t>(whole_[i])), token), ErrorCode::kFormat, "tokens ", whole_[i],
             " and ", id, " are the same bytes ", quoted(token));
    }
    whole_[i] = static_cast<int32_t>(id);
  }
}

int32_t Vocabulary::whole(const uint8_t* data, size_t size) const {
  const size_t mask = whole_.size() - 1;
  for (size_t i = hash_bytes(data, size) & mask; whole_[i] >= 0; i = (i + 1) & mask)
    if (same(text(static_cast<size_t>(whole_[i])), {data, size})) return whole_[i];
  return -1;
}

size_t Vocabulary::memory_bytes() const {
  return data_.bytes.size() + data_.offsets.size() * 4 + data_.kinds.size() + data_.merges.size() * 4 +
         data_.texts.size() + data_.text_offsets.size() * 4 + characters_.bytes() + merges_.bytes() +
         whole_.size() * 4;
}

std::vector<int32_t> recover_merges(const std::vector<uint8_t>& bytes, const std::vector<uint32_t>& offsets) {
  uint32_t byte_ids[256];
  std::fill(std::begin(byte_ids), std::end(byte_ids), kNone);
  const size_t tokens = offsets.empty() ? 0 : offsets.size() - 1;
  for (size_t id = 0; id < tokens; ++id) {
    expect(offsets[id] <= offsets[id + 1] && offsets[id + 1] <= bytes.size(), ErrorCode::kFormat,
           "the offset of token ", id + 1, " is out of order");
    if (offsets[id + 1] - offsets[id] == 1) byte_ids[bytes[offsets[id]]] = static_cast<uint32_t>(id);
  }
  for (int byte = 0; byte < 256; ++byte)
    expect(byte_ids[byte] != kNone, ErrorCode::kFormat, "no token for the byte ", byte);

  PairMap<Merge> merges(tokens);
  const auto find = [&](uint32_t left, uint32_t right) { return merges.find(pair_key(left, right)); };
  std::vector<int32_t> triples;
  std::vector<int32_t> parts;
  MergeScratch scratch;
  for (size_t id = 0; id < tokens; ++id) {
    const size_t size = offsets[id + 1] - offsets[id];
    if (size < 2) continue;
    parts.clear();
    merge_piece(bytes.data() + offsets[id], size, byte_ids, find, scratch, parts);
    if (parts.size() != 2) continue;
    const Merge merge{static_cast<uint32_t>(id), static_cast<uint32_t>(id)};
    if (!merges.insert(pair_key(static_cast<uint32_t>(parts[0]), static_cast<uint32_t>(parts[1])), merge))
      continue;
    triples.insert(triples.end(), {parts[0], parts[1], static_cast<int32_t>(id)});
  }
  return triples;
}

}  // namespace athanor::text
