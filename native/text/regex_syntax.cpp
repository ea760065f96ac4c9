#include "text/regex_syntax.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "text/unicode.h"

namespace athanor::text {
namespace {

using Kind = RegexNode::Kind;

constexpr int kDeepest = 250;
constexpr int kMostRepeats = 1000;

RegexNode set_node(CharSet set) {
  RegexNode node;
  node.kind = Kind::kSet;
  node.set = std::move(set);
  return node;
}

RegexNode look_node(bool ahead, CharSet set, bool at_edge) {
  RegexNode node;
  node.kind = Kind::kLook;
  node.set = std::move(set);
  node.ahead = ahead;
  node.at_edge = at_edge;
  return node;
}

RegexNode list_node(Kind kind, std::vector<RegexNode> children) {
  if (children.size() == 1) return std::move(children[0]);
  RegexNode node;
  if (children.empty()) return node;
  node.kind = kind;
  node.children = std::move(children);
  return node;
}

RegexNode repeat_node(RegexNode child, int least, int most, bool greedy) {
  RegexNode node;
  node.kind = Kind::kRepeat;
  node.least = least;
  node.most = most;
  node.greedy = greedy;
  node.children.push_back(std::move(child));
  return node;
}

/// Whether a node may take no character.
bool may_be_empty(const RegexNode& node) {
  const auto empty = [](const RegexNode& child) { return may_be_empty(child); };
  switch (node.kind) {
    case Kind::kSet: return false;
    case Kind::kConcat: return std::all_of(node.children.begin(), node.children.end(), empty);
    case Kind::kAlternate: return std::any_of(node.children.begin(), node.children.end(), empty);
    case Kind::kRepeat: return node.least == 0 || may_be_empty(node.children[0]);
    default: return true;
  }
}

bool has_repeat(const RegexNode& node) {
  return node.kind == Kind::kRepeat || std::any_of(node.children.begin(), node.children.end(), has_repeat);
}

/// The points of a pattern. It comes from a JavaScript string, so it is UTF-8.
std::vector<uint32_t> points_of(std::string_view pattern) {
  std::vector<uint32_t> points;
  const auto* at = reinterpret_cast<const uint8_t*>(pattern.data());
  const uint8_t* const end = at + pattern.size();
  while (at < end) {
    uint32_t point = *at;
    const int bytes = point < 0x80 ? 1 : utf8_sequence(at, end, &point);
    points.push_back(point);
    at += bytes > 0 ? bytes : 1;
  }
  return points;
}

bool is_letter(uint32_t point) { return point < 0x80 && (point | 32) >= 'a' && (point | 32) <= 'z'; }
bool is_digit(uint32_t point) { return point >= '0' && point <= '9'; }

/// With all cases of its ASCII letters.
CharSet folded(const CharSet& set) {
  CharSet both = set;
  for (uint32_t letter = 'a'; letter <= 'z'; ++letter)
    if (set.contains(letter) || set.contains(letter - 32))
      both = both | CharSet(letter) | CharSet(letter - 32);
  if (both.contains('k')) both = both | CharSet(0x212A);
  if (both.contains('s')) both = both | CharSet(0x17F);
  return both;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : points_(points_of(pattern)) {}

  RegexNode parse() {
    RegexNode node = alternatives(Flags{}, 0);
    if (at_ < points_.size()) unsupported("an unmatched )");
    return node;
  }

 private:
  struct Flags {
    bool ignore_case = false;
    bool extended = false;
    bool dot_all = false;
  };

  [[noreturn]] static void unsupported(const std::string& what) {
    fail_about("", ErrorCode::kFormat, what, " is not supported");
  }

  bool more() const { return at_ < points_.size(); }
  uint32_t peek(size_t ahead = 0) const {
    return at_ + ahead < points_.size() ? points_[at_ + ahead] : 0x7FFFFFFF;
  }
  bool take(uint32_t point) {
    if (peek() != point) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i)
      if (peek(i) != static_cast<uint8_t>(text[i])) return false;
    at_ += text.size();
    return true;
  }
  std::string text_until(uint32_t end) {
    std::string text;
    while (more() && peek() != end) {
      if (peek() > 0x7F) unsupported("a name that is not ASCII");
      text += static_cast<char>(points_[at_++]);
    }
    if (!take(end)) unsupported("a group without its end");
    return text;
  }

