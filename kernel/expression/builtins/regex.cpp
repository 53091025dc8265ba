// Regular expressions by PCRE2, with limits on matching steps and heap so that no pattern runs away.

#include <algorithm>
#include <array>
#include <memory>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "kernel/expression/builtins/builtin.hpp"
#include "sdk/base/frees.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::expression {
namespace {

constexpr std::uint32_t match_steps_max = 1'048'576;
constexpr std::uint32_t match_steps_per_fuel = 2;
constexpr std::uint32_t match_heap_kib_max = 16 * 1024;
constexpr std::size_t pattern_bytes_max = 64 * 1024;
constexpr std::uint32_t nesting_max = 100;
constexpr std::size_t match_bytes = 512;  // about what one match object takes

struct Flags {
  std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
  bool global = false;
  bool skip_empty = false;
};

bool read_flags(NativeCall& call, const json::Value& text, Flags& flags) {
  if (text.is_null()) return true;
  if (!text.is_string()) {
    call.fail(fmt::format("{} is not a string", describe(text)));
    return false;
  }
  for (const char flag : text.as_string()) {
    switch (flag) {
      case 'g': flags.global = true; break;
      case 'i': flags.options |= PCRE2_CASELESS; break;
      case 'x': flags.options |= PCRE2_EXTENDED; break;
      case 'n': flags.skip_empty = true; break;
      case 'p': flags.options |= PCRE2_DOTALL; break;
      case 's': break;  // `^` and `$` mean the whole text anyway
      case 'l': call.fail("the regular expression flag l (longest match) is not available here"); return false;
      default: call.fail(fmt::format("{} is not a valid modifier string", text.as_string())); return false;
    }
  }
  return true;
}

class Matcher {
 public:
  Matcher(NativeCall& call, const Flags& flags) noexcept : call_(call), flags_(flags) {}

