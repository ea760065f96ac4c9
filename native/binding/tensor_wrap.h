// The JavaScript handle of a tensor. It owns one reference to the storage; dispose() drops it early.
#pragma once

#include <napi.h>

#include "core/tensor.h"

namespace athanor::binding {

class TensorWrap : public Napi::ObjectWrap<TensorWrap> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  static Napi::Value wrap(Napi::Env env, const Tensor& tensor);
  /// Throws ERR_ARGUMENT when it is no tensor, ERR_STATE when it was disposed.
  static const Tensor& unwrap(const Napi::Value& value);

  explicit TensorWrap(const Napi::CallbackInfo& info);
  ~TensorWrap() override;

 private:
  Napi::Value dispose(const Napi::CallbackInfo& info);
  void release(Napi::Env env);

  Tensor tensor_;
  int64_t reported_bytes_ = 0;
};

}  // namespace athanor::binding
