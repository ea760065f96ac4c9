#include "core/operation.h"

#include "core/device_memory.h"

namespace athanor {
namespace {

thread_local const char* current = "";

}  // namespace

OperationScope::OperationScope(const char* name)
    : outer_(current), has_range_(default_device().type == DeviceType::kCuda) {
  current = name;
  if (has_range_) cuda::backend().begin_range(name);
}

OperationScope::~OperationScope() {
  if (has_range_) cuda::backend().end_range();
  current = outer_;
}

const char* current_operation() { return current; }

}  // namespace athanor
