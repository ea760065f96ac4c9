#pragma once

#include <cstdint>

namespace athanor {

enum class DeviceType : uint8_t { kCpu, kCuda };

struct Device {
  DeviceType type = DeviceType::kCpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};

inline bool is_host(Device device) { return device.type == DeviceType::kCpu; }

}  // namespace athanor
