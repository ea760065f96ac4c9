// Texts come as strings (taken as UTF-8, a lone surrogate becoming U+FFFD) or as Uint8Array, read
// in place while the call runs and copied where the work goes to another thread.
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "binding/convert.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer.h"

ATHANOR_WORDS(athanor::text::SplitPattern, {"gpt2", athanor::text::SplitPattern::kGpt2},
              {"gpt4", athanor::text::SplitPattern::kGpt4}, {"gpt4o", athanor::text::SplitPattern::kGpt4o})

namespace athanor::binding {
namespace {

using text::Bytes;
using Kinds = std::span<const uint8_t>;
using Offsets = std::span<const uint32_t>;
using Ids = std::span<const int32_t>;

/// An array of strings and byte arrays. It owns the UTF-8 of the strings, and a copy of the
/// bytes with `copy`.
class Texts {
 public:
  Texts(const Napi::CallbackInfo& info, size_t index, bool copy) {
    const Napi::Value value = info[index];
    const Place place = argument(index);
    if (!value.IsArray()) fail_type(place, "an array of texts", value);
    const Napi::Array array = value.As<Napi::Array>();
    owned_.reserve(array.Length());
    views_.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) {
      Napi::HandleScope scope(value.Env());
      const Napi::Value text = array[i];
      if (text.IsString()) {
        keep(text.As<Napi::String>().Utf8Value());
      } else {
        const Bytes bytes = From<Bytes>::get(text, {place.name, i});
        if (copy)
          keep(std::string(bytes.begin(), bytes.end()));
        else
          views_.push_back(bytes);
      }
    }
  }
  const std::vector<Bytes>& views() const { return views_; }

 private:
  void keep(std::string text) {
    owned_.push_back(std::move(text));
    views_.push_back({reinterpret_cast<const uint8_t*>(owned_.back().data()), owned_.back().size()});
  }

  std::vector<std::string> owned_;
  std::vector<Bytes> views_;
};

class TokenizerWrap : public Napi::ObjectWrap<TokenizerWrap>, public Reclaimable {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "NativeTokenizer",
        {InstanceMethod<&TokenizerWrap::encode>("encode"), InstanceMethod<&TokenizerWrap::decode>("decode")});
  }

  /// new NativeTokenizer(bytes, offsets, kinds, merges, pattern, ignoreMerges)
  explicit TokenizerWrap(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<TokenizerWrap>(info), Reclaimable(info.Env()) {
    guarded("NativeTokenizer", info.Env(), [&]() -> Napi::Value {
      text::VocabularyData data;
      const auto take = [](auto& target, const auto& source) { target.assign(source.begin(), source.end()); };
      take(data.bytes, argument_of<Bytes>(info, 0));
      take(data.offsets, argument_of<Offsets>(info, 1));
      take(data.kinds, argument_of<Kinds>(info, 2));
      take(data.merges, argument_of<Ids>(info, 3));
      data.pattern = argument_of<text::SplitPattern>(info, 4);
      data.ignore_merges = argument_of<bool>(info, 5);
      tokenizer_ = std::make_unique<text::Tokenizer>(std::move(data));
      reported_bytes_ = static_cast<int64_t>(tokenizer_->vocabulary().memory_bytes());
      info.Env().GetInstanceData<AddonData>()->reclaimable.hand_over(info.Env(), reported_bytes_);
      return info.Env().Undefined();
    });
  }

  ~TokenizerWrap() override { Napi::MemoryManagement::AdjustExternalMemory(Env(), -reported_bytes_); }

 private:
  /// encode(texts, allowSpecial): an Int32Array per text.
  Napi::Value encode(const Napi::CallbackInfo& info) {
    return guarded("NativeTokenizer.encode", info.Env(), [&]() -> Napi::Value {
      const Texts texts(info, 0, false);
      std::vector<text::Ids> ids = tokenizer_->encode(texts.views(), argument_of<bool>(info, 1));
      Napi::Array result = Napi::Array::New(info.Env(), ids.size());
      for (size_t i = 0; i < ids.size(); ++i) {
        Napi::HandleScope scope(info.Env());
        result[static_cast<uint32_t>(i)] = to_js(info.Env(), PackedNumbers<int32_t>{std::move(ids[i])});
      }
      return result;
    });
  }

  /// decode(ids, skipSpecial): the bytes.
  Napi::Value decode(const Napi::CallbackInfo& info) {
    return guarded("NativeTokenizer.decode", info.Env(), [&]() -> Napi::Value {
      const Ids ids = argument_of<Ids>(info, 0);
      const bool skip_special = argument_of<bool>(info, 1);
      return to_js(info.Env(),
                   PackedNumbers<uint8_t>{tokenizer_->decode(ids.data(), ids.size(), skip_special)});
    });
  }

  bool is_dead() const override { return Value().IsEmpty(); }

  std::unique_ptr<text::Tokenizer> tokenizer_;
  int64_t reported_bytes_ = 0;
};

