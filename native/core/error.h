// Every failure in the engine is an Error with a code from this table; src/base/errors.ts mirrors the codes.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/operation.h"

namespace athanor {

enum class ErrorCode {
  kArgument,
  kShape,
  kDtype,
  kDevice,
  kState,
  kOutOfMemory,
  kFileMissing,
  kFileDamaged,
  kFormat,
  kIo,
  kDiskFull,
  kCudaUnavailable,
  kCudaLibraryMissing,
  kNotFinite,
  kInternal,
};

/// The code as JavaScript sees it, e.g. "ERR_SHAPE".
const char* error_code_name(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/// Throws Error with the parts joined, under `subject`: fail_about("NCCL", kIo, "is ", age, " years old")
/// says "[NCCL] is 9 years old". For errors that are about something else than the operation that runs.
template <class... Parts>
[[noreturn]] void fail_about(const char* subject, ErrorCode code, Parts&&... parts) {
  std::ostringstream text;
  if (*subject != '\0') text << '[' << subject << "] ";
  (text << ... << std::forward<Parts>(parts));
  throw Error(code, text.str());
}

/// The same under the name of the operation that runs: fail(kShape, "expected ", k, " columns but got ", n)
/// says "[linearForward] expected 768 columns but got 512".
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, Parts&&... parts) {
  fail_about(current_operation(), code, std::forward<Parts>(parts)...);
}

template <class... Parts>
void expect(bool condition, ErrorCode code, Parts&&... parts) {
  if (!condition) fail(code, std::forward<Parts>(parts)...);
}

}  // namespace athanor
