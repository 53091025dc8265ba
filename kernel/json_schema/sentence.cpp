#include "kernel/json_schema/sentence.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "sdk/base/nearest.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::json_schema {

std::string quoted(const json::Value& value) {
  constexpr std::size_t bytes_max = 60;
  // A long text would be written out whole before it is cut.
  if (value.is_string() && value.as_string().size() > bytes_max) {
    return fmt::format("{}…", quoted(json::Value(base::utf8_prefix(value.as_string(), bytes_max - 20))));
  }
  std::string text;
  const bool whole = json::append(text, value, {.bytes_max = bytes_max, .depth_max = 20});
  if (whole && text.size() <= bytes_max) return text;
  return fmt::format("{}…", base::utf8_prefix(text, bytes_max));
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
