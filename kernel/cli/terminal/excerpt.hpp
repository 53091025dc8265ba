#pragma once
// A line of a text with carets below a part of it. Pure; any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace trv::cli {

/// Two lines, indented, each with its end: the line as printable text, at most `width` columns of it around the place
/// ("…" where it was cut), and a caret below each character of the `length` bytes there, at least one; behind the
/// line's end where the column is. `line` and `column` are from 1, the column in bytes. Empty where the text has no
/// such line, or nothing is in it. width >= 20.
[[nodiscard]] std::string excerpt(std::string_view text, int line, int column, int length, std::size_t width);

}  // namespace trv::cli
