// Where a value that JavaScript handed over stands, for messages about it.
#pragma once

#include <napi.h>

#include <ostream>

#include "core/error.h"

namespace athanor::binding {

/// Prints as `topK`, `argument 2` or `gradients[3]`.
struct Place {
  const char* name;
  int64_t element = -1;
};

inline std::ostream& operator<<(std::ostream& out, const Place& place) {
  out << place.name;
  if (place.element >= 0) out << '[' << place.element << ']';
  return out;
}

[[noreturn]] inline void fail_type(const Place& place, const char* wanted, const Napi::Value& got) {
  static const char* kNames[] = {"undefined", "null",   "boolean",  "number",   "string",
                                 "symbol",    "object", "function", "external", "bigint"};
  fail(ErrorCode::kArgument, "expected ", place, " to be ", wanted, " but got ", kNames[got.Type()]);
}

}  // namespace athanor::binding