  bool compile(std::string_view pattern) {
    const std::unique_ptr<pcre2_compile_context, base::Frees<pcre2_compile_context_free>> context(
        pcre2_compile_context_create(nullptr));
    if (!context) return out_of_memory();
    pcre2_set_max_pattern_length(context.get(), pattern_bytes_max);
    pcre2_set_parens_nest_limit(context.get(), nesting_max);
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), flags_.options, &error,
                              &offset, context.get()));
    if (!code_) {
      std::array<PCRE2_UCHAR, 256> message{};
      pcre2_get_error_message(error, message.data(), message.size());
      call_.fail(fmt::format("{} (at offset {}) is not a valid regex: {}", pattern.substr(0, 100), offset,
                             reinterpret_cast<const char*>(message.data())));
      return false;
    }
    data_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    context_.reset(pcre2_match_context_create(nullptr));
    if (!data_ || !context_) return out_of_memory();
    pcre2_set_match_limit(context_.get(), match_steps_max);
    pcre2_set_heap_limit(context_.get(), match_heap_kib_max);
    pcre2_set_callout(context_.get(), count_step, this);
    pcre2_pattern_info(code_.get(), PCRE2_INFO_CAPTURECOUNT, &groups_);
    read_names();
    return true;
  }

  /// 1 for a match, 0 for none, -1 when the call failed.
  int match(std::string_view text, std::size_t from) {
    // Limits of PCRE2 hold for each place that a match may begin at, so what one search costs is counted here, item by
    // item, and bounded by the fuel that is left.
    const std::uint64_t affordable = call_.allowance().fuel() * match_steps_per_fuel;
    const std::uint64_t granted = std::min<std::uint64_t>(affordable, match_steps_max);
    steps_left_ = granted;
    position_ = from;
    const std::uint32_t options = checked_ ? PCRE2_NO_UTF_CHECK : 0;
    const int result = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, options,
                                   data_.get(), context_.get());
    checked_ = true;
    if (!call_.charge(8 + (granted - steps_left_) / match_steps_per_fuel + (text.size() - from) / 16)) return -1;
    if (result > 0) return 1;
    if (result == PCRE2_ERROR_NOMATCH) return 0;
    if (result == PCRE2_ERROR_CALLOUT || result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_HEAPLIMIT ||
        result == PCRE2_ERROR_DEPTHLIMIT) {
      call_.fail("the regular expression needs too many steps on this text");
    } else {
      call_.fail(fmt::format("the regular expression failed on this text (PCRE2 error {})", result));
    }
    return -1;
  }

  [[nodiscard]] std::size_t begin(std::uint32_t group) const {
    return pcre2_get_ovector_pointer(data_.get())[2 * group];
  }
  [[nodiscard]] std::size_t end(std::uint32_t group) const {
    return pcre2_get_ovector_pointer(data_.get())[2 * group + 1];
  }
  [[nodiscard]] std::uint32_t groups() const noexcept { return groups_; }
  [[nodiscard]] const json::Value& name(std::uint32_t group) const { return names_[group]; }

 private:
  bool out_of_memory() {
    call_.allowance().stop(Allowance::Stop::memory);
    return false;
  }
  void read_names() {
    names_.assign(groups_ + 1, json::Value());
    std::uint32_t count = 0;
    std::uint32_t size = 0;
    PCRE2_SPTR table = nullptr;
    pcre2_pattern_info(code_.get(), PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(code_.get(), PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(code_.get(), PCRE2_INFO_NAMETABLE, static_cast<void*>(&table));
    for (std::uint32_t i = 0; i < count; ++i, table += size) {
      const std::uint32_t group = static_cast<std::uint32_t>(table[0]) << 8 | table[1];
      names_[group] = json::Value(reinterpret_cast<const char*>(table + 2));
    }
  }

  /// Called before each item of the pattern that is tried. What the item before has passed over was work, too.
  static int count_step(pcre2_callout_block* at, void* data) noexcept {
    auto& matcher = *static_cast<Matcher*>(data);
    const std::size_t passed = at->current_position - std::min(at->current_position, matcher.position_);
    matcher.position_ = at->current_position;
    const std::uint64_t steps = 1 + passed / 64;
    if (steps > matcher.steps_left_) {
      matcher.steps_left_ = 0;
      return PCRE2_ERROR_CALLOUT;
    }
    matcher.steps_left_ -= steps;
    return 0;
  }

  NativeCall& call_;
  const Flags& flags_;
  std::uint64_t steps_left_ = 0;
  std::size_t position_ = 0;  ///< where the item before was tried
  std::unique_ptr<pcre2_code, base::Frees<pcre2_code_free>> code_;
  std::unique_ptr<pcre2_match_data, base::Frees<pcre2_match_data_free>> data_;
  std::unique_ptr<pcre2_match_context, base::Frees<pcre2_match_context_free>> context_;
  std::vector<json::Value> names_;
  std::uint32_t groups_ = 0;
  bool checked_ = false;
};

json::Value to_match(const Matcher& matcher, std::string_view text, std::size_t offset_bytes,
                     std::size_t offset_points) {
  // The names' order is jq's.
  const auto piece = [&](std::uint32_t group) {
    const std::size_t from = matcher.begin(group);
    if (from == PCRE2_UNSET || from > matcher.end(group)) {
      return json::Value{{"offset", -1}, {"string", nullptr}, {"length", 0}};
    }
    const std::string_view part = text.substr(from, matcher.end(group) - from);
    // A look-behind capture may begin before the match.
    const std::size_t points =
        from >= offset_bytes ? offset_points + base::count_code_points(text.substr(offset_bytes, from - offset_bytes))
                             : base::count_code_points(text.substr(0, from));
    if (part.empty() && group > 0) return json::Value{{"offset", points}, {"string", ""}, {"length", 0}};
    return json::Value{{"offset", points}, {"length", base::count_code_points(part)}, {"string", part}};
  };
  json::Value captures = json::Value::make_array(matcher.groups());
  for (std::uint32_t group = 1; group <= matcher.groups(); ++group) {
    json::Value capture = piece(group);
    capture.set("name", matcher.name(group));
    captures.push_back(std::move(capture));
  }
  json::Value whole = piece(0);
  whole.set("captures", std::move(captures));
  return whole;
}

json::Value match_all(NativeCall& call, bool test_only) {
  if (!call.input().is_string()) {
    return call.fail(fmt::format("{} cannot be matched, as it is not a string", describe(call.input())));
  }
  if (!call.argument(0).is_string()) {
    return call.fail(fmt::format("{} cannot be matched, as it is not a string", describe(call.argument(0))));
  }
  Flags flags;
  if (!read_flags(call, call.argument(1), flags)) return {};
  const std::string_view text = call.input().as_string();
  const std::string_view pattern = call.argument(0).as_string();
  // Compiling costs more than a step for each character, and much more for a class that is taken without regard to
  // case: each of its characters is looked up.
  const bool caseless = (flags.options & PCRE2_CASELESS) != 0 || pattern.find("(?") != std::string_view::npos;
  const auto classes = caseless ? static_cast<std::size_t>(std::ranges::count(pattern, '[')) : 0;
  if (!call.charge(48 + pattern.size() * 8 + classes * 1'000)) return {};
  Matcher matcher(call, flags);
  if (!matcher.compile(pattern)) return {};
  json::Value matches = json::Value::array();
  std::size_t offset_bytes = 0;
  std::size_t offset_points = 0;
  for (std::size_t from = 0; from <= text.size();) {
    const int result = matcher.match(text, from);
    if (result < 0) return {};
    if (result == 0) break;
    const std::size_t begin = matcher.begin(0);
    const std::size_t end = std::max(begin, matcher.end(0));
    if (begin != end || !flags.skip_empty) {
      if (test_only) return json::Value(true);
      if (!call.room(match_bytes * (matcher.groups() + 1)) || !call.charge(matcher.groups() + 1)) return {};
      offset_points += base::count_code_points(text.substr(offset_bytes, begin - offset_bytes));
      offset_bytes = begin;
      matches.push_back(to_match(matcher, text, offset_bytes, offset_points));
      if (!flags.global) break;
    }
    from = end;
    if (begin == end) {
      if (from == text.size()) break;
      (void)base::next_code_point(text, from);
    }
  }
  return test_only ? json::Value(false) : matches;
}

json::Value match(NativeCall& call) {
  return match_all(call, false);
}
json::Value test(NativeCall& call) {
  return match_all(call, true);
}

// The input with each match replaced; argument 1 holds, for each match, the array of its replacements. The n-th result
// takes the n-th replacement of each match; of a match that has fewer it takes nothing, and not the text before it.
json::Value splice(NativeCall& call) {
  const std::string_view text = call.input().as_string();
  const json::Value& matches = call.argument(0);
  const json::Value& choices = call.argument(1);
  std::vector<std::string> results;
  std::size_t size = 0;
  std::size_t bytes = 0;   // how far the text is taken
  std::size_t points = 0;  // the same in code points
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const auto offset = static_cast<std::size_t>(matches.at(i).find("offset")->as_int());
    const std::size_t length_bytes = matches.at(i).find("string")->as_string().size();
    const std::size_t begin = bytes + base::code_point_offset(text.substr(bytes), offset - points);
    const std::string_view gap = text.substr(bytes, begin - bytes);
    for (std::size_t at = 0; at < choices.at(i).size(); ++at) {
      const json::Value& choice = choices.at(i).at(at);
      if (!choice.is_string() && !choice.is_null()) {
        return apply(Operator::add, json::Value(gap), choice, call.allowance());
      }
      if (at == results.size()) results.emplace_back();
      const std::string_view put = choice.is_null() ? std::string_view() : choice.as_string();
      size += gap.size() + put.size() + sizeof(std::string);
      if (!call.room(2 * size) || !call.charge(1 + (gap.size() + put.size()) / 64)) return {};
      results[at].append(gap).append(put);
    }
    bytes = begin + length_bytes;
    points = offset + base::count_code_points(text.substr(begin, length_bytes));
  }
  if (results.empty()) return json::Value::array({call.input()});
  json::Value spliced = json::Value::array();
  for (std::string& result : results) {
    result.append(text.substr(bytes));
    if (!call.room(2 * result.size())) return {};
    spliced.push_back(json::Value(result));
  }
  return spliced;
}

constexpr auto natives = std::to_array<Native>({
    {"_match", 2, match},
    {"_test", 2, test},
    {"_sub", 2, splice},
});

}  // namespace

std::span<const Native> regex_natives() noexcept {
  return natives;
}

}  // namespace trv::expression