  /// Up to the end of the group. `(?i)` holds up to there, and what follows in it is one node.
  RegexNode alternatives(Flags flags, int depth) {
    if (depth > kDeepest) unsupported("a pattern that is so deep");
    std::vector<RegexNode> choices;
    std::vector<RegexNode> sequence;
    uint32_t folded_before = 0;  // a letter under (?i) that nothing stands behind yet
    while (more() && peek() != ')') {
      if (take('|')) {
        choices.push_back(list_node(Kind::kConcat, std::move(sequence)));
        sequence.clear();
        folded_before = 0;
        continue;
      }
      if (flags.extended && skip_blank()) continue;
      if (take("(?#")) {
        text_until(')');
        continue;
      }
      const bool is_escape = peek() == '\\';
      const uint32_t letter = flags.ignore_case && !is_escape ? peek() : 0;
      if (is_letter(letter)) check_folding(folded_before, letter | 32);
      folded_before = is_letter(letter) ? letter | 32 : 0;
      if (const bool rest = options_ahead(flags); rest) {
        sequence.push_back(alternatives(flags, depth + 1));
        break;
      }
      sequence.push_back(quantified(atom(flags, depth), flags));
    }
    choices.push_back(list_node(Kind::kConcat, std::move(sequence)));
    return list_node(Kind::kAlternate, std::move(choices));
  }

  bool skip_blank() {
    if (take('#')) {
      while (more() && !take('\n')) ++at_;
      return true;
    }
    return take(' ') || take('\t') || take('\n') || take('\r');
  }

  /// Pairs of letters to which one character folds: Oniguruma takes that for both.
  static void check_folding(uint32_t before, uint32_t letter) {
    const bool one = (before == 's' && (letter == 's' || letter == 't')) ||
                     (before == 'f' && (letter == 'f' || letter == 'i' || letter == 'l'));
    if (one)
      unsupported(std::string("(?i) of \"") + static_cast<char>(before) + static_cast<char>(letter) +
                  "\", which is one character elsewhere,");
  }

  /// Takes `(?i)` and the like, which hold up to the end of the group.
  bool options_ahead(Flags& flags) {
    if (peek() != '(' || peek(1) != '?') return false;
    size_t end = 2;
    while (peek(end) == '-' || peek(end) == 'i' || peek(end) == 'm' || peek(end) == 'x') ++end;
    if (end == 2 || peek(end) != ')') return false;
    at_ += 2;
    flags = options(flags);
    ++at_;
    return true;
  }

  Flags options(Flags flags) {
    bool on = true;
    for (; more() && peek() != ':' && peek() != ')'; ++at_) {
      if (peek() == '-')
        on = false;
      else if (peek() == 'i')
        flags.ignore_case = on;
      else if (peek() == 'x')
        flags.extended = on;
      else if (peek() == 'm')
        flags.dot_all = on;
      else
        unsupported("an unknown option of a group");
    }
    return flags;
  }

  RegexNode atom(Flags flags, int depth) {
    const uint32_t point = points_[at_++];
    switch (point) {
      case '(': return group(flags, depth);
      case '[': return set_node(char_class(flags, depth));
      case '\\': return escape(flags);
      case '.': return set_node(flags.dot_all ? CharSet::all() : ~CharSet('\n'));
      case '^': return line_begin();
      case '$': return look_node(true, CharSet('\n'), true);
      case '*':
      case '+':
      case '?': unsupported("a quantifier of nothing");
      default: return literal(point, flags);
    }
  }