/// Runs `work` on a thread of Node's pool while JavaScript continues; `owner` is kept alive until
/// the work is done.
class Job : public Napi::AsyncWorker {
 public:
  static Napi::Value start(Napi::Object owner, bool* busy, std::function<std::vector<int32_t>()> work) {
    expect(!*busy, ErrorCode::kState, "the trainer is at work; await the call before");
    auto* job = new Job(owner, busy, std::move(work));
    *busy = true;
    job->Queue();
    return job->deferred_.Promise();
  }

 private:
  Job(Napi::Object owner, bool* busy, std::function<std::vector<int32_t>()> work)
      : Napi::AsyncWorker(owner.Env()),
        owner_(Napi::Persistent(owner)),
        deferred_(Napi::Promise::Deferred::New(owner.Env())),
        busy_(busy),
        operation_(current_operation()),
        work_(std::move(work)) {}

  void Execute() override {
    const OperationName name(operation_);
    try {
      result_ = work_();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void OnOK() override {
    *busy_ = false;
    try {
      deferred_.Resolve(guarded(operation_, Env(), [&]() -> Napi::Value {
        if (failure_) std::rethrow_exception(failure_);
        return to_js(Env(), PackedNumbers<int32_t>{std::move(result_)});
      }));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  Napi::ObjectReference owner_;
  Napi::Promise::Deferred deferred_;
  bool* busy_;
  const char* operation_;
  std::function<std::vector<int32_t>()> work_;
  std::vector<int32_t> result_;
  std::exception_ptr failure_;
};

class TrainerWrap : public Napi::ObjectWrap<TrainerWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "NativeTokenizerTrainer",
        {InstanceMethod<&TrainerWrap::count>("count"), InstanceMethod<&TrainerWrap::train>("train"),
         InstanceMethod<&TrainerWrap::merges_done>("mergesDone"),
         InstanceMethod<&TrainerWrap::cancel>("cancel")});
  }

  /// new NativeTokenizerTrainer(pattern, reserved)
  explicit TrainerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TrainerWrap>(info) {
    guarded("NativeTokenizerTrainer", info.Env(), [&]() -> Napi::Value {
      std::vector<std::vector<uint8_t>> reserved;
      const Texts strings(info, 1, false);
      for (const Bytes token : strings.views()) reserved.emplace_back(token.begin(), token.end());
      trainer_ =
          std::make_unique<text::BpeTrainer>(argument_of<text::SplitPattern>(info, 0), std::move(reserved));
      return info.Env().Undefined();
    });
  }

 private:
  /// count(texts): a promise; the texts are copied before it returns.
  Napi::Value count(const Napi::CallbackInfo& info) {
    return guarded("NativeTokenizerTrainer.count", info.Env(), [&]() -> Napi::Value {
      auto texts = std::make_shared<Texts>(info, 0, true);
      return Job::start(Value(), &busy_, [this, texts] {
        trainer_->count(texts->views());
        return std::vector<int32_t>();
      });
    });
  }

  /// train(tokens, minCount): a promise of the merges as pairs of ids.
  Napi::Value train(const Napi::CallbackInfo& info) {
    return guarded("NativeTokenizerTrainer.train", info.Env(), [&]() -> Napi::Value {
      const auto tokens = argument_of<size_t>(info, 0);
      const auto min_count = argument_of<uint64_t>(info, 1);
      return Job::start(Value(), &busy_,
                        [this, tokens, min_count] { return trainer_->train(tokens, min_count); });
    });
  }

  Napi::Value merges_done(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(trainer_->merges_done()));
  }

  Napi::Value cancel(const Napi::CallbackInfo& info) {
    trainer_->cancel();
    return info.Env().Undefined();
  }

  std::unique_ptr<text::BpeTrainer> trainer_;
  bool busy_ = false;
};

PackedNumbers<int32_t> recover_merges(const Bytes& bytes, const Offsets& offsets) {
  return {text::recover_merges({bytes.begin(), bytes.end()}, {offsets.begin(), offsets.end()})};
}

int64_t last_cut(const Bytes& bytes) {
  return text::last_safe_cut(bytes.data(), bytes.data() + bytes.size()) - bytes.data();
}

const Family text_family([](Exports& exports) {
  exports.object.Set("NativeTokenizer", TokenizerWrap::define(exports.env));
  exports.object.Set("NativeTokenizerTrainer", TrainerWrap::define(exports.env));
  bind<&recover_merges>(exports, "recoverMerges");
  bind<&last_cut>(exports, "lastCut");
});

}  // namespace
}  // namespace athanor::binding
