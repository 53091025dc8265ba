// @text, @json, @csv, … RFC 4648 for base64.

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "kernel/expression/builtins/builtin.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::expression {
namespace {

constexpr std::array<std::pair<std::string_view, Format>, 10> formats = {{
    {"@text", Format::text},
    {"@json", Format::json},
    {"@csv", Format::csv},
    {"@tsv", Format::tsv},
    {"@html", Format::html},
    {"@uri", Format::uri},
    {"@urid", Format::urid},
    {"@sh", Format::sh},
    {"@base64", Format::base64},
    {"@base64d", Format::base64d},
}};

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json::Value fail(Allowance& allowance, std::string_view message) {
  allowance.raise(json::Value(message));
  return {};
}

std::string replace_each(std::string_view text, std::string_view from, std::span<const std::string_view> to) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const std::size_t at = from.find(c);
    if (at == std::string_view::npos) {
      out += c;
    } else {
      out += to[at];
    }
  }
  return out;
}

std::string quoted(std::string_view text, char quote, std::string_view escape) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) {
      out += escape;
    } else if (c == '\0') {
      out += "\\0";
    } else {
      out += c;
    }
  }
  out += quote;
  return out;
}

json::Value format_row(const json::Value& row, bool csv, Allowance& allowance) {
  if (!row.is_array()) {
    return fail(allowance,
                fmt::format("{} cannot be {}-formatted, only an array can be", describe(row), csv ? "csv" : "tsv"));
  }
  constexpr std::string_view tsv_from("\t\n\r\\\0", 5);
  constexpr std::array<std::string_view, 5> tsv_to = {"\\t", "\\n", "\\r", "\\\\", "\\0"};
  std::string out;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const json::Value& cell = row.at(i);
    if (i != 0) out += csv ? ',' : '\t';
    if (cell.is_string()) {
      out += csv ? quoted(cell.as_string(), '"', "\"\"") : replace_each(cell.as_string(), tsv_from, tsv_to);
    } else if (cell.is_number()) {
      if (!std::isnan(cell.as_double())) json::append_number(out, cell);
    } else if (cell.is_bool()) {
      out += cell.as_bool() ? "true" : "false";
    } else if (!cell.is_null()) {
      return fail(allowance, fmt::format("{} is not valid in a csv row", describe(cell)));
    }
    if (!allowance.room(2 * out.size())) return {};
  }
  if (!allowance.charge(out.size() / 4)) return {};
  return json::Value(out);
}

json::Value format_shell(const json::Value& value, Allowance& allowance) {
  std::string out;
  const auto add = [&](const json::Value& word) {
    if (!out.empty()) out += ' ';
    if (word.is_string()) {
      out += quoted(word.as_string(), '\'', "'\\''");
    } else if (word.is_array() || word.is_object()) {
      fail(allowance, fmt::format("{} cannot be escaped for shell", describe(word)));
    } else {
      (void)json::append(out, word, {});
    }
    return allowance.stopped() == Allowance::Stop::none && allowance.room(2 * out.size());
  };
  if (value.is_array()) {
    for (const json::Value& word : value.items()) {
      if (!add(word)) return {};
    }
  } else if (!add(value)) {
    return {};
  }
  if (!allowance.charge(out.size() / 4)) return {};
  return json::Value(out);
}

json::Value percent_decoded(const json::Value& value, std::string_view text, Allowance& allowance) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = base::from_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) {
      return fail(allowance, fmt::format("{} is not a valid uri encoding", describe(value)));
    }
    out += static_cast<char>((*byte)[0]);
    i += 2;
  }
  if (!base::is_utf8(out)) return fail(allowance, fmt::format("{} is not a valid uri encoding", describe(value)));
  return json::Value(out);
}

// Groups of six bits, padded with '=' to whole blocks of four.
std::string encode_base64(std::string_view text) {
  constexpr int bits = 6;
  constexpr std::size_t block = 4;
  std::string out;
  unsigned buffer = 0;
  int held = 0;
  for (const char c : text) {
    buffer = (buffer << 8) | static_cast<unsigned char>(c);
    held += 8;
    while (held >= bits) {
      held -= bits;
      out += base64_alphabet[(buffer >> held) & ((1U << bits) - 1)];
    }
    buffer &= (1U << held) - 1;
  }
  if (held > 0) out += base64_alphabet[(buffer << (bits - held)) & ((1U << bits) - 1)];
  while (out.size() % block != 0) out += '=';
  return out;
}

json::Value decode_base64(const json::Value& value, std::string_view text, Allowance& allowance) {
  constexpr int bits = 6;
  std::string out;
  unsigned buffer = 0;
  int held = 0;
  std::size_t digits = 0;
  text = text.substr(0, text.find('='));
  for (const char c : text) {
    const std::size_t digit = base64_alphabet.find(c);
    if (digit == std::string_view::npos) {
      return fail(allowance, fmt::format("{} is not valid base64 data", describe(value)));
    }
    ++digits;
    buffer = (buffer << bits) | static_cast<unsigned>(digit);
    held += bits;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(buffer >> held);
      buffer &= (1U << held) - 1;
    }
  }
  if (digits % 4 == 1) {
    return fail(allowance, fmt::format("{} trailing base64 byte found", describe(value)));
  }
  return json::Value(base::to_valid_utf8(out));
}

}  // namespace

std::optional<Format> find_format(std::string_view name) noexcept {
  for (const auto& [known, format] : formats) {
    if (known == name) return format;
  }
  return std::nullopt;
}

json::Value apply_format(Format format, const json::Value& value, Allowance& allowance) {
  constexpr std::string_view html_from("<>&'\"\0", 6);
  constexpr std::array<std::string_view, 6> html_to = {"&lt;", "&gt;", "&amp;", "&apos;", "&quot;", "\\0"};
  switch (format) {
    case Format::text: return to_text(value, allowance);
    case Format::json: return to_json_text(value, allowance);
    case Format::csv: return format_row(value, true, allowance);
    case Format::tsv: return format_row(value, false, allowance);
    case Format::sh: return format_shell(value, allowance);
    default: break;
  }
  const json::Value shown = to_text(value, allowance);
  if (allowance.stopped() != Allowance::Stop::none) return {};
  const std::string_view text = shown.as_string();
  constexpr std::size_t growth_max = 7;  // "&quot;" and the terminating copy
  if (!allowance.room(growth_max * text.size()) || !allowance.charge(text.size() / 4)) return {};
  switch (format) {
    case Format::html: return json::Value(replace_each(text, html_from, html_to));
    case Format::uri: return json::Value(base::percent_encoded(text));
    case Format::urid: return percent_decoded(shown, text, allowance);
    case Format::base64: return json::Value(encode_base64(text));
    case Format::base64d: return decode_base64(shown, text, allowance);
    default: return {};
  }
}

}  // namespace trv::expression
