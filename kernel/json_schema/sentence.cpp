#include "kernel/json_schema/sentence.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "sdk/base/nearest.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::json_schema {

namespace {

constexpr std::size_t quoted_bytes_max = 60;

/// Goes no further into a value than it takes to be over the limit.
void append_beginning(std::string& out, const json::Value& value, int depth) {
  constexpr int depth_max = 10;
  if (value.is_string()) {
    json::append_string(out, base::utf8_prefix(value.as_string(), quoted_bytes_max));
  } else if ((value.is_array() || value.is_object()) && depth >= depth_max) {
    out += "…";
  } else if (value.is_array()) {
    out += '[';
    for (std::size_t i = 0; i < value.size() && out.size() <= quoted_bytes_max; ++i) {
      if (i > 0) out += ',';
      append_beginning(out, value.at(i), depth + 1);
    }
    out += ']';
  } else if (value.is_object()) {
    out += '{';
    for (std::size_t i = 0; i < value.size() && out.size() <= quoted_bytes_max; ++i) {
      if (i > 0) out += ',';
      append_beginning(out, value.entries()[i].key, depth + 1);
      out += ':';
      append_beginning(out, value.entries()[i].value, depth + 1);
    }
    out += '}';
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string quoted(const json::Value& value) {
  std::string text;
  append_beginning(text, value, 0);
  const bool cut = text.size() > quoted_bytes_max || (value.is_string() && value.as_string().size() > quoted_bytes_max);
  return cut ? fmt::format("{}…", base::utf8_prefix(text, quoted_bytes_max)) : text;
}

std::string counted(std::size_t count, std::string_view singular, std::string_view plural) {
  return fmt::format("{} {}", count, count == 1 ? singular : plural);
}

std::string name_list(const std::vector<std::string_view>& names, std::string_view last_word) {
  constexpr std::size_t shown_max = 8;
  std::string list;
  const std::size_t shown = std::min(names.size(), shown_max);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) list += i + 1 == names.size() ? fmt::format(" {} ", last_word) : ", ";
    list += quoted(json::Value(names[i]));
  }
  if (names.size() > shown) list += fmt::format(" {} {} more", last_word, names.size() - shown);
  return list;
}

std::string meant(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string_view near = base::nearest(word, candidates);
  return near.empty() ? std::string() : fmt::format("; did you mean {}?", quoted(json::Value(near)));
}

}  // namespace trv::json_schema
