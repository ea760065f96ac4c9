#include <memory>

#include "binding/convert.h"
#include "text/shard_reader.h"

namespace athanor::binding {
namespace {

class ShardWrap : public Napi::ObjectWrap<ShardWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "NativeShard",
        {InstanceMethod<&ShardWrap::read>("read"), InstanceMethod<&ShardWrap::close>("close")});
  }

  explicit ShardWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ShardWrap>(info) {
    guarded("NativeShard", info.Env(), [&]() -> Napi::Value {
      const text::ShardLayout layout{.offset = argument_of<uint64_t>(info, 1),
                                     .count = argument_of<uint64_t>(info, 2),
                                     .width = argument_of<int>(info, 3),
                                     .vocab_size = argument_of<uint32_t>(info, 4)};
      reader_ = std::make_unique<text::ShardReader>(argument_of<std::string>(info, 0), layout);
      return info.Env().Undefined();
    });
  }

 private:
  /// read(begin, Int32Array): fills the array.
  Napi::Value read(const Napi::CallbackInfo& info) {
    return guarded("NativeShard.read", info.Env(), [&]() -> Napi::Value {
      expect(reader_ != nullptr, ErrorCode::kState, "the shard was closed");
      reader_->read(argument_of<uint64_t>(info, 0), argument_of<std::span<int32_t>>(info, 1));
      return info.Env().Undefined();
    });
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    reader_.reset();
    return info.Env().Undefined();
  }

  std::unique_ptr<text::ShardReader> reader_;
};

const Family shard_family([](Exports& exports) {
  exports.object.Set("NativeShard", ShardWrap::define(exports.env));
});

}  // namespace
}  // namespace athanor::binding
