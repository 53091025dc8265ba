#include "sdk/package/json_text.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::package {
namespace {

namespace json = boost::json;

std::unexpected<base::Error> wrong_at(std::string_view text, std::size_t offset, std::string_view what) {
  TRV_EXPECTS(offset <= text.size());
  const std::string_view before = text.substr(0, offset);
  const std::size_t line_start = before.rfind('\n') + 1;  // 0 where there is no line before
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("JSON at line {}, column {}: {}", 1 + std::ranges::count(before, '\n'),
                                offset - line_start + 1, what));
}

/// Where the string that begins at `start` ends, behind its quote.
std::size_t end_of_string(std::string_view text, std::size_t start) {
  TRV_EXPECTS(text[start] == '"');
  std::size_t at = start + 1;
  while (text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return at + 1;
}

/// Of a text that is known to be JSON.
base::Status check_keys_differ(std::string_view text) {
  struct Open {
    bool is_object = false;
    bool key_is_next = false;
    std::set<std::string, std::less<>> keys = {};
  };
  std::vector<Open> open;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '{' || c == '[') open.push_back({.is_object = c == '{', .key_is_next = c == '{'});
    if (c == '}' || c == ']') open.pop_back();
    if (c == ',' && open.back().is_object) open.back().key_is_next = true;
    if (c != '"') continue;
    const std::size_t end = end_of_string(text, at);
    if (!open.empty() && open.back().key_is_next) {
      open.back().key_is_next = false;
      // A key may be written with escapes.
      std::string key(json::parse(text.substr(at, end - at)).as_string());
      if (open.back().keys.contains(key)) return wrong_at(text, at, fmt::format("the key \"{}\" occurs twice", key));
      open.back().keys.insert(std::move(key));
    }
    at = end - 1;
  }
  TRV_ENSURES(open.empty());
  return {};
}

}  // namespace

base::Result<json::value> parse_json_text(std::string_view text, std::size_t depth_max) {
  json::parse_options options;
  options.max_depth = depth_max;
  json::value value;
  try {
    json::stream_parser parser({}, options);
    boost::system::error_code failure;
    const std::size_t read = parser.write_some(text.data(), text.size(), failure);
    if (failure) return wrong_at(text, std::min(read, text.size()), failure.message());
    if (read < text.size()) return wrong_at(text, read, "expected nothing behind the value");
    parser.finish(failure);
    if (failure) return wrong_at(text, text.size(), "the text ends too early");
    value = parser.release();
  } catch (const std::exception& exception) {
    return base::fail(base::ErrorCode::invalid, exception.what());
  }
  TRV_TRY(check_keys_differ(text));
  return value;
}

}  // namespace trv::package
