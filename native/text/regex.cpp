#include "text/regex.h"

#include <algorithm>
#include <map>
#include <string>

#include "core/error.h"

namespace athanor::text {
namespace {

using Kind = RegexNode::Kind;

// Patterns of published tokenizers have some hundred places and states.
constexpr size_t kMostPlaces = 20000;
constexpr size_t kMostCells = 4 << 20;
constexpr uint32_t kMostClasses = 255;
// A match that has looked so many bytes ahead asks whether that is known to be in vain.
constexpr ptrdiff_t kLookAhead = 64;
constexpr uint64_t kBlockBits = 5;

void check_size(bool fits, const char* what) {
  if (!fits) fail_about("", ErrorCode::kFormat, "a pattern of so many ", what, " is not supported");
}

struct Place {
  enum class Op { kSet, kLook, kSplit, kMatch };
  Op op = Op::kMatch;
  uint32_t set = 0;      // kSet, kLook
  bool ahead = false;    // kLook
  bool at_edge = false;  // kLook
  uint32_t next = 0;
  uint32_t other = 0;  // kSplit: the second choice
  // kSplit of a loop: where it goes on when a round has taken no character, as in Oniguruma.
  uint32_t exit = 0;
  bool is_loop = false;
};

/// Thompson's construction: every node is built before what follows it.
class Program {
 public:
  explicit Program(const RegexNode& root) {
    add({});
    start_ = build(root, 0);
  }

  std::vector<Place> places;
  std::vector<CharSet> sets;
  uint32_t start() const { return start_; }

 private:
  uint32_t add(Place place) {
    check_size(places.size() < kMostPlaces, "characters");
    places.push_back(place);
    return static_cast<uint32_t>(places.size() - 1);
  }

  uint32_t set_index(const CharSet& set) {
    const auto found = std::find(sets.begin(), sets.end(), set);
    if (found != sets.end()) return static_cast<uint32_t>(found - sets.begin());
    sets.push_back(set);
    return static_cast<uint32_t>(sets.size() - 1);
  }

  uint32_t split(uint32_t first, uint32_t second) {
    return add({.op = Place::Op::kSplit, .next = first, .other = second});
  }

  uint32_t build(const RegexNode& node, uint32_t next) {
    switch (node.kind) {
      case Kind::kEmpty: return next;
      case Kind::kSet: return add({.op = Place::Op::kSet, .set = set_index(node.set), .next = next});
      case Kind::kLook:
        return add({.op = Place::Op::kLook,
                    .set = set_index(node.set),
                    .ahead = node.ahead,
                    .at_edge = node.at_edge,
                    .next = next});
      case Kind::kConcat:
        for (size_t i = node.children.size(); i-- > 0;) next = build(node.children[i], next);
        return next;
      case Kind::kAlternate: {
        uint32_t choice = build(node.children.back(), next);
        for (size_t i = node.children.size() - 1; i-- > 0;)
          choice = split(build(node.children[i], next), choice);
        return choice;
      }
      case Kind::kRepeat: return repeat(node, next);
    }
    return next;
  }

  uint32_t repeat(const RegexNode& node, uint32_t next) {
    const RegexNode& child = node.children[0];
    const auto choice = [&](uint32_t more, uint32_t done) {
      return node.greedy ? split(more, done) : split(done, more);
    };
    uint32_t entry = next;
    if (node.most == RegexNode::kNoLimit) {
      const uint32_t loop = split(0, 0);
      const uint32_t body = build(child, loop);
      places[loop].next = node.greedy ? body : next;
      places[loop].other = node.greedy ? next : body;
      places[loop].exit = next;
      places[loop].is_loop = true;
      entry = loop;
    } else {
      for (int i = node.least; i < node.most; ++i) entry = choice(build(child, entry), next);
    }
    for (int i = 0; i < node.least; ++i) entry = build(child, entry);
    return entry;
  }

  uint32_t start_ = 0;
};

}  // namespace

/// Makes the classes of characters and the states of a Regex.
class RegexBuilder {
 public:
  RegexBuilder(const RegexNode& pattern, Regex& regex) : program_(pattern), regex_(regex) {
    make_classes();
    make_states();
  }

 private:
  // The places of a state, best first, and behind them what was before it.
  using Key = std::vector<uint32_t>;

