// Every failure in the engine is an Error with a code from this table; src/native/errors.ts mirrors the
// codes.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

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

/// Throws Error with the parts joined: fail(kShape, "linear", "expected ", k, " columns but got ", n).
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const char* operation, Parts&&... parts) {
  std::ostringstream text;
  text << '[' << operation << "] ";
  (text << ... << std::forward<Parts>(parts));
  throw Error(code, text.str());
}

template <class... Parts>
void expect(bool condition, ErrorCode code, const char* operation, Parts&&... parts) {
  if (!condition) fail(code, operation, std::forward<Parts>(parts)...);
}

}  // namespace athanor
