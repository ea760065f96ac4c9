// Why a GPU cannot be used, in words. A pure function of the facts, so that machines without a GPU
// can test it.
#pragma once

#include <cstddef>
#include <string>

namespace athanor::cuda {

struct DeviceFacts {
  bool driver_found = false;  // libcuda.so.1 could be loaded
  int driver_version = 0;     // of CUDA that the driver knows, e.g. 12040; 0 where it did not say
  int runtime_version = 0;    // that this build was made with
  int device_count = 0;
  std::string count_error;  // empty, or the error of counting the devices
  std::string name;
  int capability_major = 0, capability_minor = 0;
  std::string start_error;        // empty, or the error of the first use of the device
  bool is_out_of_memory = false;  // that answer was that its memory is full
  bool is_busy = false;           // that another process has it to itself
  size_t free_bytes = 0, total_bytes = 0;
};

/// Empty where nothing is wrong; else one sentence with the remedy.
inline std::string explain(const DeviceFacts& f) {
  const auto version = [](int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); };
  if (!f.driver_found) {
    return "there is no NVIDIA driver on this machine (libcuda.so.1 was not found); install one, or in a "
           "container pass the GPU in with --gpus all";
  }
  if (f.driver_version != 0 && f.driver_version / 1000 < f.runtime_version / 1000) {
    return "the NVIDIA driver is too old: it knows CUDA " + version(f.driver_version) +
           " and this build was made with " + version(f.runtime_version) +
           "; update the driver, or build with an older CUDA toolkit";
  }
  if (f.device_count == 0) {
    return "the NVIDIA driver finds no GPU" + (f.count_error.empty() ? "" : " (" + f.count_error + ")") +
           "; look at nvidia-smi and at CUDA_VISIBLE_DEVICES";
  }
  if (f.capability_major < 8) {
    return f.name + " is too old: it has compute capability " + std::to_string(f.capability_major) + "." +
           std::to_string(f.capability_minor) + " and 8.0 (Ampere, 2020) is needed; use the device cpu";
  }
  if (f.is_busy) {
    return f.name +
           " is taken by another process that has it to itself (exclusive mode); stop that process, "
           "or choose another GPU with CUDA_VISIBLE_DEVICES";
  }
  if (f.is_out_of_memory) {
    return f.name +
           " has no memory left for another process; stop what uses it (nvidia-smi shows it), or "
           "choose another GPU with CUDA_VISIBLE_DEVICES";
  }
  if (!f.start_error.empty()) return f.name + " could not be used: " + f.start_error;
  return "";
}

}  // namespace athanor::cuda