  void make_classes() {
    const std::vector<CharSet>& sets = program_.sets;
    std::vector<uint32_t> bounds{0, kInvalidByte + 1};
    for (const CharSet& set : sets)
      for (const CharSet::Range& range : set.ranges()) {
        bounds.push_back(range.first);
        bounds.push_back(range.last + 1);
      }
    std::sort(bounds.begin(), bounds.end());
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    std::map<std::vector<bool>, uint32_t> known;
    std::vector<uint8_t> classes(kInvalidByte + 1);
    for (size_t i = 0; i + 1 < bounds.size(); ++i) {
      std::vector<bool> in(sets.size());
      for (size_t s = 0; s < sets.size(); ++s) in[s] = sets[s].contains(bounds[i]);
      const auto [entry, is_new] = known.emplace(std::move(in), static_cast<uint32_t>(known.size()));
      if (is_new) members_.push_back(entry->first);
      check_size(known.size() <= kMostClasses, "sets");
      std::fill(classes.begin() + bounds[i], classes.begin() + bounds[i + 1],
                static_cast<uint8_t>(entry->second));
    }
    regex_.end_class_ = static_cast<uint32_t>(members_.size());
    regex_.stride_ = regex_.end_class_ + 1;
    fill_pages(classes);
  }

  void fill_pages(std::vector<uint8_t>& classes) {
    classes.resize(0x1101 << 8, classes[kInvalidByte]);
    std::map<std::vector<uint8_t>, uint16_t> known;
    for (size_t page = 0; page < 0x1101; ++page) {
      const auto begin = classes.begin() + static_cast<ptrdiff_t>(page << 8);
      std::vector<uint8_t> block(begin, begin + 256);
      const auto [entry, is_new] = known.emplace(std::move(block), static_cast<uint16_t>(known.size()));
      if (is_new) regex_.blocks_.insert(regex_.blocks_.end(), entry->first.begin(), entry->first.end());
      regex_.pages_.push_back(entry->second);
    }
  }

  void make_states() {
    for (const Place& place : program_.places)
      if (place.op == Place::Op::kLook && !place.ahead) regex_.looks_back_ = true;
    state_of({});
    const uint32_t befores = regex_.looks_back_ ? regex_.stride_ : 1;
    for (uint32_t before = 0; before < befores; ++before)
      regex_.starts_.push_back(state_of({program_.start(), regex_.looks_back_ ? before : 0}));
    for (size_t i = 0; i < keys_.size(); ++i) {
      const Key key = keys_[i];
      for (uint32_t c = 0; c < regex_.stride_; ++c) {
        const uint32_t next = key.empty() ? 0 : transition(key, c);
        regex_.next_[i * regex_.stride_ + c] = next;
      }
    }
  }

  /// The offset of a state in the table.
  uint32_t state_of(Key key) {
    if (key.size() == 1) key.clear();
    const auto [entry, is_new] = known_.emplace(std::move(key), static_cast<uint32_t>(keys_.size()));
    if (is_new) {
      keys_.push_back(entry->first);
      check_size(keys_.size() * regex_.stride_ <= kMostCells, "states");
      regex_.next_.resize(keys_.size() * regex_.stride_);
    }
    return entry->second * regex_.stride_;
  }

  uint32_t transition(const Key& key, uint32_t c) {
    const uint32_t before = key.back();
    const bool at_end = c == regex_.end_class_;
    Key after;
    std::vector<bool> seen(program_.places.size());
    std::vector<bool> added(program_.places.size());
    std::vector<uint32_t> stack(key.rbegin() + 1, key.rend());
    bool matched = false;
    while (!stack.empty() && !matched) {
      const uint32_t at = stack.back();
      stack.pop_back();
      const Place& place = program_.places[at];
      if (seen[at]) {
        // Only a round of the loop itself comes here before its exit is seen.
        if (place.is_loop && !seen[place.exit]) stack.push_back(place.exit);
        continue;
      }
      seen[at] = true;
      switch (place.op) {
        case Place::Op::kMatch: matched = true; break;
        case Place::Op::kSplit:
          stack.push_back(place.other);
          stack.push_back(place.next);
          break;
        case Place::Op::kLook: {
          const uint32_t beside = place.ahead ? c : before;
          if (beside == regex_.end_class_ ? place.at_edge : members_[beside][place.set])
            stack.push_back(place.next);
          break;
        }
        case Place::Op::kSet:
          if (!at_end && members_[c][place.set] && !added[place.next]) {
            added[place.next] = true;
            after.push_back(place.next);
          }
          break;
      }
    }
    if (!after.empty()) after.push_back(regex_.looks_back_ ? c : 0);
    return state_of(std::move(after)) << 1 | (matched ? 1 : 0);
  }

