#include "kernel/json_schema/pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace trv::json_schema {
namespace {

constexpr std::size_t pattern_bytes_max = 16 * 1024;
constexpr std::uint32_t nesting_max = 100;
constexpr std::uint32_t match_heap_kib_max = 8 * 1024;
constexpr std::uint64_t match_steps_max = 500'000;
/// PCRE2 counts about ten of its own steps where one of ours is taken.
constexpr std::uint32_t match_limit = 5'000'000;

constexpr std::uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
                                  PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF | PCRE2_AUTO_CALLOUT;

struct LongName {
  std::string_view ecma;
  std::string_view pcre;
};
/// General categories by the long names that PCRE2 10.42 does not know.
constexpr auto long_names = std::to_array<LongName>({
    {"Letter", "L"},
    {"Lowercase_Letter", "Ll"},
    {"Uppercase_Letter", "Lu"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Symbol", "S"},
    {"Separator", "Z"},
    {"Other", "C"},
});

/// ECMA-262's white space beyond what `\s` is in PCRE2 without Unicode properties.
constexpr std::string_view white_space = R"(\t\n\x0b\f\r \u00a0\ufeff\u2028\u2029\p{Zs})";

/// The same expression as PCRE2 spells it; where ECMA-262 has no such construct, a sentence.
class Translation {
 public:
  explicit Translation(std::string_view text) noexcept : text_(text) {}

  std::expected<std::string, std::string> run() {
    while (at_ < text_.size() && problem_.empty()) step();
    if (!problem_.empty()) return std::unexpected(std::move(problem_));
    return std::move(out_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (c == '\\') return escape();
    if (in_class_) {
      if (c == '[') out_ += '\\';  // PCRE2 would read [:alpha:]
      in_class_ = c != ']';
    } else if (c == '[') {
      in_class_ = true;
    } else if (c == '(' && !group()) {
      return;
    }
    out_ += c;
    ++at_;
  }

  bool group() {
    const std::string_view rest = text_.substr(at_ + 1);
    if (rest.starts_with('*')) return refuse("`(*` begins nothing: there is nothing to repeat");
    if (!rest.starts_with('?')) return true;
    for (const std::string_view known : {"?:", "?=", "?!", "?<=", "?<!"}) {
      if (rest.starts_with(known)) return true;
    }
    if (rest.starts_with("?<") && rest.size() > 2 && rest[2] != '>') return true;
    return refuse(
        fmt::format("`({}` is not a group of ECMA-262; it has (…), (?:…), (?=…), (?!…), (?<=…), (?<!…) and "
                    "(?<name>…)",
                    rest.substr(0, 2)));
  }

  void escape() {
    if (at_ + 1 == text_.size()) {
      refuse("the `\\` at the end escapes nothing");
      return;
    }
    const char c = text_[at_ + 1];
    constexpr std::string_view not_ecma = "aeAZzGQEKRXhHNVgo";
    if (not_ecma.contains(c)) {
      refuse(fmt::format("`\\{}` is not an escape of ECMA-262", c));
      return;
    }
    if (c == 's' || c == 'S') {
      if (in_class_ && c == 'S') {
        out_ += "\\S";
      } else {
        out_ += in_class_ ? std::string(white_space) : fmt::format("[{}{}]", c == 'S' ? "^" : "", white_space);
      }
    } else if ((c == 'p' || c == 'P') && property(c)) {
      return;
    } else {
      out_ += '\\';
      out_ += c;
    }
    at_ += 2;
  }

  bool property(char c) {
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos || at_ + 2 >= text_.size() || text_[at_ + 2] != '{') return false;
    std::string_view name = text_.substr(at_ + 3, end - at_ - 3);
    for (const std::string_view prefix : {"General_Category=", "gc=", "Script=", "sc="}) {
      if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    }
    const auto* known = std::ranges::find(long_names, name, &LongName::ecma);
    out_ += fmt::format("\\{}{{{}}}", c, known == long_names.end() ? name : known->pcre);
    at_ = end + 1;
    return true;
  }

  bool refuse(std::string sentence) {
    problem_ = fmt::format("{} (character {})", sentence, at_ + 1);
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
  std::string problem_;
};

}  // namespace

std::expected<Pattern, std::string> Pattern::compile(std::string_view text) {
  if (text.size() > pattern_bytes_max) {
    return std::unexpected(fmt::format("it has {} bytes, over the limit of {}", text.size(), pattern_bytes_max));
  }
  auto translated = Translation(text).run();
  if (!translated) return std::unexpected(std::move(translated).error());
  const std::unique_ptr<pcre2_compile_context, base::Frees<pcre2_compile_context_free>> context(
      pcre2_compile_context_create(nullptr));
  if (!context) return std::unexpected("there is no memory for it");
  pcre2_set_parens_nest_limit(context.get(), nesting_max);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_ANYCRLF);
  pcre2_set_compile_extra_options(context.get(), PCRE2_EXTRA_ALT_BSUX);
  int error = 0;
  PCRE2_SIZE offset = 0;
  Pattern pattern;
  pattern.text_ = text;
  pattern.code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(), options,
                                    &error, &offset, context.get()));
  if (!pattern.code_) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    return std::unexpected(
        fmt::format("{} (near character {})", reinterpret_cast<const char*>(message.data()), offset));
  }
  return pattern;
}

std::size_t Pattern::bytes() const noexcept {
  std::size_t bytes = 0;
  pcre2_pattern_info(code_.get(), PCRE2_INFO_SIZE, &bytes);
  return bytes;
}

PatternMatcher::PatternMatcher()
    : data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
  if (!context_) return;
  pcre2_set_match_limit(context_.get(), match_limit);
  pcre2_set_heap_limit(context_.get(), match_heap_kib_max);
  pcre2_set_callout(context_.get(), count_step, this);
}

/// Called before each item of the expression that is tried. What the item before has passed over was work, too.
int PatternMatcher::count_step(pcre2_callout_block* at, void* data) noexcept {
  auto& matcher = *static_cast<PatternMatcher*>(data);
  const std::size_t passed = at->current_position - std::min(at->current_position, matcher.position_);
  matcher.position_ = at->current_position;
  const std::uint64_t steps = 1 + passed / 64;
  if (steps > matcher.steps_left_) return PCRE2_ERROR_CALLOUT;
  matcher.steps_left_ -= steps;
  return 0;
}

Match PatternMatcher::matches(const Pattern& pattern, std::string_view text, std::uint64_t& steps) {
  const std::uint64_t fixed = 4 + text.size() / 64;
  if (!data_ || !context_ || fixed > steps) return Match::too_costly;
  steps -= fixed;
  const std::uint64_t granted = std::min(steps, match_steps_max);
  steps_left_ = granted;
  position_ = 0;
  const int result = pcre2_match(pattern.code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                                 data_.get(), context_.get());
  steps -= granted - steps_left_;
  if (result >= 0) return Match::yes;
  return result == PCRE2_ERROR_NOMATCH ? Match::no : Match::too_costly;
}

}  // namespace trv::json_schema
