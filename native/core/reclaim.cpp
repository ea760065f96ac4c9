#include "core/reclaim.h"

#include <utility>

namespace athanor {
namespace {

thread_local bool (*innermost)(void*) = nullptr;
thread_local void* innermost_context = nullptr;

}  // namespace

ReclaimScope::ReclaimScope(bool (*reclaim)(void*), void* context)
    : outer_(std::exchange(innermost, reclaim)), outer_context_(std::exchange(innermost_context, context)) {}

ReclaimScope::~ReclaimScope() {
  innermost = outer_;
  innermost_context = outer_context_;
}

bool reclaim_memory() { return innermost != nullptr && innermost(innermost_context); }

}  // namespace athanor
