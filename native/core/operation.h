// The operation that a user called, by its name in JavaScript. Errors and a profiler's ranges carry
// it, so nothing below the border passes names around.
#pragma once

namespace athanor {

/// Names the calling thread's work until the end of the block. A thread that helps with an
/// operation continues its name with this. `name` must outlive the work that it queues.
class OperationName {
 public:
  explicit OperationName(const char* name);
  ~OperationName();
  OperationName(const OperationName&) = delete;
  OperationName& operator=(const OperationName&) = delete;

 private:
  const char* outer_;
};

/// The same where an operation is entered: on a GPU it is also a range in a profiler's picture.
class OperationScope {
 public:
  explicit OperationScope(const char* name);
  ~OperationScope();
  OperationScope(const OperationScope&) = delete;
  OperationScope& operator=(const OperationScope&) = delete;

 private:
  OperationName name_;
  bool has_range_;
};

/// The innermost name on this thread; empty outside of any.
const char* current_operation();

}  // namespace athanor
