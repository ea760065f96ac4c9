#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "binding/native_class.h"
#include "binding/texts.h"
#include "text/minhash.h"
#include "text/near_duplicates.h"
#include "text/ngram_index.h"
#include "text/repeated_runs.h"

namespace athanor::binding {
namespace {

std::unique_ptr<text::MinHasher> make_hasher(size_t ngram, size_t bands, size_t rows, uint32_t seed) {
  return std::make_unique<text::MinHasher>(text::MinHashOptions{ngram, bands, rows, seed});
}

class MinHasherWrap : public NativeClass<MinHasherWrap> {
 public:
  using Constructor = Bound<"NativeMinHasher(ngram, bands, rows, seed)", &make_hasher>;

  explicit MinHasherWrap(const Napi::CallbackInfo& info) : NativeClass(info) {
    construct<Constructor>(info, hasher_);
  }
  PackedNumbers<uint64_t> sign(const TextViews& texts) { return {hasher_->sign_all(texts.views())}; }

 private:
  std::unique_ptr<text::MinHasher> hasher_;
};

std::unique_ptr<text::NearDuplicates> make_duplicates(size_t ngram, size_t bands, size_t rows, uint32_t seed,
                                                      const std::string& folder, size_t memory_bytes) {
  return std::make_unique<text::NearDuplicates>(text::MinHashOptions{ngram, bands, rows, seed}, folder,
                                                memory_bytes);
}

class NearDuplicatesWrap : public NativeClass<NearDuplicatesWrap> {
 public:
  using Constructor =
      Bound<"NativeNearDuplicates(ngram, bands, rows, seed, folder, memoryBytes)", &make_duplicates>;

  explicit NearDuplicatesWrap(const Napi::CallbackInfo& info) : NativeClass(info) {
    construct<Constructor>(info, duplicates_);
  }
  void add(const TextViews& texts) { opened().add(texts.views()); }
  void add_earlier(const std::string& path) { opened().add_earlier(path); }
  PackedNumbers<uint32_t> cluster(const std::string& keys_path) { return {opened().cluster(keys_path)}; }
  uint64_t runs_written() { return opened().runs_written(); }
  void close() { duplicates_.reset(); }

 private:
  text::NearDuplicates& opened() {
    expect(duplicates_ != nullptr, ErrorCode::kState, "the finder was closed");
    return *duplicates_;
  }

  std::unique_ptr<text::NearDuplicates> duplicates_;
};

std::unique_ptr<text::RepeatedRuns> make_runs(size_t words, const std::string& folder, size_t memory_bytes) {
  return std::make_unique<text::RepeatedRuns>(words, folder, memory_bytes);
}

class RepeatedRunsWrap : public NativeClass<RepeatedRunsWrap> {
 public:
  using Constructor = Bound<"NativeRepeatedRuns(words, folder, memoryBytes)", &make_runs>;

  explicit RepeatedRunsWrap(const Napi::CallbackInfo& info) : NativeClass(info) {
    construct<Constructor>(info, runs_);
  }
  void add(const TextViews& texts) { opened().add(texts.views()); }
  void find() { opened().find(); }
  void rewind() { opened().rewind(); }
  std::vector<PackedNumbers<uint32_t>> take(const TextViews& texts) {
    std::vector<PackedNumbers<uint32_t>> packed;
    for (const auto& ranges : opened().take(texts.views())) {
      auto& values = packed.emplace_back().values;
      for (const text::ByteRange& range : ranges) values.insert(values.end(), {range.begin, range.end});
    }
    return packed;
  }
  void close() { runs_.reset(); }

 private:
  text::RepeatedRuns& opened() {
    expect(runs_ != nullptr, ErrorCode::kState, "the finder was closed");
    return *runs_;
  }

  std::unique_ptr<text::RepeatedRuns> runs_;
};

std::unique_ptr<text::NgramIndex> make_index(size_t ngram, size_t shortest) {
  return std::make_unique<text::NgramIndex>(ngram, shortest);
}

/// Matches, the set of the first one, and its words, per text.
using Matches = std::tuple<PackedNumbers<uint32_t>, PackedNumbers<uint32_t>, std::vector<std::string>>;

class NgramIndexWrap : public NativeClass<NgramIndexWrap> {
 public:
  using Constructor = Bound<"NativeNgramIndex(ngram, shortest)", &make_index>;

  explicit NgramIndexWrap(const Napi::CallbackInfo& info) : NativeClass(info) {
    construct<Constructor>(info, index_);
  }
  PackedNumbers<uint32_t> add(const TextViews& texts, uint32_t set) {
    return {index_->add(texts.views(), set)};
  }
  Matches find(const TextViews& texts) {
    Matches matches;
    auto& [counts, sets, words] = matches;
    for (text::NgramMatch& match : index_->find(texts.views())) {
      counts.values.push_back(match.count);
      sets.values.push_back(match.set);
      words.push_back(std::move(match.words));
    }
    return matches;
  }
  uint64_t size() { return index_->size(); }

 private:
  std::unique_ptr<text::NgramIndex> index_;
};

/// The words of a text as signatures and runs of words compare them, with a space between two.
std::string compared_words(const std::string& text) {
  text::Words words;
  words.assign({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  return words.count() == 0 ? std::string() : std::string(words.range(0, words.count()));
}

const Family dedup_family([](Exports& exports) {
  MinHasherWrap::define<MinHasherWrap::Constructor>(
      exports, MinHasherWrap::method<&MinHasherWrap::sign, "NativeMinHasher.sign(texts)">);
  NearDuplicatesWrap::define<NearDuplicatesWrap::Constructor>(
      exports, NearDuplicatesWrap::method<&NearDuplicatesWrap::add, "NativeNearDuplicates.add(texts)">,
      NearDuplicatesWrap::method<&NearDuplicatesWrap::add_earlier, "NativeNearDuplicates.addEarlier(path)">,
      NearDuplicatesWrap::method<&NearDuplicatesWrap::cluster, "NativeNearDuplicates.cluster(keysPath)">,
      NearDuplicatesWrap::method<&NearDuplicatesWrap::runs_written, "NativeNearDuplicates.runsWritten()">,
      NearDuplicatesWrap::method<&NearDuplicatesWrap::close, "NativeNearDuplicates.close()">);
  NgramIndexWrap::define<NgramIndexWrap::Constructor>(
      exports, NgramIndexWrap::method<&NgramIndexWrap::add, "NativeNgramIndex.add(texts, set)">,
      NgramIndexWrap::method<&NgramIndexWrap::find, "NativeNgramIndex.find(texts)">,
      NgramIndexWrap::method<&NgramIndexWrap::size, "NativeNgramIndex.size()">);
  RepeatedRunsWrap::define<RepeatedRunsWrap::Constructor>(
      exports, RepeatedRunsWrap::method<&RepeatedRunsWrap::add, "NativeRepeatedRuns.add(texts)">,
      RepeatedRunsWrap::method<&RepeatedRunsWrap::find, "NativeRepeatedRuns.find()">,
      RepeatedRunsWrap::method<&RepeatedRunsWrap::rewind, "NativeRepeatedRuns.rewind()">,
      RepeatedRunsWrap::method<&RepeatedRunsWrap::take, "NativeRepeatedRuns.take(texts)">,
      RepeatedRunsWrap::method<&RepeatedRunsWrap::close, "NativeRepeatedRuns.close()">);
  bind<&compared_words, "comparedWords(text)">(exports);
});

}  // namespace
}  // namespace athanor::binding
