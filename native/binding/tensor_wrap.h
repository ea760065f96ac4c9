// The JavaScript handle of a tensor. It owns one reference to the storage; dispose() drops it
// early. Its memory is reported to the garbage collector only once account() says that nothing else
// will free it: a training step makes and frees hundreds of megabytes in scopes, and reporting
// those starts a collection every step.
#pragma once

#include <napi.h>

#include "binding/place.h"
#include "binding/reclaim.h"
#include "core/tensor.h"

namespace athanor::binding {

class TensorWrap : public Napi::ObjectWrap<TensorWrap>, public Reclaimable {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  static Napi::Value wrap(Napi::Env env, const Tensor& tensor);
  /// Leaves the handle to the garbage collector, which counts the bytes of its storage from now on,
  /// once for all handles on it. May be called twice.
  static void account(const Napi::Value& value);
  /// Throws ERR_ARGUMENT when the value is no tensor, ERR_STATE when it was disposed.
  /// Errors name `place`.
  static const Tensor& unwrap(const Napi::Value& value, const Place& place);

  explicit TensorWrap(const Napi::CallbackInfo& info);
  ~TensorWrap() override;

 private:
  static TensorWrap* wrap_of(const Napi::Value& value, const Place& place);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  void release();
  bool is_dead() const override { return Value().IsEmpty(); }

  Tensor tensor_;
  bool is_accounted_ = false;
};

}  // namespace athanor::binding