  static RegexNode line_begin() {
    std::vector<RegexNode> after_newline;
    after_newline.push_back(look_node(false, CharSet('\n'), false));
    after_newline.push_back(look_node(true, CharSet::all(), false));
    std::vector<RegexNode> choices;
    choices.push_back(look_node(false, {}, true));
    choices.push_back(list_node(Kind::kConcat, std::move(after_newline)));
    return list_node(Kind::kAlternate, std::move(choices));
  }

  static RegexNode word_boundary(bool inside) {
    const CharSet& word = char_kind(CharKind::kWord);
    const auto side = [&](bool ahead, bool is_word) {
      return look_node(ahead, is_word ? word : ~word, !is_word);
    };
    std::vector<RegexNode> choices;
    for (const bool before : {true, false}) {
      std::vector<RegexNode> both;
      both.push_back(side(false, before));
      both.push_back(side(true, inside ? before : !before));
      choices.push_back(list_node(Kind::kConcat, std::move(both)));
    }
    return list_node(Kind::kAlternate, std::move(choices));
  }

  static RegexNode literal(uint32_t point, Flags flags) {
    CharSet set(point);
    return set_node(flags.ignore_case ? foldable(std::move(set)) : std::move(set));
  }

  static CharSet foldable(CharSet set) {
    static const CharSet cased = *char_property("lu") | *char_property("ll") | *char_property("lt") |
                                 *char_property("m") | *char_property("nl") | *char_property("so");
    const CharSet outside = set & ~CharSet::of({{0, 127}});
    const CharSet rest = ~set & ~CharSet::of({{0, 127}});
    if (!(outside & cased).empty() && !(rest & cased).empty())
      unsupported("(?i) of letters that are not ASCII");
    return folded(set);
  }

  RegexNode group(Flags flags, int depth) {
    if (!take('?')) return closed(alternatives(flags, depth + 1));
    if (take(':')) return closed(alternatives(flags, depth + 1));
    if (take('=')) return look(flags, depth, true, false);
    if (take('!')) return look(flags, depth, true, true);
    if (take("<=")) return look(flags, depth, false, false);
    if (take("<!")) return look(flags, depth, false, true);
    if (take('>')) unsupported("an atomic group (?>...)");
    if (take('<')) {
      text_until('>');
      return closed(alternatives(flags, depth + 1));
    }
    const Flags inside = options(flags);
    if (!take(':')) unsupported("an option in this place");
    return closed(alternatives(inside, depth + 1));
  }

  RegexNode closed(RegexNode node) {
    if (!take(')')) unsupported("a group without its end");
    return node;
  }

  RegexNode look(Flags flags, int depth, bool ahead, bool negative) {
    const RegexNode inside = closed(alternatives(flags, depth + 1));
    RegexNode node = look_node(ahead, {}, false);
    add_single(inside, node);
    if (!negative) return node;
    node.set = ~node.set;
    node.at_edge = !node.at_edge;
    return node;
  }

  /// Adds what a lookaround takes: one character, or the edge of the text.
  static void add_single(const RegexNode& inside, RegexNode& look) {
    if (inside.kind == Kind::kSet) {
      look.set = look.set | inside.set;
    } else if (inside.kind == Kind::kLook && inside.ahead == look.ahead) {
      look.set = look.set | inside.set;
      look.at_edge = look.at_edge || inside.at_edge;
    } else if (inside.kind == Kind::kAlternate) {
      for (const RegexNode& choice : inside.children) add_single(choice, look);
    } else if (inside.kind == Kind::kRepeat && inside.least == 1 && inside.children[0].kind == Kind::kSet) {
      look.set = look.set | inside.children[0].set;
    } else {
      unsupported(look.ahead ? "a lookahead of other than one character"
                             : "a lookbehind of other than one character");
    }
  }

