// Arrays on the device and numbers to fill them with, for the kernel tests. They run on the
// emulator and on a GPU, so device memory is read through copies only.
#pragma once

#include <random>
#include <vector>

#include "core/dtype.h"
#include "cuda/memory.h"
#include "test/check.h"

namespace athanor::test {

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count), data_(cuda::device_allocate(bytes())) {}
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    if (count_ != 0) cuda::copy_to_device(data_, values.data(), bytes());
  }
  ~DeviceArray() { cuda::device_free(data_, bytes()); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  operator T*() const { return static_cast<T*>(data_); }
  std::vector<T> get() const {
    std::vector<T> out(count_);
    if (count_ != 0) cuda::copy_to_host(out.data(), data_, bytes());
    return out;
  }

 private:
  size_t bytes() const { return count_ * sizeof(T); }
  size_t count_;
  void* data_;
};

inline std::vector<float> normals(size_t count, unsigned seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> out(count);
  for (float& x : out) x = normal(engine);
  return out;
}

inline std::vector<int32_t> integers(size_t count, int32_t limit, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int32_t> uniform(0, limit - 1);
  std::vector<int32_t> out(count);
  for (int32_t& x : out) x = uniform(engine);
  return out;
}

/// Numbers as a kernel of element type T gets them.
template <class T>
std::vector<T> as_type(const std::vector<float>& values) {
  std::vector<T> out;
  out.reserve(values.size());
  for (float x : values) out.push_back(from_float<T>(x));
  return out;
}

template <class T>
std::vector<double> as_double(const std::vector<T>& values) {
  std::vector<double> out;
  out.reserve(values.size());
  for (T x : values) out.push_back(static_cast<double>(to_float(x)));
  return out;
}

/// The error of rounding a result to T, as a root mean square relative to the result.
template <class T>
constexpr double kTolerance = sizeof(T) == 2 ? 3e-3 : 2e-6;

}  // namespace athanor::test

/// A test that runs for both element types: inside, T is the type and kType its DType.
#define TEST_BOTH_TYPES(name)                            \
  template <class T>                                     \
  static void both_##name(DType kType);                  \
  TEST(name##_f32) { both_##name<float>(DType::kF32); }  \
  TEST(name##_bf16) { both_##name<bf16>(DType::kBF16); } \
  template <class T>                                     \
  static void both_##name([[maybe_unused]] DType kType)
