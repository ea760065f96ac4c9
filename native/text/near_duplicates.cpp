#include "text/near_duplicates.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/thread_pool.h"
#include "text/xxhash64.h"

namespace athanor::text {
namespace {

constexpr size_t kMostDocuments = (size_t{1} << 32) - 2;
constexpr size_t kKeyBytes = 10;
constexpr size_t kKeysAtOnce = 1 << 14;
constexpr char kMagic[8] = {'A', 'T', 'H', 'B', 'A', 'N', 'D', 'S'};

/// The file of keys: this, then 10 bytes per key, in order, big-endian, each key once.
struct KeysHeader {
  char magic[8];
  uint32_t version;
  uint32_t seed;
  uint32_t ngram;
  uint32_t bands;
  uint32_t rows;
  uint32_t reserved;
  uint64_t keys;
};

KeysHeader header_of(const MinHashOptions& options, uint64_t keys) {
  KeysHeader header{.magic = {},
                    .version = 1,
                    .seed = options.seed,
                    .ngram = static_cast<uint32_t>(options.ngram),
                    .bands = static_cast<uint32_t>(options.bands),
                    .rows = static_cast<uint32_t>(options.rows),
                    .reserved = 0,
                    .keys = keys};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  return header;
}

/// The hash of a band's values and of its place: equal values in two bands are no match.
KeyRecord band_record(const uint64_t* values, size_t rows, size_t band, uint64_t document) {
  const uint64_t high = xxhash64(values, rows * sizeof(uint64_t)) + band * xxhash::kPrime3;
  const uint64_t parts[3] = {values[0], values[rows - 1], high};
  const uint64_t low = xxhash64(parts, sizeof parts);
  return {high, low << KeyRecord::kDocumentBits | document};
}

void put_key(uint8_t* out, const KeyRecord& record) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(record.high >> (56 - 8 * i));
  out[8] = static_cast<uint8_t>(record.key_end() >> 8);
  out[9] = static_cast<uint8_t>(record.key_end());
}

KeyRecord get_key(const uint8_t* in) {
  KeyRecord record{0, 0};
  for (int i = 0; i < 8; ++i) record.high = record.high << 8 | in[i];
  record.low = (static_cast<uint64_t>(in[8]) << 8 | in[9]) << KeyRecord::kDocumentBits;
  return record;
}

/// The keys of an earlier corpus, as records of document 0.
class EarlierKeys : public RecordSource {
 public:
  EarlierKeys(const std::string& path, const MinHashOptions& options)
      : file_(path, RecordFile::Mode::kRead), buffer_(kKeysAtOnce * kKeyBytes) {
    KeysHeader header;
    const size_t bytes = file_.read(&header, sizeof header);
    expect(bytes == sizeof header && std::memcmp(header.magic, kMagic, sizeof kMagic) == 0 &&
               header.version == 1,
           ErrorCode::kFileDamaged, path, " is not a file of MinHash keys");
    const KeysHeader wanted = header_of(options, header.keys);
    expect(std::memcmp(&header, &wanted, sizeof header) == 0, ErrorCode::kArgument, path, " has ",
           header.bands, " bands of ", header.rows, " hashes of ", header.ngram, " words with seed ",
           header.seed, ", and the documents are compared by ", options.bands, " bands of ", options.rows,
           " hashes of ", options.ngram, " words with seed ", options.seed);
    left_ = header.keys;
  }

  bool next(KeyRecord& record) override {
    if (left_ == 0) return false;
    if (at_ == filled_) {
      filled_ = file_.read(buffer_.data(), buffer_.size());
      at_ = 0;
    }
    expect(filled_ - at_ >= kKeyBytes, ErrorCode::kFileDamaged, file_.path(), " ends before its last key");
    record = get_key(buffer_.data() + at_);
    expect(last_ <= record, ErrorCode::kFileDamaged, file_.path(), ": its keys are not in order");
    last_ = record;
    at_ += kKeyBytes;
    --left_;
    return true;
  }