  RegexNode quantified(RegexNode node, Flags flags) {
    for (;;) {
      if (flags.extended && skip_blank()) continue;
      int least = 0;
      int most = RegexNode::kNoLimit;
      bool is_interval = false;
      if (take('*')) {
      } else if (take('+')) {
        least = 1;
      } else if (take('?')) {
        most = 1;
      } else if (interval(least, most)) {
        is_interval = true;
      } else {
        return node;
      }
      if (node.kind == Kind::kLook) unsupported("a quantifier of a place");
      // Oniguruma ends such rounds by rules of its own.
      if (most != 1 && has_repeat(node) && may_be_empty(node))
        unsupported("a quantifier of a group with quantifiers that may be empty");
      if (take('?'))
        node = is_interval && least == most
                   ? repeat_node(repeat_node(std::move(node), least, most, true), 0, 1, true)
                   : repeat_node(std::move(node), least, most, false);
      else if (!is_interval && take('+'))
        node = possessive(std::move(node), least, most);
      else
        node = repeat_node(std::move(node), least, most, true);
    }
  }

  /// A possessive quantifier of one character ends where another one follows.
  static RegexNode possessive(RegexNode node, int least, int most) {
    if (node.kind != Kind::kSet) unsupported("a possessive quantifier of other than one character");
    const CharSet set = node.set;
    RegexNode end = look_node(true, ~set, true);
    if (most == 1) {
      std::vector<RegexNode> choices;
      choices.push_back(std::move(node));
      choices.push_back(std::move(end));
      return list_node(Kind::kAlternate, std::move(choices));
    }
    std::vector<RegexNode> sequence;
    sequence.push_back(repeat_node(std::move(node), least, most, true));
    sequence.push_back(std::move(end));
    return list_node(Kind::kConcat, std::move(sequence));
  }

  bool interval(int& least, int& most) {
    if (peek() != '{') return false;
    size_t end = 1;
    const auto number = [&](int& value) {
      const size_t begin = end;
      value = 0;
      for (; is_digit(peek(end)); ++end) {
        value = value * 10 + static_cast<int>(peek(end) - '0');
        if (value > kMostRepeats) unsupported("a quantifier above 1000");
      }
      return end > begin;
    };
    const bool has_least = number(least);
    if (peek(end) == ',') {
      ++end;
      if (!number(most)) {
        if (!has_least) return false;
        most = RegexNode::kNoLimit;
      }
    } else {
      if (!has_least) return false;
      most = least;
    }
    if (peek(end) != '}') return false;
    if (most != RegexNode::kNoLimit && most < least)
      unsupported("a quantifier whose bounds are the wrong way");
    at_ += end + 1;
    return true;
  }

  RegexNode escape(Flags flags) {
    if (!more()) unsupported("a \\ at the end");
    switch (peek()) {
      case 'A': return ++at_, look_node(false, {}, true);
      case 'z': return ++at_, look_node(true, {}, true);
      case 'b': return ++at_, word_boundary(false);
      case 'B': return ++at_, word_boundary(true);
      default: break;
    }
    if (const std::optional<CharSet> set = class_escape(flags)) return set_node(*set);
    return literal(escaped_point(), flags);
  }

