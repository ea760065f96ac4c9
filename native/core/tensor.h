// A tensor is a dtype, a shape and a slice of reference-counted storage; it is
// always contiguous (row-major).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "core/device_memory.h"
#include "core/dtype.h"
#include "core/error.h"

namespace athanor {

/// Data that a backend keeps beside a storage for as long as it lives, e.g. a weight
/// packed for GEMM.
class StorageAttachment {
 public:
  virtual ~StorageAttachment() = default;
};

class Storage {
 public:
  Storage(size_t bytes, Device device)
      : data_(static_cast<std::byte*>(device_allocate(device, bytes))), bytes_(bytes), device_(device) {}
  ~Storage() { device_free(device_, data_, bytes_); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  /// Grows by one with every in-place write: an attachment sees by it that it is stale.
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void mark_written() { version_.fetch_add(1, std::memory_order_relaxed); }

  /// The bytes where the host can read them: the memory itself on the CPU; elsewhere a copy, made
  /// after waiting for the device where there is none of this version. Valid until the next write.
  const std::byte* host_bytes();
  /// Copies host memory in and counts as a write. With `keep_copy` host_bytes need not wait
  /// for the device.
  void write(size_t offset, const void* from, size_t bytes, bool keep_copy);

  std::unique_ptr<StorageAttachment> attachment;
  /// Handles of JavaScript that its collector counts this memory for. A storage never leaves the
  /// thread of its environment.
  int accounted_handles = 0;

 private:
  std::byte* data_;
  size_t bytes_;
  Device device_;
  std::atomic<uint64_t> version_{0};  // threads of one operation may write different parts
  std::vector<std::byte> host_copy_;
  uint64_t host_copy_version_ = UINT64_MAX;
};

constexpr int kMaxRank = 4;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) {
    expect(dims.size() <= kMaxRank, ErrorCode::kShape, "expected at most ", kMaxRank, " dimensions but got ",
           dims.size());
    for (int64_t dim : dims) push_back(dim);
  }

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[axis < 0 ? axis + rank_ : axis]; }
  void push_back(int64_t dim) {
    expect(rank_ < kMaxRank, ErrorCode::kShape, "expected at most ", kMaxRank, " dimensions");
    expect(dim >= 0, ErrorCode::kShape, "expected a size of 0 or more but got ", dim);
    dims_[rank_++] = dim;
  }
  int64_t numel() const {
    int64_t count = 1;
    for (int i = 0; i < rank_; ++i) count *= dims_[i];
    return count;
  }
  bool operator==(const Shape& other) const { return rank_ == other.rank_ && dims_ == other.dims_; }
  std::string text() const {
    std::string out = "[";
    for (int i = 0; i < rank_; ++i) out += (i ? ", " : "") + std::to_string(dims_[i]);
    return out + "]";
  }

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

class Tensor {
 public:
  Tensor() = default;
  /// Uninitialised memory.
  Tensor(Shape shape, DType dtype, Device device = {})
      : storage_(std::make_shared<Storage>(shape.numel() * dtype_size(dtype), device)),
        shape_(shape),
        dtype_(dtype) {}

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int axis) const { return shape_[axis]; }
  int rank() const { return shape_.rank(); }
  int64_t numel() const { return shape_.numel(); }
  size_t bytes() const { return numel() * dtype_size(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device(); }
  Storage& storage() const { return *storage_; }
  /// Rows of a tensor seen as a matrix: all dimensions but the last, multiplied.
  int64_t rows() const { return shape_.rank() == 0 || dim(-1) == 0 ? 1 : numel() / dim(-1); }

  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(storage_->data() + offset_);
  }
  void* raw() const { return storage_->data() + offset_; }
  /// The elements where the host can read them; see Storage::host_bytes.
  template <class T>
  const T* host() const {
    return reinterpret_cast<const T*>(storage_->host_bytes() + offset_);
  }
  /// Copies all elements from host memory. A copy of indices is kept, because the checks of
  /// operations read them again.
  void write(const void* from) const { storage_->write(offset_, from, bytes(), dtype_ == DType::kI32); }
  void fill_zero() const {
    device_fill_zero(device(), raw(), bytes());
    storage_->mark_written();
  }

  /// The same storage under another shape with as many elements.
  Tensor view(Shape shape) const {
    expect(shape.numel() == numel(), ErrorCode::kShape, "expected ", numel(), " elements but ", shape.text(),
           " has ", shape.numel());
    Tensor out = *this;
    out.shape_ = shape;
    return out;
  }

  /// Rows [begin, end) of the first dimension, sharing storage.
  Tensor slice(int64_t begin, int64_t end) const {
    expect(rank() > 0 && 0 <= begin && begin <= end && end <= dim(0), ErrorCode::kArgument,
           "expected 0 <= ", begin, " <= ", end, " <= ", rank() > 0 ? dim(0) : 0);
    Tensor out = *this;
    Shape shape{end - begin};
    for (int i = 1; i < rank(); ++i) shape.push_back(dim(i));
    const int64_t row_bytes = dim(0) == 0 ? 0 : static_cast<int64_t>(bytes()) / dim(0);
    out.shape_ = shape;
    out.offset_ += begin * row_bytes;
    return out;
  }

 private:
  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;  // in bytes
  Shape shape_;
  DType dtype_ = DType::kF32;
};

}  // namespace athanor
