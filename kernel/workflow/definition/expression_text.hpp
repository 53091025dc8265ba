#pragma once
// The places of the expressions within a string of a definition. Any thread.

#include <cstddef>
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

/// The parts in order; parts borrow from `text`. A string that is one expression but for white space around it gives
/// exactly one part. Braces within jq's strings, interpolations and comments are not mistaken for the end.
/// Error: invalid for a `${` without its `}`.
[[nodiscard]] base::Result<std::vector<TextPart>> split_expressions(std::string_view text);

}  // namespace trv::definition
