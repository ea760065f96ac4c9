#include "binding/reclaim.h"

#include <algorithm>

#include "binding/addon.h"

namespace athanor::binding {
namespace {

// A sweep asks after every object, some 50 ns each. It pays when a quarter of what is alive was
// handed over, within these bounds.
constexpr int64_t kLeastSweep = int64_t{64} << 20, kMostSweep = int64_t{512} << 20;
// V8 does not know the sizes of tensors: with them it would collect in every training step, and its
// marking threads take a core. It is made to when half as much again is alive, within these bounds.
constexpr int64_t kLeastGrowth = int64_t{192} << 20, kMostGrowth = int64_t{1} << 30;
// What an object costs beside its tensor, about.
constexpr int64_t kObjectBytes = 1 << 10;
// Beyond the limit of any heap, so that V8 collects at once and completely.
constexpr int64_t kPressure = int64_t{1} << 44;

}  // namespace

Reclaimable::Reclaimable(Napi::Env env) : alive_(env.GetInstanceData<AddonData>()->reclaimable.alive_) {
  RingLink& ring = env.GetInstanceData<AddonData>()->reclaimable.ring_;
  before = ring.before;
  after = &ring;
  before->after = this;
  ring.before = this;
}

void ReclaimList::hand_over(Napi::Env env, int64_t bytes) {
  const int64_t before = *alive_;
  *alive_ += bytes;
  unswept_ += bytes + kObjectBytes;
  if (unswept_ <= std::clamp(before / 4, kLeastSweep, kMostSweep)) return;
  sweep(env);
  collected_ = std::min(collected_, *alive_);
  if (*alive_ - collected_ > std::clamp(collected_ / 2, kLeastGrowth, kMostGrowth)) collect(env);
}

bool ReclaimList::collect(Napi::Env env) {
  Napi::MemoryManagement::AdjustExternalMemory(env, kPressure);
  Napi::MemoryManagement::AdjustExternalMemory(env, -kPressure);
  const bool freed = sweep(env) > 0;
  collected_ = *alive_;
  return freed;
}

size_t ReclaimList::sweep(Napi::Env env) {
  size_t dead = 0;
  for (RingLink* link = ring_.after; link != &ring_;) {
    const Napi::HandleScope scope(env);
    auto* object = static_cast<Reclaimable*>(link);
    link = link->after;
    if (!object->is_dead()) continue;
    // With the reference goes the finalizer that Node would call later.
    delete object;
    ++dead;
  }
  unswept_ = 0;
  return dead;
}

}  // namespace athanor::binding
