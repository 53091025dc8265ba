#include "kernel/gateway/unique_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernel/http/target.hpp"
#include "kernel/json/parse.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {
namespace {

/// Behind the closing quote of the string that begins at `at`.
std::size_t string_end(std::string_view json, std::size_t at) {
  TRV_EXPECTS(at < json.size() && json[at] == '"');
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

std::string key_of(std::string_view quoted) {
  TRV_EXPECTS(quoted.size() >= 2);
  if (quoted.find('\\') == std::string_view::npos) return std::string(quoted.substr(1, quoted.size() - 2));
  const auto value = json::parse(quoted);
  TRV_ASSERT(value && value->is_string());
  return std::string(value->as_string());
}

base::Error twice(std::string_view json, std::size_t at, std::string_view key) {
  const std::string_view before = json.substr(0, at);
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const auto line = static_cast<int>(1 + std::ranges::count(before, '\n'));
  const auto column = static_cast<int>(at - line_start + 1);
  return base::Error(base::ErrorCode::invalid, fmt::format("JSON at line {}, column {}: the key '{}' occurs twice",
                                                           line, column, http::utf8_prefix(key, 80)))
      .at(line, column);
}

}  // namespace

base::Status check_unique_keys(std::string_view json) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (json.starts_with(byte_order_mark)) json.remove_prefix(byte_order_mark.size());
  // Ordered, not hashed: who sends the keys must not choose what looking them up costs.
  using Keys = std::optional<std::set<std::string, std::less<>>>;
  std::vector<Keys> open;  // nullopt: an array
  bool key_comes = false;
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    if (c == '"') {
      const std::size_t end = string_end(json, at);
      if (key_comes) {
        TRV_ASSERT(!open.empty() && open.back());
        std::string key = key_of(json.substr(at, end - at));
        if (open.back()->contains(key)) return base::fail(twice(json, at, key));
        open.back()->insert(std::move(key));
        key_comes = false;
      }
      at = end;
      continue;
    }
    if (c == '{') {
      open.emplace_back(std::in_place);
      key_comes = true;
    } else if (c == '[') {
      open.emplace_back(std::nullopt);
      key_comes = false;
    } else if (c == '}' || c == ']') {
      TRV_ASSERT(!open.empty());
      open.pop_back();
      key_comes = false;
    } else if (c == ',') {
      TRV_ASSERT(!open.empty());
      key_comes = open.back().has_value();
    }
    ++at;
  }
  TRV_ENSURES(open.empty());
  return {};
}

}  // namespace trv::gateway
