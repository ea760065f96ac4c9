// Runs a kernel with a planted bug and returns the emulator's fault.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cuda/gpu.h"

namespace athanor::test {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitized = true;
#else
constexpr bool kAddressSanitized = false;
#endif

struct Outcome {
  std::string fault;  // empty: none
  std::vector<float> out;
  bool has(const char* text) const { return fault.find(text) != std::string::npos; }
  double sum() const {
    double total = 0;
    for (float x : out) total += x;
    return total;
  }
};

/// kernel(float* out, arguments...) on `count` floats that start at zero.
template <class... Parameters, class... Arguments>
Outcome run(void (*kernel)(Parameters...), size_t count, const cuda::Launch& shape, Arguments... arguments) {
  auto* out = static_cast<float*>(cuda::device_allocate(count * sizeof(float)));
  cuda::fill_zero(out, count * sizeof(float));
  Outcome outcome;
  try {
    cuda::launch(kernel, shape, out, arguments...);
  } catch (const emulator::Fault& fault) {
    outcome.fault = fault.what();
  }
  outcome.out.assign(out, out + count);
  cuda::device_free(out, count * sizeof(float));
  return outcome;
}

/// Whether the body ends its process, as AddressSanitizer and UBSan do.
template <class Body>
bool dies(Body&& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(0);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status != 0;
}

}  // namespace athanor::test