  Program program_;
  Regex& regex_;
  std::vector<std::vector<bool>> members_;  // of each class: the sets that hold it
  std::map<Key, uint32_t> known_;
  std::vector<Key> keys_;
};

Regex compile_regex(std::string_view pattern) {
  try {
    return Regex(parse_regex(pattern));
  } catch (const Error& error) {
    fail(error.code(), "the regular expression ", pattern, ": ", error.what());
  }
}

Regex::Regex(const RegexNode& pattern) { RegexBuilder(pattern, *this); }

bool Regex::cut(std::string_view before, uint8_t after, bool match) const {
  if (looks_back_) return false;
  for (const char c : before) {
    for (size_t state = 0; state < next_.size(); state += stride_) {
      const uint32_t at = step(static_cast<uint32_t>(state), class_of(static_cast<uint8_t>(c))) >> 1;
      const uint32_t then = step(at, class_of(after));
      if (then >> 1 != 0 || (then & 1) != (step(at, end_class_) & 1)) return false;
      // The first state is 0: nothing is looked for there.
      if (match && state != 0 && (at == 0 ? state == starts_[0] : (then & 1) == 0)) return false;
    }
  }
  return true;
}

uint32_t RegexSearch::class_at(const uint8_t* at, int* bytes) const {
  if (*at < 0x80) {
    *bytes = 1;
    return regex_.blocks_[*at];
  }
  uint32_t point = 0;
  const int size = utf8_sequence(at, end_, &point);
  *bytes = size == 0 ? 1 : size;
  return regex_.class_of(size == 0 ? 0x110000 : point);
}

uint32_t RegexSearch::start_state(const uint8_t* at) const {
  if (!regex_.looks_back_) return regex_.starts_[0];
  if (at == begin_) return regex_.starts_[regex_.end_class_];
  const uint8_t* before = at - 1;
  while (before > begin_ && at - before < 4 && (*before & 0xC0) == 0x80) --before;
  int bytes = 0;
  const uint32_t found = class_at(before, &bytes);
  return regex_.starts_[before + bytes == at ? found : regex_.class_of(0x110000)];
}

bool RegexSearch::is_known(uint32_t state, const uint8_t* at) {
  const uint64_t key = static_cast<uint64_t>(at - begin_) << 24 | state / regex_.stride_;
  if (fruitless_.contains(key)) return true;
  pending_.push_back(key);
  return false;
}

/// The end of the match that begins at `start`, or null.
const uint8_t* RegexSearch::match_at(const uint8_t* start) {
  const uint32_t* const next = regex_.next_.data();
  const uint8_t* last = nullptr;
  const uint8_t* ask = start + kLookAhead;
  uint32_t state = start_state(start);
  pending_.clear();
  const uint8_t* at = start;
  while (at < end_) {
    int bytes = 0;
    const uint32_t then = next[state + class_at(at, &bytes)];
    if (then & 1) {
      last = at;
      ask = at + kLookAhead;
      pending_.clear();
    }
    state = then >> 1;
    if (state == 0) break;
    const uint8_t* after = at + bytes;
    const bool is_block = (static_cast<uint64_t>(at - begin_) >> kBlockBits) !=
                          (static_cast<uint64_t>(after - begin_) >> kBlockBits);
    at = after;
    if (is_block && at >= ask && is_known(state, at)) {
      state = 0;
      break;
    }
  }
  if (state != 0 && (next[state + regex_.end_class_] & 1) != 0) return end_;
  fruitless_.insert(pending_.begin(), pending_.end());
  return last;
}

bool RegexSearch::find(const uint8_t** from, const uint8_t** to) {
  while (next_ <= end_) {
    const uint8_t* const start = next_;
    const uint8_t* const stop = match_at(start);
    int bytes = 1;
    if (start < end_) class_at(start, &bytes);
    if (stop == nullptr || (stop == start && last_end_ == start)) {
      next_ = start + bytes;
      continue;
    }
    last_end_ = stop;
    next_ = stop;
    *from = start;
    *to = stop;
    return true;
  }
  return false;
}

}  // namespace athanor::text
