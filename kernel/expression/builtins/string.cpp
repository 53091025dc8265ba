#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "kernel/expression/builtins/builtin.hpp"
#include "kernel/json/parse.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::expression {
namespace {

json::Value length(NativeCall& call) {
  const json::Value& value = call.input();
  switch (value.kind()) {
    case json::Kind::null: return json::Value(0);
    case json::Kind::boolean: return call.fail(fmt::format("{} has no length", describe(value)));
    case json::Kind::number: return value.as_double() < 0 ? negate(value, call.allowance()) : value;
    case json::Kind::string:
      if (!call.charge(value.as_string().size() / 64)) return {};
      return json::Value(base::count_code_points(value.as_string()));
    case json::Kind::array:
    case json::Kind::object: return json::Value(value.size());
  }
  return {};
}

json::Value utf8_byte_length(NativeCall& call) {
  if (call.input().is_string()) return json::Value(call.input().as_string().size());
  return call.fail(fmt::format("{} only strings have UTF-8 byte length", describe(call.input())));
}

json::Value to_string_native(NativeCall& call) {
  return to_text(call.input(), call.allowance());
}
json::Value to_json_native(NativeCall& call) {
  return to_json_text(call.input(), call.allowance());
}

json::Value from_json(NativeCall& call) {
  if (!call.input().is_string()) {
    return call.fail(fmt::format("{} cannot be parsed as JSON, as it is not a string", describe(call.input())));
  }
  const std::string_view text = call.input().as_string();
  if (!call.charge(text.size() / 16)) return {};
  if (text == "nan" || text == "NaN" || text == "-nan" || text == "-NaN") return json::Value(std::nan(""));
  constexpr std::size_t depth_max = 10'000;
  auto parsed = json::parse(
      text, {.bytes_max = json::Value::size_max, .depth_max = depth_max, .large_numbers = json::LargeNumbers::largest});
  if (parsed) return std::move(*parsed);
  if (call.allowance().meter().exceeded()) {
    call.allowance().stop(Allowance::Stop::memory);
    return {};
  }
  const bool too_deep = parsed.error().code() == base::ErrorCode::too_large;
  return call.fail(fmt::format("{}{} (while parsing '{}')", too_deep ? "Exceeds depth limit for parsing: " : "",
                               parsed.error().message(), text.substr(0, base::code_point_offset(text, 100))));
}

json::Value to_number(NativeCall& call) {
  const json::Value& value = call.input();
  if (value.is_number()) return value;
  const auto refuse = [&] { return call.fail(fmt::format("{} cannot be parsed as a number", describe(value))); };
  if (!value.is_string()) return refuse();
  std::string_view text = value.as_string();
  std::int64_t integer = 0;
  const bool plus = text.starts_with('+') && !text.starts_with("+-");
  if (plus) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  if (text.empty() || text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return refuse();
  const auto whole = std::from_chars(text.data(), end, integer);
  if (whole.ec == std::errc() && whole.ptr == end && (integer != 0 || text[0] != '-')) return json::Value(integer);
  double real = 0;
  const auto parsed = std::from_chars(text.data(), end, real);
  if (parsed.ptr != end) return refuse();
  if (parsed.ec == std::errc::result_out_of_range) real = std::strtod(std::string(text).c_str(), nullptr);
  return json::Value(real);
}

json::Value to_boolean(NativeCall& call) {
  const json::Value& value = call.input();
  if (value.is_bool()) return value;
  if (value.is_string() && value.as_string() == "true") return json::Value(true);
  if (value.is_string() && value.as_string() == "false") return json::Value(false);
  return call.fail(fmt::format("{} cannot be parsed as a boolean", describe(value)));
}

constexpr std::size_t format_name_bytes_max = 100;

template <char from, char to, int offset>
json::Value map_ascii(NativeCall& call) {
  if (!call.input().is_string()) {
    return call.fail(from == 'A' ? "ascii_downcase input must be a string" : "ascii_upcase input must be a string");
  }
  std::string text(call.input().as_string());
  if (!call.room(2 * text.size()) || !call.charge(text.size() / 32)) return {};
  for (char& c : text) {
    if (c >= from && c <= to) c = static_cast<char>(c + offset);
  }
  return json::Value(text);
}

json::Value explode(NativeCall& call) {
  if (!call.input().is_string()) {
    return call.fail("explode input must be a string");
  }
  const std::string_view text = call.input().as_string();
  if (!call.room(text.size() * sizeof(json::Value)) || !call.charge(text.size() / 8)) return {};
  json::Value points = json::Value::make_array(text.size());
  for (std::size_t i = 0; i < text.size();)
    points.push_back(json::Value(static_cast<std::uint32_t>(base::next_code_point(text, i))));
  return points;
}

json::Value implode(NativeCall& call) {
  const json::Value& points = call.input();
  if (!points.is_array()) return call.fail("implode input must be an array");
  if (!call.room(4 * points.size()) || !call.charge(points.size() / 8)) return {};
  std::string text;
  for (const json::Value& point : points.items()) {
    if (!point.is_number() || std::isnan(point.as_double())) {
      return call.fail(fmt::format("{} can't be imploded, unicode codepoint needs to be numeric", describe(point)));
    }
    const double real = point.as_double();
    base::append_code_point(text,
                            real >= 0 && real < 0x110000 ? static_cast<char32_t>(real) : base::replacement_character);
  }
  return json::Value(text);
}

bool both_strings(NativeCall& call, std::string_view function) {
  if (call.input().is_string() && call.argument(0).is_string()) {
    const std::size_t compared = std::min(call.input().as_string().size(), call.argument(0).as_string().size());
    return call.charge(compared / 64);
  }
  call.fail(fmt::format("{}() requires string inputs", function));
  return false;
}
json::Value starts_with(NativeCall& call) {
  if (!both_strings(call, "startswith")) return {};
  return json::Value(call.input().as_string().starts_with(call.argument(0).as_string()));
}
json::Value ends_with(NativeCall& call) {
  if (!both_strings(call, "endswith")) return {};
  return json::Value(call.input().as_string().ends_with(call.argument(0).as_string()));
}

// A part of the text; the text itself, and not a copy, where that is all of it: then it is still at its path.
json::Value shortened(const json::Value& text, std::string_view part) {
  return part.size() == text.as_string().size() ? text : json::Value(part);
}

template <bool left, bool right>
json::Value trim_text(NativeCall& call) {
  if (!both_strings(call, left ? "startswith" : "endswith")) return {};
  std::string_view text = call.input().as_string();
  const std::string_view affix = call.argument(0).as_string();
  if (left && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (right && text.ends_with(affix)) text.remove_suffix(affix.size());
  return shortened(call.input(), text);
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

template <bool left, bool right>
json::Value trim_space(NativeCall& call) {
  if (!call.input().is_string()) return call.fail("trim input must be a string");
  std::string_view text = call.input().as_string();
  if (!call.charge(text.size() / 32)) return {};
  while (left && !text.empty()) {
    std::size_t end = 0;
    if (!is_space(base::next_code_point(text, end))) break;
    text.remove_prefix(end);
  }
  while (right && !text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    std::size_t position = start;
    if (!is_space(base::next_code_point(text, position))) break;
    text = text.substr(0, start);
  }
  return shortened(call.input(), text);
}

json::Value split_text(NativeCall& call) {
  if (!call.input().is_string() || !call.argument(0).is_string()) {
    return call.fail("split input and separator must be strings");
  }
  return apply(Operator::divide, call.input(), call.argument(0), call.allowance());
}

json::Value join(NativeCall& call) {
  const json::Value& parts = call.input();
  if (!parts.is_array() && !parts.is_object()) {
    return call.fail(fmt::format("Cannot iterate over {}", describe(parts)));
  }
  json::Value text;
  const auto add = [&](const json::Value& part) {
    text = text.is_null() ? json::Value("") : apply(Operator::add, std::move(text), call.argument(0), call.allowance());
    if (call.allowance().stopped() != Allowance::Stop::none || !call.charge(1)) return false;
    const bool scalar = part.is_number() || part.is_bool();
    const json::Value piece = part.is_null() ? json::Value("") : scalar ? to_text(part, call.allowance()) : part;
    text = apply(Operator::add, std::move(text), piece, call.allowance());
    return call.allowance().stopped() == Allowance::Stop::none;
  };
  if (parts.is_array()) {
    for (const json::Value& part : parts.items()) {
      if (!add(part)) return {};
    }
  } else {
    for (const json::Entry& entry : parts.entries()) {
      if (!add(entry.value)) return {};
    }
  }
  return text.is_null() ? json::Value("") : text;
}

// Offsets count code points, as everything about strings does.
json::Value string_indices(NativeCall& call) {
  if (!call.input().is_string()) {
    return call.fail(fmt::format("{} cannot be searched, as it is not a string", describe(call.input())));
  }
  if (!call.argument(0).is_string()) return call.fail(fmt::format("{} is not a string", describe(call.argument(0))));
  const std::string_view text = call.input().as_string();
  const std::string_view part = call.argument(0).as_string();
  if (part.empty()) return json::Value::array();
  if (!call.charge(text.size() / 64)) return {};
  json::Value found = json::Value::array();
  std::size_t counted_to = 0;
  std::size_t points = 0;
  for (std::size_t at = find_text(text, part, 0, call.allowance()); at != std::string_view::npos;
       at = find_text(text, part, at + 1, call.allowance())) {
    if (!call.room(64)) return {};
    points += base::count_code_points(text.substr(counted_to, at - counted_to));
    counted_to = at;
    found.push_back(json::Value(points));
  }
  return found;
}

json::Value format_native(NativeCall& call) {
  const json::Value& name = call.argument(0);
  if (!name.is_string()) return call.fail(fmt::format("{} is not a valid format", describe(name)));
  const auto format = find_format(fmt::format("@{}", name.as_string().substr(0, format_name_bytes_max)));
  if (!format) {
    return call.fail(fmt::format("{} is not a valid format", base::utf8_prefix(name.as_string(), 100)));
  }
  return apply_format(*format, call.input(), call.allowance());
}

json::Value type_name(NativeCall& call) {
  return json::Value(to_string(call.input().kind()));
}

constexpr auto natives = std::to_array<Native>({
    {"length", 0, length},
    {"utf8bytelength", 0, utf8_byte_length},
    {"tostring", 0, to_string_native},
    {"tojson", 0, to_json_native},
    {"fromjson", 0, from_json},
    {"tonumber", 0, to_number},
    {"toboolean", 0, to_boolean},
    {"ascii_downcase", 0, map_ascii<'A', 'Z', 32>},
    {"ascii_upcase", 0, map_ascii<'a', 'z', -32>},
    {"explode", 0, explode},
    {"implode", 0, implode},
    {"startswith", 1, starts_with},
    {"endswith", 1, ends_with},
    {"ltrimstr", 1, trim_text<true, false>},
    {"rtrimstr", 1, trim_text<false, true>},
    {"trimstr", 1, trim_text<true, true>},
    {"trim", 0, trim_space<true, true>},
    {"ltrim", 0, trim_space<true, false>},
    {"rtrim", 0, trim_space<false, true>},
    {"split", 1, split_text},
    {"join", 1, join},
    {"_strindices", 1, string_indices},
    {"format", 1, format_native},
    {"type", 0, type_name},
});

}  // namespace

std::span<const Native> string_natives() noexcept {
  return natives;
}

}  // namespace trv::expression