  /// After the backslash: a set, if the escape is one.
  std::optional<CharSet> class_escape(Flags flags) {
    const auto kind = [&](CharKind k, bool negative) {
      ++at_;
      if (flags.ignore_case && k == CharKind::kWord) unsupported("(?i) of \\w");
      return negative ? ~char_kind(k) : char_kind(k);
    };
    static const CharSet hexadecimal = CharSet::of({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
    switch (peek()) {
      case 's': return kind(CharKind::kSpace, false);
      case 'S': return kind(CharKind::kSpace, true);
      case 'd': return kind(CharKind::kDigit, false);
      case 'D': return kind(CharKind::kDigit, true);
      case 'w': return kind(CharKind::kWord, false);
      case 'W': return kind(CharKind::kWord, true);
      case 'h': return ++at_, hexadecimal;
      case 'H': return ++at_, ~hexadecimal;
      case 'p': return property(false, flags);
      case 'P': return property(true, flags);
      default: return std::nullopt;
    }
  }

  CharSet property(bool negative, Flags flags) {
    ++at_;
    if (!take('{')) unsupported("\\p without {}");
    if (take('^')) negative = !negative;
    const std::string name = text_until('}');
    const std::optional<CharSet> set = char_property(name);
    if (!set) unsupported("the property \\p{" + name + "}");
    if (flags.ignore_case) unsupported("(?i) of a property");
    return negative ? ~*set : *set;
  }

  uint32_t escaped_point() {
    const uint32_t point = points_[at_++];
    switch (point) {
      case 'n': return '\n';
      case 't': return '\t';
      case 'r': return '\r';
      case 'f': return '\f';
      case 'v': return '\v';
      case 'a': return 7;
      case 'e': return 27;
      case 'u': return hexadecimal(4, 4);
      case 'x': {
        if (take('{')) {
          const uint32_t value = hexadecimal(1, 8);
          if (!take('}')) unsupported("an escape \\x without its end");
          return value;
        }
        const uint32_t value = hexadecimal(1, 2);
        if (value > 0x7F) unsupported("an escape \\x of a single byte");
        return value;
      }
      default: break;
    }
    if (is_digit(point)) unsupported(point == '0' ? "an octal escape" : "a backreference");
    if (point == 'k' || point == 'g') unsupported("a backreference");
    if (is_letter(point)) unsupported(std::string("the escape \\") + static_cast<char>(point));
    return point;
  }

  uint32_t hexadecimal(int least, int most) {
    uint32_t value = 0;
    int digits = 0;
    for (; digits < most; ++digits, ++at_) {
      const uint32_t point = peek();
      if (is_digit(point))
        value = value * 16 + point - '0';
      else if (is_letter(point) && (point | 32) <= 'f')
        value = value * 16 + (point | 32) - 'a' + 10;
      else
        break;
    }
    if (digits < least || value > 0x10FFFF) unsupported("an escape with no character");
    return value;
  }

  /// After the opening bracket.
  CharSet char_class(Flags flags, int depth) {
    if (depth > kDeepest) unsupported("a pattern that is so deep");
    const bool negative = take('^');
    CharSet all = CharSet::all();
    CharSet set;
    if (peek() == ']') unsupported("a set that begins with ]");
    while (!take(']')) {
      if (!more()) unsupported("a set without its end");
      if (take("&&")) {
        all = all & set;
        set = {};
        continue;
      }
      set = set | class_item(flags, depth);
    }
    set = all & set;
    if (flags.ignore_case) set = foldable(std::move(set));
    return negative ? ~set : set;
  }

  CharSet class_item(Flags flags, int depth) {
    if (take("[:")) {
      const bool negative = take('^');
      const std::string name = text_until(':');
      const std::optional<CharSet> set = posix_bracket(name);
      if (!set || !take(']')) unsupported("the set [:" + name + ":]");
      return negative ? ~*set : *set;
    }
    if (take('[')) return char_class(flags, depth + 1);
    if (peek() == '\\') {
      ++at_;
      if (const std::optional<CharSet> set = class_escape(flags)) return *set;
      --at_;
    }
    const uint32_t first = class_point();
    if (peek() != '-' || peek(1) == ']') return CharSet(first);
    ++at_;
    if (peek() == '[' || (peek() == '&' && peek(1) == '&')) unsupported("a range without its last character");
    const uint32_t last = class_point();
    if (last < first) unsupported("a range whose ends are the wrong way");
    return CharSet::of({{first, last}});
  }

  uint32_t class_point() {
    if (!more()) unsupported("a set without its end");
    if (!take('\\')) return points_[at_++];
    if (take('b')) return 8;
    if (std::string_view("sSdDwWhHpP").find(static_cast<char>(peek())) != std::string_view::npos)
      unsupported("a range that ends with a set");
    return escaped_point();
  }

  std::vector<uint32_t> points_;
  size_t at_ = 0;
};

}  // namespace

RegexNode parse_regex(std::string_view pattern) { return Parser(pattern).parse(); }

}  // namespace athanor::text
