// Texts come as strings (taken as UTF-8, a lone surrogate becoming U+FFFD) or as Uint8Array, read in place
// while the call runs and copied where the work goes to another thread.
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "binding/convert.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer.h"

namespace athanor::binding {
namespace {

using text::Bytes;

/// The elements of a typed array of exactly this kind.
template <class T>
std::span<const T> elements(const Napi::Value& value, napi_typedarray_type type, const char* wanted) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    fail_type(wanted, value);
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  return {array.Data(), array.ElementLength()};
}
Bytes bytes_of(const Napi::Value& value) {
  return elements<uint8_t>(value, napi_uint8_array, "a Uint8Array");
}
std::span<const int32_t> ids_of(const Napi::Value& value) {
  return elements<int32_t>(value, napi_int32_array, "an Int32Array");
}
std::span<const uint32_t> offsets_of(const Napi::Value& value) {
  return elements<uint32_t>(value, napi_uint32_array, "a Uint32Array");
}

template <class Array, class T>
Napi::Value array_of(Napi::Env env, const std::vector<T>& values) {
  Array array = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

text::SplitPattern pattern_of(const Napi::Value& value) {
  const int pattern = From<int>::get(value);
  expect(pattern >= 0 && pattern < text::kSplitPatterns, ErrorCode::kArgument, "tokenizer",
         "unknown split pattern ", pattern);
  return static_cast<text::SplitPattern>(pattern);
}

/// An array of strings and byte arrays; owns the UTF-8 of the strings, and of the bytes too when asked to
/// copy.
class Texts {
 public:
  Texts(const Napi::Value& value, bool copy) {
    if (!value.IsArray()) fail_type("an array of texts", value);
    const Napi::Array array = value.As<Napi::Array>();
    owned_.reserve(array.Length());
    views_.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) {
      Napi::HandleScope scope(value.Env());
      const Napi::Value text = array[i];
      if (text.IsString()) {
        keep(text.As<Napi::String>().Utf8Value());
      } else {
        const Bytes bytes = elements<uint8_t>(text, napi_uint8_array, "a string or a Uint8Array");
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

class TokenizerWrap : public Napi::ObjectWrap<TokenizerWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "NativeTokenizer",
        {InstanceMethod<&TokenizerWrap::encode>("encode"), InstanceMethod<&TokenizerWrap::decode>("decode")});
  }

  /// new NativeTokenizer(bytes, offsets, kinds, merges, pattern, ignoreMerges)
  explicit TokenizerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TokenizerWrap>(info) {
    guarded(info.Env(), [&]() -> Napi::Value {
      text::VocabularyData data;
      const auto take = [](auto& target, const auto& source) { target.assign(source.begin(), source.end()); };
      take(data.bytes, bytes_of(info[0]));
      take(data.offsets, offsets_of(info[1]));
      take(data.kinds, bytes_of(info[2]));
      take(data.merges, ids_of(info[3]));
      data.pattern = pattern_of(info[4]);
      data.ignore_merges = From<bool>::get(info[5]);
      tokenizer_ = std::make_unique<text::Tokenizer>(std::move(data));
      reported_bytes_ = static_cast<int64_t>(tokenizer_->vocabulary().memory_bytes());
      Napi::MemoryManagement::AdjustExternalMemory(info.Env(), reported_bytes_);
      return info.Env().Undefined();
    });
  }

  ~TokenizerWrap() override { Napi::MemoryManagement::AdjustExternalMemory(Env(), -reported_bytes_); }

 private:
  /// encode(texts, allowSpecial): an Int32Array a text.
  Napi::Value encode(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Texts texts(info[0], false);
      const std::vector<text::Ids> ids = tokenizer_->encode(texts.views(), From<bool>::get(info[1]));
      Napi::Array result = Napi::Array::New(info.Env(), ids.size());
      for (size_t i = 0; i < ids.size(); ++i) {
        Napi::HandleScope scope(info.Env());
        result[static_cast<uint32_t>(i)] = array_of<Napi::Int32Array>(info.Env(), ids[i]);
      }
      return result;
    });
  }

  /// decode(ids, skipSpecial): the bytes.
  Napi::Value decode(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto ids = ids_of(info[0]);
      return array_of<Napi::Uint8Array>(info.Env(),
                                        tokenizer_->decode(ids.data(), ids.size(), From<bool>::get(info[1])));
    });
  }

  std::unique_ptr<text::Tokenizer> tokenizer_;
  int64_t reported_bytes_ = 0;
};

/// Runs `work` on a thread of Node's pool while JavaScript goes on; `owner` is kept alive until it is done.
class Job : public Napi::AsyncWorker {
 public:
  static Napi::Value start(Napi::Object owner, bool* busy, std::function<std::vector<int32_t>()> work) {
    expect(!*busy, ErrorCode::kState, "tokenizer", "the trainer is at work; await the call before");
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
        work_(std::move(work)) {}

  void Execute() override {
    try {
      result_ = work_();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void OnOK() override {
    *busy_ = false;
    try {
      deferred_.Resolve(guarded(Env(), [&]() -> Napi::Value {
        if (failure_) std::rethrow_exception(failure_);
        return array_of<Napi::Int32Array>(Env(), result_);
      }));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  Napi::ObjectReference owner_;
  Napi::Promise::Deferred deferred_;
  bool* busy_;
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
    guarded(info.Env(), [&]() -> Napi::Value {
      std::vector<std::vector<uint8_t>> reserved;
      const Texts strings(info[1], false);
      for (const Bytes token : strings.views()) reserved.emplace_back(token.begin(), token.end());
      trainer_ = std::make_unique<text::BpeTrainer>(pattern_of(info[0]), std::move(reserved));
      return info.Env().Undefined();
    });
  }

 private:
  /// count(texts): a promise; the texts are copied before it returns.
  Napi::Value count(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      auto texts = std::make_shared<Texts>(info[0], true);
      return Job::start(Value(), &busy_, [this, texts] {
        trainer_->count(texts->views());
        return std::vector<int32_t>();
      });
    });
  }

  /// train(tokens, minCount): a promise of the merges as pairs of ids.
  Napi::Value train(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const size_t tokens = From<size_t>::get(info[0]);
      const uint64_t min_count = From<uint64_t>::get(info[1]);
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

/// recoverMerges(bytes, offsets): triples of ids.
Napi::Value recover_merges(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Bytes bytes = bytes_of(info[0]);
    const auto offsets = offsets_of(info[1]);
    return array_of<Napi::Int32Array>(
        info.Env(), text::recover_merges({bytes.begin(), bytes.end()}, {offsets.begin(), offsets.end()}));
  });
}

/// lastCut(bytes): where a text that goes on after the bytes may be cut, or 0.
Napi::Value last_cut(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Bytes bytes = bytes_of(info[0]);
    const uint8_t* cut = text::last_safe_cut(bytes.data(), bytes.data() + bytes.size());
    return Napi::Number::New(info.Env(), static_cast<double>(cut - bytes.data()));
  });
}

}  // namespace

void register_text(Napi::Env env, Napi::Object exports) {
  exports.Set("NativeTokenizer", TokenizerWrap::define(env));
  exports.Set("NativeTokenizerTrainer", TrainerWrap::define(env));
  exports.Set("recoverMerges", Napi::Function::New(env, recover_merges, "recoverMerges"));
  exports.Set("lastCut", Napi::Function::New(env, last_cut, "lastCut"));
}

}  // namespace athanor::binding
