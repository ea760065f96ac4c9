// Native memory behind JavaScript handles. V8 finds dead handles in the middle of a synchronous
// loop, but Node runs their finalizers only when the event loop turns. So the border has a list of
// the handles that hold much, and frees those whose objects are gone itself.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace athanor::binding {

/// A place in a ring. It leaves the ring with its end, and the ring may end before it.
struct RingLink {
  RingLink() = default;
  RingLink(const RingLink&) = delete;
  RingLink& operator=(const RingLink&) = delete;
  ~RingLink() {
    before->after = after;
    after->before = before;
  }

  RingLink* before = this;
  RingLink* after = this;
};

/// A base of wrapped objects that hold much memory.
class Reclaimable : private RingLink {
 public:
  explicit Reclaimable(Napi::Env env);
  virtual ~Reclaimable() = default;

 protected:
  /// Whether the collector has taken the JavaScript object.
  virtual bool is_dead() const = 0;
  /// Counts bytes that were handed over no longer: they were freed.
  void take_back(int64_t bytes) { *alive_ -= bytes; }

 private:
  friend class ReclaimList;

  std::shared_ptr<int64_t> alive_;  // of the list, which may end before
};

/// The reclaimable objects of one environment.
class ReclaimList {
 public:
  /// Counts `bytes` more that hang on objects. Where that is much, frees dead ones, and collects
  /// garbage where too few were dead.
  void hand_over(Napi::Env env, int64_t bytes);
  /// Collects all garbage and frees what is dead; whether there was any.
  bool collect(Napi::Env env);

 private:
  friend class Reclaimable;
  /// Returns how many objects were dead.
  size_t sweep(Napi::Env env);

  RingLink ring_;
  std::shared_ptr<int64_t> alive_ = std::make_shared<int64_t>(0);
  int64_t unswept_ = 0;    // bytes that were handed over since the last sweep
  int64_t collected_ = 0;  // bytes that were alive after the last collection, or later
};

}  // namespace athanor::binding
