#include "binding/tensor_wrap.h"

#include "binding/addon.h"
#include "binding/convert.h"

namespace athanor::binding {
namespace {

// Marks the handles of this addon: any other object is refused before it is unwrapped.
constexpr napi_type_tag kTensorTag = {0x6174686e6f720001ull, 0x74656e736f720001ull};

}  // namespace

void TensorWrap::define(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor =
      DefineClass(env, "NativeTensor", {InstanceMethod<&TensorWrap::dispose>("dispose")});
  env.GetInstanceData<AddonData>()->tensor_constructor = Napi::Persistent(constructor);
  exports.Set("NativeTensor", constructor);
}

TensorWrap::TensorWrap(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<TensorWrap>(info), Reclaimable(info.Env()) {
  if (info.Length() != 1 || !info[0].IsExternal())
    throw_athanor_error(info.Env(), "ERR_ARGUMENT",
                        "[NativeTensor] a native tensor is made by an operation, not by new");
  tensor_ = *info[0].As<Napi::External<Tensor>>().Data();
  info.This().As<Napi::Object>().TypeTag(&kTensorTag);
}

TensorWrap::~TensorWrap() { release(); }

void TensorWrap::release() {
  if (!tensor_.defined()) return;
  if (is_accounted_) {
    Storage& storage = tensor_.storage();
    if (--storage.accounted_handles == 0) take_back(static_cast<int64_t>(storage.bytes()));
  }
  is_accounted_ = false;
  tensor_ = Tensor();
}

Napi::Value TensorWrap::dispose(const Napi::CallbackInfo& info) {
  release();
  return info.Env().Undefined();
}

Napi::Value TensorWrap::wrap(Napi::Env env, const Tensor& tensor) {
  return env.GetInstanceData<AddonData>()->tensor_constructor.New(
      {Napi::External<Tensor>::New(env, const_cast<Tensor*>(&tensor))});
}

TensorWrap* TensorWrap::wrap_of(const Napi::Value& value, const Place& place) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTensorTag))
    fail_type(place, "a tensor", value);
  TensorWrap* wrap = Napi::ObjectWrap<TensorWrap>::Unwrap(value.As<Napi::Object>());
  expect(wrap->tensor_.defined(), ErrorCode::kState, place,
         " was disposed; keep the tensor out of the scope that freed it, or return it from the scope");
  return wrap;
}

const Tensor& TensorWrap::unwrap(const Napi::Value& value, const Place& place) {
  return wrap_of(value, place)->tensor_;
}

void TensorWrap::account(const Napi::Value& value) {
  TensorWrap* wrap = wrap_of(value, {"the tensor"});
  if (wrap->is_accounted_) return;
  wrap->is_accounted_ = true;
  Storage& storage = wrap->tensor_.storage();
  const bool is_first = storage.accounted_handles++ == 0;
  value.Env().GetInstanceData<AddonData>()->reclaimable.hand_over(
      value.Env(), is_first ? static_cast<int64_t>(storage.bytes()) : 0);
}

namespace {

TensorElements read(const Tensor& t) { return {t}; }

void write(const Tensor& t, const ArrayBytes& source) {
  expect(source.size == t.bytes(), ErrorCode::kShape, "expected ", t.bytes(), " bytes for ", t.shape().text(),
         " ", dtype_name(t.dtype()), " but got ", source.size);
  t.write(source.data);
}

void account(const TensorHandle& handle) { TensorWrap::account(handle.value); }

std::vector<int64_t> shape_of(const Tensor& t) {
  std::vector<int64_t> dims;
  for (int i = 0; i < t.rank(); ++i) dims.push_back(t.dim(i));
  return dims;
}
DType dtype_of(const Tensor& t) { return t.dtype(); }

Tensor empty(Shape shape, DType dtype) { return Tensor(shape, dtype, default_device()); }
Tensor view(const Tensor& t, Shape shape) { return t.view(shape); }
Tensor slice(const Tensor& t, int64_t begin, int64_t end) { return t.slice(begin, end); }

const Family tensor_wrap_family([](Exports& exports) {
  TensorWrap::define(exports.env, exports.object);
  bind<&empty, "empty(shape, dtype)">(exports);
  bind<&view, "view(tensor, shape)">(exports);
  bind<&slice, "slice(tensor, begin, end)">(exports);
  bind<&dtype_of, "dtypeOf(tensor)">(exports);
  bind<&shape_of, "shapeOf(tensor)">(exports);
  bind<&read, "read(tensor)">(exports);
  bind<&write, "write(tensor, values)">(exports);
  bind<&account, "account(tensor)">(exports);
});

}  // namespace
}  // namespace athanor::binding
