// Sorts more records than memory holds. They are collected up to the bound, sorted and written as a
// run; at the end the runs are merged. A record is a key of 80 bits and the number of a document.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace athanor::text {

/// Documents are numbered below 2^48.
struct KeyRecord {
  uint64_t high;
  /// The key's last 16 bits, then the document.
  uint64_t low;

  static constexpr int kDocumentBits = 48;
  uint64_t document() const { return low & ((uint64_t{1} << kDocumentBits) - 1); }
  uint16_t key_end() const { return static_cast<uint16_t>(low >> kDocumentBits); }
  bool same_key(const KeyRecord& other) const { return high == other.high && key_end() == other.key_end(); }
  auto operator<=>(const KeyRecord&) const = default;
};

/// A file descriptor with the errors of this engine: ERR_FILE_MISSING, ERR_DISK_FULL, ERR_IO.
class RecordFile {
 public:
  enum class Mode { kRead, kWrite };
  RecordFile(const std::string& path, Mode mode);
  ~RecordFile();
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  void write(const void* data, size_t bytes);
  /// Bytes that were read: fewer than asked for only at the end of the file.
  size_t read(void* data, size_t bytes);
  /// Continues at the beginning.
  void rewind();
  /// Waits until all is on disk.
  void flush();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int file_;
};

/// Records in order.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// False at the end.
  virtual bool next(KeyRecord& record) = 0;
};

class KeySorter {
 public:
  /// @param prefix of the paths of the runs, which are deleted at the end; its folder exists
  KeySorter(std::string prefix, size_t memory_bytes);
  ~KeySorter();
  KeySorter(const KeySorter&) = delete;
  KeySorter& operator=(const KeySorter&) = delete;

  void add(const KeyRecord& record) {
    if (held_.size() == capacity_) write_run();
    held_.push_back(record);
  }
  /// Writes all that is held, so that `sorted` may be called again.
  void flush() {
    if (!held_.empty()) write_run();
  }
  /// All records in order. Nothing may be added after this; the sorter has to outlive the source.
  std::unique_ptr<RecordSource> sorted();
  /// Runs that were written so far, those of further merges included.
  size_t runs_written() const { return written_; }

 private:
  std::string run_path(size_t index) const;
  void write_run();
  size_t reader_bytes(size_t readers) const;
  void merge_oldest();

  std::string prefix_;
  size_t capacity_;
  std::vector<KeyRecord> held_;
  /// The indices of the runs that exist.
  std::vector<size_t> runs_;
  size_t written_ = 0;
};

/// Merges sources that are in order.
std::unique_ptr<RecordSource> merged(std::vector<std::unique_ptr<RecordSource>> sources);

}  // namespace athanor::text
