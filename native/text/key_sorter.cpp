#include "text/key_sorter.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "core/error.h"

namespace athanor::text {
namespace {

/// Runs that are merged at once: each has an open file and a buffer.
constexpr size_t kFanIn = 128;
constexpr size_t kLeastRecords = 64;
constexpr size_t kWriteRecords = 1 << 16;
constexpr size_t kMostReaderBytes = 1 << 20;

[[noreturn]] void fail_file(const char* what, const std::string& path) {
  const ErrorCode code = errno == ENOENT   ? ErrorCode::kFileMissing
                         : errno == ENOSPC ? ErrorCode::kDiskFull
                                           : ErrorCode::kIo;
  fail(code, "cannot ", what, " ", path, ": ", std::strerror(errno));
}

class HeldSource : public RecordSource {
 public:
  explicit HeldSource(std::vector<KeyRecord> records) : records_(std::move(records)) {}
  bool next(KeyRecord& record) override {
    if (at_ == records_.size()) return false;
    record = records_[at_++];
    return true;
  }

 private:
  std::vector<KeyRecord> records_;
  size_t at_ = 0;
};

class RunSource : public RecordSource {
 public:
  RunSource(const std::string& path, size_t bytes)
      : file_(path, RecordFile::Mode::kRead), buffer_(std::max<size_t>(bytes / sizeof(KeyRecord), 1)) {}
  bool next(KeyRecord& record) override {
    if (at_ == filled_) {
      filled_ = file_.read(buffer_.data(), buffer_.size() * sizeof(KeyRecord)) / sizeof(KeyRecord);
      at_ = 0;
      if (filled_ == 0) return false;
    }
    record = buffer_[at_++];
    return true;
  }

 private:
  RecordFile file_;
  std::vector<KeyRecord> buffer_;
  size_t at_ = 0;
  size_t filled_ = 0;
};

class MergedSource : public RecordSource {
 public:
  explicit MergedSource(std::vector<std::unique_ptr<RecordSource>> sources) : sources_(std::move(sources)) {
    for (size_t i = 0; i < sources_.size(); ++i) refill(i);
  }
  bool next(KeyRecord& record) override {
    if (heap_.empty()) return false;
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const auto [least, source] = heap_.back();
    heap_.pop_back();
    record = least;
    refill(source);
    return true;
  }

 private:
  void refill(size_t source) {
    KeyRecord record;
    if (!sources_[source]->next(record)) return;
    heap_.emplace_back(record, source);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  std::vector<std::unique_ptr<RecordSource>> sources_;
  std::vector<std::pair<KeyRecord, size_t>> heap_;
};

}  // namespace

RecordFile::RecordFile(const std::string& path, Mode mode) : path_(path) {
  const int flags = mode == Mode::kRead ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  file_ = open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (file_ < 0) fail_file("open", path);
}

RecordFile::~RecordFile() { close(file_); }

void RecordFile::write(const void* data, size_t bytes) {
  const auto* at = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const ssize_t done = ::write(file_, at, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_file("write", path_);
    at += done;
    bytes -= static_cast<size_t>(done);
  }
}

size_t RecordFile::read(void* data, size_t bytes) {
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t done = ::read(file_, static_cast<std::byte*>(data) + filled, bytes - filled);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_file("read", path_);
    if (done == 0) break;
    filled += static_cast<size_t>(done);
  }
  return filled;
}

void RecordFile::rewind() {
  if (lseek(file_, 0, SEEK_SET) != 0) fail_file("write", path_);
}

void RecordFile::flush() {
  if (fsync(file_) != 0) fail_file("write", path_);
}

std::unique_ptr<RecordSource> merged(std::vector<std::unique_ptr<RecordSource>> sources) {
  return std::make_unique<MergedSource>(std::move(sources));
}

KeySorter::KeySorter(std::string prefix, size_t memory_bytes)
    : prefix_(std::move(prefix)), capacity_(std::max(memory_bytes / sizeof(KeyRecord), kLeastRecords)) {
  // Growing would take twice as much; what is not written to takes no memory.
  held_.reserve(capacity_);
}

KeySorter::~KeySorter() {
  for (const size_t run : runs_) unlink(run_path(run).c_str());
}

std::string KeySorter::run_path(size_t index) const { return prefix_ + std::to_string(index); }

size_t KeySorter::reader_bytes(size_t readers) const {
  return std::min(capacity_ * sizeof(KeyRecord) / (readers + 1), kMostReaderBytes);
}

void KeySorter::write_run() {
  std::sort(held_.begin(), held_.end());
  const size_t index = written_++;
  runs_.push_back(index);
  RecordFile file(run_path(index), RecordFile::Mode::kWrite);
  file.write(held_.data(), held_.size() * sizeof(KeyRecord));
  held_.clear();
}

void KeySorter::merge_oldest() {
  const size_t index = written_++;
  {
    std::vector<std::unique_ptr<RecordSource>> sources;
    for (size_t i = 0; i < kFanIn; ++i)
      sources.push_back(std::make_unique<RunSource>(run_path(runs_[i]), reader_bytes(kFanIn)));
    MergedSource source(std::move(sources));
    runs_.push_back(index);
    RecordFile file(run_path(index), RecordFile::Mode::kWrite);
    std::vector<KeyRecord> buffer;
    KeyRecord record;
    const size_t most = std::min(kWriteRecords, capacity_);
    while (source.next(record)) {
      buffer.push_back(record);
      if (buffer.size() < most) continue;
      file.write(buffer.data(), buffer.size() * sizeof(KeyRecord));
      buffer.clear();
    }
    file.write(buffer.data(), buffer.size() * sizeof(KeyRecord));
  }
  for (size_t i = 0; i < kFanIn; ++i) unlink(run_path(runs_[i]).c_str());
  runs_.erase(runs_.begin(), runs_.begin() + kFanIn);
}

std::unique_ptr<RecordSource> KeySorter::sorted() {
  std::vector<std::unique_ptr<RecordSource>> sources;
  if (runs_.empty()) {
    std::sort(held_.begin(), held_.end());
    sources.push_back(std::make_unique<HeldSource>(std::move(held_)));
    return merged(std::move(sources));
  }
  flush();
  held_ = {};
  while (runs_.size() > kFanIn) merge_oldest();
  for (const size_t run : runs_)
    sources.push_back(std::make_unique<RunSource>(run_path(run), reader_bytes(runs_.size())));
  return merged(std::move(sources));
}

}  // namespace athanor::text
