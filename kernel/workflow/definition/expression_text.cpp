#include "kernel/workflow/definition/expression_text.hpp"

#include <algorithm>
#include <string>

#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

/// The position of the `}` that ends the expression starting at `at`, or npos. Follows jq's lexical rules with a stack
/// of what is open: '{', '(', '[' in code, '"' for a string, '\\' for an interpolation within one.
std::size_t find_end(std::string_view text, std::size_t at) {
  TRV_EXPECTS(at <= text.size());
  std::string open;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (!open.empty() && open.back() == '"') {
      if (c == '\\') {
        ++at;
        if (at < text.size() && text[at] == '(') open.push_back('\\');
      } else if (c == '"') {
        open.pop_back();
      }
      continue;
    }
    switch (c) {
      case '"':
      case '{':
      case '(':
      case '[': open.push_back(c); break;
      case '}':
      case ')':
      case ']':
        if (open.empty()) return c == '}' ? at : std::string_view::npos;
        open.pop_back();
        break;
      case '#':
        while (at < text.size() && text[at] != '\n') ++at;
        break;
      default: break;
    }
  }
  return std::string_view::npos;
}

bool is_space(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

base::Result<std::vector<TextPart>> split_expressions(std::string_view text) {
  std::vector<TextPart> parts;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = std::min(text.find("${", at), text.size());
    if (start > at) parts.push_back({false, text.substr(at, start - at), at});
    if (start == text.size()) break;
    const std::size_t end = find_end(text, start + 2);
    if (end == std::string_view::npos) {
      return base::fail(base::ErrorCode::invalid, "the expression that starts with '${' has no '}' that ends it");
    }
    TRV_ASSERT(end >= start + 2 && text[end] == '}');
    parts.push_back({true, text.substr(start + 2, end - start - 2), start + 2});
    at = end + 1;
  }
  const auto expressions =
      std::count_if(parts.begin(), parts.end(), [](const TextPart& part) { return part.expression; });
  if (expressions == 1) {
    const bool alone = std::all_of(parts.begin(), parts.end(),
                                   [](const TextPart& part) { return part.expression || is_space(part.text); });
    if (alone) std::erase_if(parts, [](const TextPart& part) { return !part.expression; });
  }
  TRV_ENSURES(parts.empty() == text.empty());
  return parts;
}

}  // namespace trv::definition
