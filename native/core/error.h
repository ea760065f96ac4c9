// Every failure in the engine is an Error with a code from this table; src/base/errors.ts
// mirrors the codes.
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
  kMismatch,
  kCommLost,
  kCommSetup,
  kCommTimeout,
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

/// Throws Error with the parts joined, under `subject`, for errors that are not about the running
/// operation: fail_about("NCCL", code, "is of version ", v) says "[NCCL] is of version 2".
template <class... Parts>
[[noreturn]] void fail_about(const char* subject, ErrorCode code, Parts&&... parts) {
  std::ostringstream text;
  if (*subject != '\0') text << '[' << subject << "] ";
  (text << ... << std::forward<Parts>(parts));
  throw Error(code, text.str());
}

/// The same under the name of the running operation (core/operation.h):
/// fail(code, "expected ", k, " columns") says "[linearForward] expected 768 columns".
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, Parts&&... parts) {
  fail_about(current_operation(), code, std::forward<Parts>(parts)...);
}

template <class... Parts>
void expect(bool condition, ErrorCode code, Parts&&... parts) {
  if (!condition) fail(code, std::forward<Parts>(parts)...);
}

}  // namespace athanor
