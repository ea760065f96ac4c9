#include <memory>

#include "binding/convert.h"
#include "text/shard_reader.h"

namespace athanor::binding {
namespace {

class ShardWrap : public Napi::ObjectWrap<ShardWrap> {
 public:
  static void define(Napi::Env env, Napi::Object exports) {
    exports.Set("NativeShard", DefineClass(env, "NativeShard",
                                           {InstanceMethod<&ShardWrap::read>("read"),
                                            InstanceMethod<&ShardWrap::close>("close")}));
  }

  explicit ShardWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ShardWrap>(info) {
    guarded(info.Env(), [&]() -> Napi::Value {
      const text::ShardLayout layout{.offset = From<uint64_t>::get(info[1]),
                                     .count = From<uint64_t>::get(info[2]),
                                     .width = From<int>::get(info[3]),
                                     .vocab_size = From<uint32_t>::get(info[4])};
      reader_ = std::make_unique<text::ShardReader>(From<std::string>::get(info[0]), layout);
      return info.Env().Undefined();
    });
  }

 private:
  /// read(begin, Int32Array): fills the array.
  Napi::Value read(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      expect(reader_ != nullptr, ErrorCode::kState, "token shard", "it was closed");
      if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array)
        fail_type("an Int32Array", info[1]);
      auto out = info[1].As<Napi::Int32Array>();
      reader_->read(From<uint64_t>::get(info[0]), std::span<int32_t>(out.Data(), out.ElementLength()));
      return info.Env().Undefined();
    });
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    reader_.reset();
    return info.Env().Undefined();
  }

  std::unique_ptr<text::ShardReader> reader_;
};

}  // namespace

void register_shard(Napi::Env env, Napi::Object exports) { ShardWrap::define(env, exports); }

}  // namespace athanor::binding
