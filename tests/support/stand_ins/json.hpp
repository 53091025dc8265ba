#pragma once
// The little JSON that all stand-ins need.

#include <boost/json.hpp>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/stand_ins/exchange.hpp"

namespace trv::stand_ins {

namespace json = boost::json;

[[nodiscard]] inline std::optional<json::value> parse_json(std::string_view text) {
  boost::system::error_code failure;
  json::value value = json::parse(text, failure);
  return failure ? std::nullopt : std::optional(std::move(value));
}

[[nodiscard]] inline Answer json_answer(int status, const json::value& body, bool changed = false) {
  return {.status = status,
          .body = json::serialize(body),
          .headers = {{"Content-Type", "application/json; charset=utf-8"}},
          .changed = changed};
}

/// The parts between the slashes of a path that begins with one.
[[nodiscard]] inline std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    parts.emplace_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
  }
  return parts;
}

[[nodiscard]] inline std::optional<int> parse_number(std::string_view text) {
  int value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

[[nodiscard]] inline const json::value* member(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

[[nodiscard]] inline std::string text_member(const json::value& value, std::string_view name) {
  const json::value* found = member(value, name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

}  // namespace trv::stand_ins
