#include "kernel/json/serialize.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "sdk/base/contract.hpp"

namespace trv::json {
namespace {

constexpr std::string_view too_deep_text = "<skipped: too deep>";

constexpr std::array<bool, 256> is_escaped = [] {
  std::array<bool, 256> table{};
  for (std::size_t i = 0; i < 0x20; ++i) table[i] = true;
  table['"'] = table['\\'] = table[0x7f] = true;
  return table;
}();

/// The high bit of each byte that is 0.
constexpr std::uint64_t zero_bytes(std::uint64_t word) {
  return (word - 0x0101'0101'0101'0101U) & ~word & 0x8080'8080'8080'8080U;
}

/// Eight bytes without a character that is escaped.
bool is_plain_word(const char* at) {
  constexpr std::uint64_t each = 0x0101'0101'0101'0101U;
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  const std::uint64_t controls = (word - each * 0x20) & ~word & (each * 0x80);
  return (controls | zero_bytes(word ^ each * '"') | zero_bytes(word ^ each * '\\') | zero_bytes(word ^ each * 0x7f)) ==
         0;
}

bool is_plain(std::string_view text) {
  constexpr std::size_t step = sizeof(std::uint64_t);
  if (text.size() < step) {
    return std::ranges::none_of(text, [](char c) { return is_escaped[static_cast<unsigned char>(c)]; });
  }
  for (std::size_t i = 0; i + step <= text.size(); i += step) {
    if (!is_plain_word(text.data() + i)) return false;
  }
  return is_plain_word(text.data() + text.size() - step);
}

struct Level {
  const Value* value;
  std::size_t next = 0;
};

// Decimal where that stays short, scientific otherwise; the thresholds are jq's.
void append_real(std::string& out, double real) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), real, std::chars_format::scientific).ptr;
  std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  if (text.starts_with('-')) {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t exponent_at = text.find('e');
  TRV_ASSERT(exponent_at != std::string_view::npos && exponent_at + 1 < text.size());
  int exponent = 0;
  const char* exponent_text = text.data() + exponent_at + 1;
  std::from_chars(*exponent_text == '+' ? exponent_text + 1 : exponent_text, end, exponent);
  std::string digits(text.substr(0, 1));
  if (exponent_at > 2) digits += text.substr(2, exponent_at - 2);
  const int count = static_cast<int>(digits.size());
  TRV_ASSERT(count >= 1 && count <= 17);
  const int point = exponent + 1;
  if (point <= -4 || point > count + 15) {
    out += text.substr(0, exponent_at + 2);
    const std::string_view tail = text.substr(exponent_at + 2);
    out += tail;
  } else if (point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else if (point >= count) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0');
  } else {
    out.append(digits, 0, static_cast<std::size_t>(point));
    out += '.';
    out.append(digits, static_cast<std::size_t>(point));
  }
}

void append_scalar(std::string& out, const Value& value) {
  switch (value.kind()) {
    case Kind::null: out += "null"; break;
    case Kind::boolean: out += value.as_bool() ? "true" : "false"; break;
    case Kind::number: append_number(out, value); break;
    case Kind::string: append_string(out, value.as_string()); break;
    case Kind::array: out += "[]"; break;
    case Kind::object: out += "{}"; break;
  }
}

}  // namespace

void append_number(std::string& out, const Value& number) {
  if (number.is_int()) {
    std::array<char, 24> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number.as_int()).ptr;
    out.append(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    return;
  }
  const double real = number.as_double();
  if (std::isnan(real)) {
    out += "null";
  } else if (std::isinf(real)) {
    out += real > 0 ? "1.7976931348623157e+308" : "-1.7976931348623157e+308";
  } else if (real == 0) {
    out += std::signbit(real) ? "-0" : "0";
  } else {
    append_real(out, real);
  }
}

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  if (is_plain(text)) {
    // As one piece: most texts are short, and each append costs as much as they do.
    const std::size_t before = out.size();
    const std::size_t after = before + text.size() + 2;
    out.resize_and_overwrite(after, [&](char* to, std::size_t) {
      to[before] = '"';
      std::ranges::copy(text, to + before + 1);
      to[after - 1] = '"';
      return after;
    });
    return;
  }
  out += '"';
  std::size_t plain_from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (!is_escaped[byte]) continue;
    out.append(text, plain_from, i - plain_from);
    plain_from = i + 1;
    switch (byte) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += hex[byte >> 4];
        out += hex[byte & 15];
    }
  }
  out.append(text, plain_from);
  out += '"';
}

// Without recursion: nesting is as deep as an attacker likes.
bool append(std::string& out, const Value& root, const SerializeLimits& limits) {
  if (root.size() == 0) {
    append_scalar(out, root);
    return out.size() <= limits.bytes_max;
  }
  std::vector<Level> levels;
  levels.reserve(16);
  levels.push_back({&root});
  out += root.is_array() ? '[' : '{';
  while (!levels.empty()) {
    if (out.size() > limits.bytes_max) return false;
    Level& level = levels.back();
    TRV_ASSERT(level.next <= level.value->size());
    const bool is_array = level.value->is_array();
    if (level.next == level.value->size()) {
      levels.pop_back();
      out += is_array ? ']' : '}';
      continue;
    }
    if (level.next != 0) out += ',';
    const Value* child;
    if (is_array) {
      child = &level.value->at(level.next++);
    } else {
      const Entry& entry = level.value->entries()[level.next++];
      append_string(out, entry.name());
      out += ':';
      child = &entry.value;
    }
    if (levels.size() > limits.depth_max) {
      append_string(out, too_deep_text);
    } else if (child->size() == 0) {
      append_scalar(out, *child);
    } else {
      out += child->is_array() ? '[' : '{';
      levels.push_back({child});
    }
  }
  return out.size() <= limits.bytes_max;
}

bool spend_bytes(const Value& value, std::size_t& left, int depth) {
  constexpr int spent_depth_max = 500;
  const std::size_t own = value.is_string() ? value.as_string().size() + 2 : 2;
  if (own > left || depth > spent_depth_max) {
    left = 0;
    return false;
  }
  left -= own;
  if (value.is_array()) {
    return std::ranges::all_of(value.items(), [&](const Value& item) { return spend_bytes(item, left, depth + 1); });
  }
  if (!value.is_object()) return true;
  return std::ranges::all_of(value.entries(), [&](const Entry& entry) {
    return spend_bytes(entry.key, left, depth + 1) && spend_bytes(entry.value, left, depth + 1);
  });
}

std::string serialize(const Value& value) {
  std::string out;
  out.reserve(128);
  (void)append(out, value, {});
  return out;
}

std::string serialize_with(const Value& object,
                           std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  std::string out = serialize(object);
  out.pop_back();
  bool is_first = object.entries().empty();
  for (const auto& [name, text] : members) {
    if (!is_first) out += ',';
    is_first = false;
    append_string(out, name);
    out += ':';
    out += text.empty() ? "null" : text;
  }
  out += '}';
  return out;
}

}  // namespace trv::json
