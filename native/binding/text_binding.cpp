#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "binding/native_class.h"
#include "binding/texts.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer.h"

ATHANOR_WORDS(athanor::text::SplitPattern, {"gpt2", athanor::text::SplitPattern::kGpt2},
              {"gpt4", athanor::text::SplitPattern::kGpt4}, {"gpt4o", athanor::text::SplitPattern::kGpt4o})
ATHANOR_WORDS(athanor::text::NormalizerKind, {"nfc", athanor::text::NormalizerKind::kNfc},
              {"nfd", athanor::text::NormalizerKind::kNfd}, {"nfkc", athanor::text::NormalizerKind::kNfkc},
              {"nfkd", athanor::text::NormalizerKind::kNfkd},
              {"lowercase", athanor::text::NormalizerKind::kLowercase},
              {"stripAccents", athanor::text::NormalizerKind::kStripAccents},
              {"strip", athanor::text::NormalizerKind::kStrip},
              {"replace", athanor::text::NormalizerKind::kReplace},
              {"prepend", athanor::text::NormalizerKind::kPrepend})
ATHANOR_WORDS(athanor::text::PieceStepKind, {"pattern", athanor::text::PieceStepKind::kPattern},
              {"regex", athanor::text::PieceStepKind::kRegex},
              {"literal", athanor::text::PieceStepKind::kLiteral},
              {"numeric", athanor::text::PieceStepKind::kNumeric},
              {"punctuation", athanor::text::PieceStepKind::kPunctuation},
              {"space", athanor::text::PieceStepKind::kSpace},
              {"words", athanor::text::PieceStepKind::kWords},
              {"replace", athanor::text::PieceStepKind::kReplace},
              {"prefix", athanor::text::PieceStepKind::kPrefix},
              {"firstPrefix", athanor::text::PieceStepKind::kFirstPrefix},
              {"spell", athanor::text::PieceStepKind::kSpell})
ATHANOR_WORDS(athanor::text::SplitBehavior, {"isolated", athanor::text::SplitBehavior::kIsolated},
              {"removed", athanor::text::SplitBehavior::kRemoved},
              {"mergedWithPrevious", athanor::text::SplitBehavior::kMergedWithPrevious},
              {"mergedWithNext", athanor::text::SplitBehavior::kMergedWithNext},
              {"contiguous", athanor::text::SplitBehavior::kContiguous})

namespace athanor::binding {

/// A tokenizer; text::VocabularyData and text::TextSettings explain the fields.
struct TokenizerFields {
  std::span<const uint8_t> bytes;
  std::span<const uint32_t> offsets;
  std::span<const uint8_t> kinds;
  std::span<const uint8_t> flags;
  std::span<const int32_t> merges;
  bool ignore_merges = false;
  std::span<const uint8_t> texts;
  std::span<const uint32_t> text_offsets;
  bool byte_fallback = false;
  int32_t unknown = -1;
  bool fuse_unknown = false;
  std::vector<text::NormalizerStep> normalizer;
  std::vector<text::PieceStep> pieces;
};

}  // namespace athanor::binding

ATHANOR_FIELDS(athanor::text::NormalizerStep, kind, pattern, literal, content, left, right)
ATHANOR_FIELDS(athanor::text::PieceStep, kind, named, text, content, behavior, invert)
ATHANOR_FIELDS(athanor::binding::TokenizerFields, bytes, offsets, kinds, flags, merges, ignore_merges, texts,
               text_offsets, byte_fallback, unknown, fuse_unknown, normalizer, pieces)

namespace athanor::binding {
namespace {

using text::Bytes;
using Kinds = std::span<const uint8_t>;
using Offsets = std::span<const uint32_t>;
using Ids = std::span<const int32_t>;

}  // namespace

/// A promise of ids, or of nothing but the end of the work (an empty array).
struct PromisedIds : Napi::Promise {
  using Napi::Promise::Promise;
};
template <>
struct TypeText<PromisedIds> {
  static std::string get() { return "Promise<Int32Array>"; }
};

namespace {

std::unique_ptr<text::Tokenizer> make_tokenizer(const TokenizerFields& fields) {
  const auto copy = [](const auto& span) { return std::vector(span.begin(), span.end()); };
  return std::make_unique<text::Tokenizer>(
      text::VocabularyData{.bytes = copy(fields.bytes),
                           .offsets = copy(fields.offsets),
                           .kinds = copy(fields.kinds),
                           .flags = copy(fields.flags),
                           .merges = copy(fields.merges),
                           .ignore_merges = fields.ignore_merges,
                           .texts = copy(fields.texts),
                           .text_offsets = copy(fields.text_offsets),
                           .byte_fallback = fields.byte_fallback,
                           .unknown = fields.unknown,
                           .fuse_unknown = fields.fuse_unknown},
      text::TextSettings{.normalizer = fields.normalizer, .pieces = fields.pieces});
}

class TokenizerWrap : public NativeClass<TokenizerWrap>, public Reclaimable {
 public:
  using Constructor = Bound<"NativeTokenizer(fields)", &make_tokenizer>;

  explicit TokenizerWrap(const Napi::CallbackInfo& info) : NativeClass(info), Reclaimable(info.Env()) {
    construct<Constructor>(info, tokenizer_);
    reported_bytes_ = static_cast<int64_t>(tokenizer_->vocabulary().memory_bytes());
    info.Env().GetInstanceData<AddonData>()->reclaimable.hand_over(info.Env(), reported_bytes_);
  }
  ~TokenizerWrap() override { take_back(reported_bytes_); }

