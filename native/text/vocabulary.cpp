#include "text/vocabulary.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "text/merge_piece.h"

namespace athanor::text {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

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
  index_bytes();
  index_merges();
  if (data_.ignore_merges) index_whole();
}

void Vocabulary::check_tokens() const {
  const size_t tokens = data_.kinds.size();
  expect(tokens > 0 && tokens < (size_t{1} << 31) && data_.offsets.size() == tokens + 1, ErrorCode::kFormat,
         "expected ", tokens + 1, " offsets for ", tokens, " tokens but got ", data_.offsets.size());
  expect(data_.offsets.front() == 0 && data_.offsets.back() == data_.bytes.size(), ErrorCode::kFormat,
         "the offsets do not span the bytes of the tokens");
  for (size_t id = 0; id < tokens; ++id) {
    expect(data_.offsets[id] <= data_.offsets[id + 1], ErrorCode::kFormat, "the offset of token ", id + 1,
           " is before that of token ", id);
    expect(data_.kinds[id] <= 3, ErrorCode::kFormat, "token ", id, " is of no known kind");
    expect(data_.kinds[id] == 0 || !bytes(id).empty(), ErrorCode::kFormat, "token ", id, " is empty");
  }
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
    const Bytes left = bytes(data_.merges[i]);
    const Bytes right = bytes(data_.merges[i + 1]);
    const size_t result = static_cast<size_t>(data_.merges[i + 2]);
    expect(kind(result) != TokenKind::kSpecial, ErrorCode::kFormat, "merge ", i / 3,
           " makes the special token ", quoted(bytes(result)), ", which ordinary text must not produce");
    const Bytes whole = bytes(result);
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
    if (kind(id) != TokenKind::kOrdinary) continue;
    const Bytes token = bytes(id);
    size_t i = hash_bytes(token.data(), token.size()) & (slots - 1);
    for (; whole_[i] >= 0; i = (i + 1) & (slots - 1)) {
      expect(!same(bytes(static_cast<size_t>(whole_[i])), token), ErrorCode::kFormat, "tokens ", whole_[i],
             " and ", id, " are the same bytes ", quoted(token));
    }
    whole_[i] = static_cast<int32_t>(id);
  }
}

int32_t Vocabulary::whole(const uint8_t* data, size_t size) const {
  const size_t mask = whole_.size() - 1;
  for (size_t i = hash_bytes(data, size) & mask; whole_[i] >= 0; i = (i + 1) & mask)
    if (same(bytes(static_cast<size_t>(whole_[i])), {data, size})) return whole_[i];
  return -1;
}

size_t Vocabulary::memory_bytes() const {
  return data_.bytes.size() + data_.offsets.size() * 4 + data_.kinds.size() + data_.merges.size() * 4 +
         merges_.bytes() + whole_.size() * 4;
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
