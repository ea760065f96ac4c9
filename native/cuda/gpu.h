// The header of every kernel file: CUDA C++ and wrappers of the instructions that have no CUDA C++
// spelling. Under nvcc they are inline PTX, under another compiler they are the emulator's; the
// kernels are the same source.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/integers.h"

#ifdef __CUDACC__
#include "cuda/ptx.h"
#include "cuda/ptx_sm90.h"
#else
#include "emulator/gpu.h"
#endif

namespace athanor::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kWarp = 32;

/// Grid, block and dynamic shared memory of a launch.
struct Launch {
  dim3 grid, block;
  size_t shared_bytes = 0;
};

/// Device memory for the length of a call; null for 0 bytes. The stream orders a reuse of the
/// memory behind the kernels that use it.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : data_(bytes == 0 ? nullptr : device_allocate(bytes)), bytes_(bytes) {}
  ~Scratch() { device_free(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_;
  size_t bytes_;
};

}  // namespace athanor::cuda
