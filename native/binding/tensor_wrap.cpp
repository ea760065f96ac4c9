#include "binding/tensor_wrap.h"

#include "binding/addon.h"
#include "binding/convert.h"

namespace athanor::binding {
namespace {

// Marks handles of this addon, so that any other object is told apart before it is unwrapped.
constexpr napi_type_tag kTensorTag = {0x6174686e6f720001ull, 0x74656e736f720001ull};

}  // namespace

void TensorWrap::define(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor =
      DefineClass(env, "NativeTensor", {InstanceMethod<&TensorWrap::dispose>("dispose")});
  env.GetInstanceData<AddonData>()->tensor_constructor = Napi::Persistent(constructor);
  exports.Set("NativeTensor", constructor);
}

TensorWrap::TensorWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TensorWrap>(info) {
  if (info.Length() != 1 || !info[0].IsExternal())
    throw_athanor_error(info.Env(), "ERR_ARGUMENT",
                        "[tensor] a native tensor is made by an operation, not by new");
  tensor_ = *info[0].As<Napi::External<Tensor>>().Data();
  info.This().As<Napi::Object>().TypeTag(&kTensorTag);
}

TensorWrap::~TensorWrap() { release(Env()); }

void TensorWrap::release(Napi::Env env) {
  if (!tensor_.defined()) return;
  tensor_ = Tensor();
  if (reported_bytes_ != 0) Napi::MemoryManagement::AdjustExternalMemory(env, -reported_bytes_);
  reported_bytes_ = 0;
}

Napi::Value TensorWrap::dispose(const Napi::CallbackInfo& info) {
  release(info.Env());
  return info.Env().Undefined();
}

Napi::Value TensorWrap::wrap(Napi::Env env, const Tensor& tensor) {
  return env.GetInstanceData<AddonData>()->tensor_constructor.New(
      {Napi::External<Tensor>::New(env, const_cast<Tensor*>(&tensor))});
}

TensorWrap* TensorWrap::wrap_of(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTensorTag)) fail_type("a tensor", value);
  TensorWrap* wrap = Napi::ObjectWrap<TensorWrap>::Unwrap(value.As<Napi::Object>());
  expect(wrap->tensor_.defined(), ErrorCode::kState, "tensor",
         "this tensor was disposed; keep it out of the scope that freed it, or return it from the scope");
  return wrap;
}

const Tensor& TensorWrap::unwrap(const Napi::Value& value) { return wrap_of(value)->tensor_; }

void TensorWrap::account(const Napi::Value& value) {
  TensorWrap* wrap = wrap_of(value);
  if (wrap->reported_bytes_ != 0) return;
  wrap->reported_bytes_ = static_cast<int64_t>(wrap->tensor_.bytes());
  Napi::MemoryManagement::AdjustExternalMemory(value.Env(), wrap->reported_bytes_);
}

namespace {

// A JavaScript typed array with a copy of the elements; bf16 comes as its raw 16 bits.
Napi::Value read(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const Tensor t = TensorWrap::unwrap(info[0]);
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, t.bytes());
    device_read(t.device(), buffer.Data(), t.raw(), t.bytes());
    const size_t n = static_cast<size_t>(t.numel());
    switch (t.dtype()) {
      case DType::kF32: return Napi::Float32Array::New(env, n, buffer, 0);
      case DType::kBF16: return Napi::Uint16Array::New(env, n, buffer, 0);
      case DType::kI32: return Napi::Int32Array::New(env, n, buffer, 0);
      case DType::kU8: return Napi::Uint8Array::New(env, n, buffer, 0);
    }
    fail(ErrorCode::kInternal, "read", "unknown dtype");
  });
}

// write(tensor, typedArray): copies raw elements in; sizes must agree to the byte.
Napi::Value write(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const Tensor t = TensorWrap::unwrap(info[0]);
    if (!info[1].IsTypedArray()) fail_type("a typed array", info[1]);
    const Napi::TypedArray source = info[1].As<Napi::TypedArray>();
    expect(source.ByteLength() == t.bytes(), ErrorCode::kShape, "write", "expected ", t.bytes(),
           " bytes for ", t.shape().text(), " ", dtype_name(t.dtype()), " but got ", source.ByteLength());
    const auto* bytes = static_cast<const std::byte*>(source.ArrayBuffer().Data()) + source.ByteOffset();
    t.write(bytes);
    return env.Undefined();
  });
}

Napi::Value account(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    TensorWrap::account(info[0]);
    return info.Env().Undefined();
  });
}

Napi::Value shape(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Tensor& t = TensorWrap::unwrap(info[0]);
    std::vector<int64_t> dims;
    for (int i = 0; i < t.rank(); ++i) dims.push_back(t.dim(i));
    return to_js(info.Env(), dims);
  });
}

Tensor empty(Shape shape, DType dtype) { return Tensor(shape, dtype, default_device()); }
Tensor view(const Tensor& t, Shape shape) { return t.view(shape); }
Tensor slice(const Tensor& t, int64_t begin, int64_t end) { return t.slice(begin, end); }
std::string dtype(const Tensor& t) { return dtype_name(t.dtype()); }

}  // namespace

void register_tensor(Napi::Env env, Napi::Object exports) {
  TensorWrap::define(env, exports);
  bind<&empty>(exports, "empty");
  bind<&view>(exports, "view");
  bind<&slice>(exports, "slice");
  bind<&dtype>(exports, "dtypeOf");
  exports.Set("read", Napi::Function::New(env, read, "read"));
  exports.Set("write", Napi::Function::New(env, write, "write"));
  exports.Set("account", Napi::Function::New(env, account, "account"));
  exports.Set("shapeOf", Napi::Function::New(env, shape, "shapeOf"));
}

}  // namespace athanor::binding
