#pragma once
// The places of the expressions within a string of a definition. Any thread.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::definition {

/// A run of plain text, or what is between `${` and its `}`.
struct TextPart {
  bool expression = false;
  std::string_view text;   ///< without `${` and `}`
  std::size_t offset = 0;  ///< of `text` in the string
};

/// A bracket or quote that nothing closes, or a bracket that closes nothing.
struct Unclosed {
  std::size_t at = 0;
  std::string why;
};
/// The first in the text of an expression; nullopt where all are closed.
[[nodiscard]] std::optional<Unclosed> unclosed(std::string_view expression);

/// The parts in order; parts borrow from `text`. A string that is one expression but for white space around it gives
/// exactly one part. Braces within jq's strings, interpolations and comments are not mistaken for the end.
/// Error: invalid for a `${` without its `}`, with the place, in the string, of what is not closed.
[[nodiscard]] base::Result<std::vector<TextPart>> split_expressions(std::string_view text);

}  // namespace trv::definition
