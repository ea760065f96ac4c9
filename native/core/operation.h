// The operation that a user called, by its name: what a GPU's error is reported under and a profiler's range
// is called.
#pragma once

namespace athanor {

/// Names what the thread does until the end of the block; `name` must outlive the work that it queues.
class OperationScope {
 public:
  explicit OperationScope(const char* name);
  ~OperationScope();
  OperationScope(const OperationScope&) = delete;
  OperationScope& operator=(const OperationScope&) = delete;

 private:
  const char* outer_;
  bool has_range_;
};

/// Empty outside of any.
const char* current_operation();

}  // namespace athanor
