#include "kernel/workflow/definition/expression_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

struct End {
  std::size_t at = std::string_view::npos;  ///< of the `}`
  std::optional<Unclosed> fault = {};       ///< what is wrong where there is none
};

char closer_of(char open) {
  return open == '[' ? ']' : open == '{' ? '}' : ')';
}

/// The `}` that ends the expression starting at `at`. Follows jq's lexical rules with a stack of what is open: '{',
/// '(', '[' in code, '"' for a string, '\\' for an interpolation within one.
End find_end(std::string_view text, std::size_t at) {
  TRV_EXPECTS(at <= text.size());
  struct Open {
    char what;
    std::size_t at;
  };
  std::vector<Open> open;
  const auto not_closed = [&] {
    const Open& last = open.back();
    const char shown = last.what == '\\' ? '(' : last.what;
    if (shown == '"') return Unclosed{last.at, "this '\"' begins a text that does not end"};
    return Unclosed{last.at, fmt::format("this '{}' has no '{}' that closes it", shown, closer_of(shown))};
  };
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (!open.empty() && open.back().what == '"') {
      if (c == '\\') {
        ++at;
        if (at < text.size() && text[at] == '(') open.push_back({'\\', at});
      } else if (c == '"') {
        open.pop_back();
      }
      continue;
    }
    switch (c) {
      case '"':
      case '{':
      case '(':
      case '[': open.push_back({c, at}); break;
      case '}':
      case ')':
      case ']':
        if (open.empty() && c == '}') return {.at = at};
        if (open.empty()) return {.fault = Unclosed{at, fmt::format("this '{}' closes nothing", c)}};
        if (closer_of(open.back().what) != c) return {.fault = not_closed()};
        open.pop_back();
        break;
      case '#':
        while (at < text.size() && text[at] != '\n') ++at;
        break;
      default: break;
    }
  }
  if (open.empty()) return {};
  return {.fault = not_closed()};
}

bool is_space(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

std::optional<Unclosed> unclosed(std::string_view expression) {
  return find_end(expression, 0).fault;
}

base::Result<std::vector<TextPart>> split_expressions(std::string_view text) {
  std::vector<TextPart> parts;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = std::min(text.find("${", at), text.size());
    if (start > at) parts.push_back({false, text.substr(at, start - at), at});
    if (start == text.size()) break;
    const auto [end, fault] = find_end(text, start + 2);
    if (end == std::string_view::npos) {
      const Unclosed wrong =
          fault.value_or(Unclosed{start, "the expression that starts with '${' has no '}' that ends it"});
      const std::string_view before = text.substr(0, wrong.at);
      const auto line = static_cast<int>(std::ranges::count(before, '\n')) + 1;
      const std::size_t line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
      return base::fail(
          base::Error(base::ErrorCode::invalid, wrong.why).at(line, static_cast<int>(wrong.at - line_begin) + 1));
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