  std::vector<PackedNumbers<int32_t>> encode(const TextViews& texts, bool allow_special) {
    std::vector<PackedNumbers<int32_t>> packed;
    for (text::Ids& ids : tokenizer_->encode(texts.views(), allow_special))
      packed.push_back({std::move(ids)});
    return packed;
  }
  PackedNumbers<int32_t> encode_marked(const TextViews& texts, const Ids& tokens) {
    expect(texts.views().size() == 1 && tokens.size() % 3 == 0, ErrorCode::kArgument,
           "expected one text, and triples of places and ids");
    std::vector<text::MarkedToken> marked;
    for (size_t i = 0; i < tokens.size(); i += 3)
      marked.push_back({static_cast<size_t>(tokens[i]), static_cast<size_t>(tokens[i + 1]), tokens[i + 2]});
    return {tokenizer_->encode_marked(texts.views()[0], marked)};
  }
  PackedNumbers<uint8_t> decode(const Ids& ids, bool skip_special) {
    return {tokenizer_->decode(ids.data(), ids.size(), skip_special)};
  }

 private:
  bool is_dead() const override { return Value().IsEmpty(); }

  std::unique_ptr<text::Tokenizer> tokenizer_;
  int64_t reported_bytes_ = 0;
};

/// Runs `work` on a thread of Node's pool while JavaScript continues; `owner` is kept alive until
/// the work is done.
class Job : public Napi::AsyncWorker {
 public:
  static PromisedIds start(Napi::Object owner, bool* busy, std::function<std::vector<int32_t>()> work) {
    expect(!*busy, ErrorCode::kState, "the trainer is at work; await the call before");
    auto* job = new Job(owner, busy, std::move(work));
    *busy = true;
    job->Queue();
    const Napi::Promise promise = job->deferred_.Promise();
    return {promise.Env(), promise};
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

std::unique_ptr<text::BpeTrainer> make_trainer(text::SplitPattern pattern, const TextViews& reserved) {
  std::vector<std::vector<uint8_t>> tokens;
  for (const Bytes token : reserved.views()) tokens.emplace_back(token.begin(), token.end());
  return std::make_unique<text::BpeTrainer>(pattern, std::move(tokens));
}

class TrainerWrap : public NativeClass<TrainerWrap> {
 public:
  using Constructor = Bound<"NativeTokenizerTrainer(pattern, reserved)", &make_trainer>;

  explicit TrainerWrap(const Napi::CallbackInfo& info) : NativeClass(info) {
    construct<Constructor>(info, trainer_);
  }

  PromisedIds count(const TextCopies& texts) {
    return Job::start(Value(), &busy_, [this, texts] {
      trainer_->count(texts->views());
      return std::vector<int32_t>();
    });
  }
  PromisedIds train(size_t tokens, uint64_t min_count) {
    return Job::start(Value(), &busy_,
                      [this, tokens, min_count] { return trainer_->train(tokens, min_count); });
  }
  uint64_t merges_done() { return trainer_->merges_done(); }
  void cancel() { trainer_->cancel(); }

 private:
  std::unique_ptr<text::BpeTrainer> trainer_;
  bool busy_ = false;
};

PackedNumbers<int32_t> recover_merges(const Bytes& bytes, const Offsets& offsets) {
  return {text::recover_merges({bytes.begin(), bytes.end()}, {offsets.begin(), offsets.end()})};
}

std::vector<PackedNumbers<uint8_t>> normalize_texts(const TextViews& texts,
                                                    const std::vector<text::NormalizerStep>& steps) {
  const text::Normalizer normalizer(steps);
  std::vector<PackedNumbers<uint8_t>> normalized;
  for (const Bytes& text : texts.views()) normalized.push_back({normalizer.normalize(text)});
  return normalized;
}

int64_t last_cut(const Bytes& bytes) {
  return text::last_safe_cut(bytes.data(), bytes.data() + bytes.size()) - bytes.data();
}

const Family text_family([](Exports& exports) {
  TokenizerWrap::define<TokenizerWrap::Constructor>(
      exports, TokenizerWrap::method<&TokenizerWrap::encode, "NativeTokenizer.encode(texts, allowSpecial)">,
      TokenizerWrap::method<&TokenizerWrap::encode_marked, "NativeTokenizer.encodeMarked(texts, tokens)">,
      TokenizerWrap::method<&TokenizerWrap::decode, "NativeTokenizer.decode(ids, skipSpecial)">);
  TrainerWrap::define<TrainerWrap::Constructor>(
      exports, TrainerWrap::method<&TrainerWrap::count, "NativeTokenizerTrainer.count(texts)">,
      TrainerWrap::method<&TrainerWrap::train, "NativeTokenizerTrainer.train(tokens, minCount)">,
      TrainerWrap::method<&TrainerWrap::merges_done, "NativeTokenizerTrainer.mergesDone()">,
      TrainerWrap::method<&TrainerWrap::cancel, "NativeTokenizerTrainer.cancel()">);
  bind<&recover_merges, "recoverMerges(bytes, offsets)">(exports);
  bind<&normalize_texts, "normalizeTexts(texts, steps)">(exports);
  bind<&last_cut, "lastCut(bytes)">(exports);
});

}  // namespace
}  // namespace athanor::binding
