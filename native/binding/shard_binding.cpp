#include <memory>

#include "binding/native_class.h"
#include "text/shard_reader.h"

namespace athanor::binding {
namespace {

std::unique_ptr<text::ShardReader> open_shard(const std::string& path, uint64_t offset, uint64_t count,
                                              int width, uint32_t vocab_size) {
  const text::ShardLayout layout{.offset = offset, .count = count, .width = width, .vocab_size = vocab_size};
  return std::make_unique<text::ShardReader>(path, layout);
}

class ShardWrap : public NativeClass<ShardWrap> {
 public:
  using Constructor = Bound<"NativeShard(path, offset, count, width, vocabSize)", &open_shard>;

  explicit ShardWrap(const Napi::CallbackInfo& info) : NativeClass(info) {
    construct<Constructor>(info, reader_);
  }

  void read(uint64_t begin, const std::span<int32_t>& out) {
    expect(reader_ != nullptr, ErrorCode::kState, "the shard was closed");
    reader_->read(begin, out);
  }
  void close() { reader_.reset(); }

 private:
  std::unique_ptr<text::ShardReader> reader_;
};

const Family shard_family([](Exports& exports) {
  ShardWrap::define<ShardWrap::Constructor>(
      exports, ShardWrap::method<&ShardWrap::read, "NativeShard.read(begin, out)">,
      ShardWrap::method<&ShardWrap::close, "NativeShard.close()">);
});

}  // namespace
}  // namespace athanor::binding
