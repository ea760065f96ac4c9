#include "core/tensor.h"

#include <cstring>

namespace athanor {

const std::byte* Storage::host_bytes() {
  if (device_.type == DeviceType::kCpu) return data_;
  if (host_copy_version_ != version_) {
    host_copy_.resize(bytes_);
    device_read(device_, host_copy_.data(), data_, bytes_);
    host_copy_version_ = version_;
  }
  return host_copy_.data();
}

void Storage::write(size_t offset, const void* from, size_t bytes, bool keep_copy) {
  device_write(device_, data_ + offset, from, bytes);
  mark_written();
  if (device_.type == DeviceType::kCpu || !keep_copy || bytes != bytes_) return;
  const auto* source = static_cast<const std::byte*>(from);
  host_copy_.assign(source, source + bytes);
  host_copy_version_ = version_;
}

}  // namespace athanor