 private:
  RecordFile file_;
  std::vector<uint8_t> buffer_;
  KeyRecord last_{0, 0};
  uint64_t left_ = 0;
  size_t at_ = 0;
  size_t filled_ = 0;
};

/// Writes each key once, and the header with their number at the end.
class KeysWriter {
 public:
  KeysWriter(const std::string& path, const MinHashOptions& options)
      : options_(options), file_(path, RecordFile::Mode::kWrite) {
    const KeysHeader header = header_of(options_, 0);
    file_.write(&header, sizeof header);
  }

  void add(const KeyRecord& record) {
    if (keys_ > 0 && last_.same_key(record)) return;
    last_ = record;
    ++keys_;
    buffer_.resize(buffer_.size() + kKeyBytes);
    put_key(buffer_.data() + buffer_.size() - kKeyBytes, record);
    if (buffer_.size() >= kKeysAtOnce * kKeyBytes) write();
  }

  void close() {
    write();
    const KeysHeader header = header_of(options_, keys_);
    file_.rewind();
    file_.write(&header, sizeof header);
    file_.flush();
  }

 private:
  void write() {
    file_.write(buffer_.data(), buffer_.size());
    buffer_.clear();
  }

  MinHashOptions options_;
  RecordFile file_;
  std::vector<uint8_t> buffer_;
  KeyRecord last_{0, 0};
  uint64_t keys_ = 0;
};

}  // namespace

UnionFind::UnionFind(size_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), 0u); }

uint32_t UnionFind::root(uint32_t member) {
  while (parents_[member] != member) {
    parents_[member] = parents_[parents_[member]];
    member = parents_[member];
  }
  return member;
}

void UnionFind::join(uint32_t a, uint32_t b) {
  const auto [least, other] = std::minmax({root(a), root(b)});
  parents_[other] = least;
}

NearDuplicates::NearDuplicates(const MinHashOptions& options, const std::string& folder, size_t memory_bytes)
    : hasher_(options), sorter_(folder + "/run-", memory_bytes) {}

void NearDuplicates::add(const std::vector<std::span<const uint8_t>>& texts) {
  expect(texts.size() <= kMostDocuments - documents_, ErrorCode::kArgument, "expected at most ",
         kMostDocuments, " documents");
  const size_t bands = hasher_.options().bands;
  const size_t rows = hasher_.options().rows;
  const std::vector<uint64_t> signatures = hasher_.sign_all(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const uint64_t document = ++documents_;
    const uint64_t* values = signatures.data() + i * hasher_.hashes();
    if (*values == MinHasher::kNone) continue;
    for (size_t band = 0; band < bands; ++band)
      sorter_.add(band_record(values + band * rows, rows, band, document));
  }
}

void NearDuplicates::add_earlier(const std::string& path) {
  EarlierKeys(path, hasher_.options());  // throws now, not after hours
  earlier_.push_back(path);
}

std::vector<uint32_t> NearDuplicates::cluster(const std::string& keys_path) {
  std::vector<std::unique_ptr<RecordSource>> sources;
  for (const std::string& path : earlier_)
    sources.push_back(std::make_unique<EarlierKeys>(path, hasher_.options()));
  sources.push_back(sorter_.sorted());
  const auto source = merged(std::move(sources));
  std::unique_ptr<KeysWriter> writer;
  if (!keys_path.empty()) writer = std::make_unique<KeysWriter>(keys_path, hasher_.options());
  UnionFind sets(documents_ + 1);
  // An earlier key is a record of document 0, so it comes first among equal keys.
  KeyRecord first{0, 0};
  KeyRecord record;
  for (bool begun = false; source->next(record); begun = true) {
    if (begun && first.same_key(record))
      sets.join(static_cast<uint32_t>(first.document()), static_cast<uint32_t>(record.document()));
    else
      first = record;
    if (writer && record.document() > 0) writer->add(record);
  }
  if (writer) writer->close();
  std::vector<uint32_t> roots(documents_);
  for (size_t i = 0; i < documents_; ++i) roots[i] = sets.root(static_cast<uint32_t>(i + 1));
  return roots;
}

}  // namespace athanor::text
