// The last resort before an allocation is refused. The border knows how to find memory that its
// language holds but no longer uses; an allocator only asks.
#pragma once

namespace athanor {

/// Makes `reclaim(context)` the calling thread's last resort until the end of the block. It says
/// whether it freed anything.
class ReclaimScope {
 public:
  ReclaimScope(bool (*reclaim)(void* context), void* context);
  ~ReclaimScope();
  ReclaimScope(const ReclaimScope&) = delete;
  ReclaimScope& operator=(const ReclaimScope&) = delete;

 private:
  bool (*outer_)(void*);
  void* outer_context_;
};

/// Whether memory was freed, so that another attempt may succeed. False outside of any scope.
bool reclaim_memory();

}  // namespace athanor
