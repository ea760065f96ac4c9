#include "core/operation.h"

#include "core/device_memory.h"

namespace athanor {
namespace {

thread_local const char* current = "";

}  // namespace

OperationName::OperationName(const char* name) : outer_(current) { current = name; }

OperationName::~OperationName() { current = outer_; }

OperationScope::OperationScope(const char* name)
    : name_(name), has_range_(default_device().type == DeviceType::kCuda) {
  if (has_range_) cuda::backend().begin_range(name);
}

OperationScope::~OperationScope() {
  if (has_range_) cuda::backend().end_range();
}

const char* current_operation() { return current; }

}  // namespace athanor
