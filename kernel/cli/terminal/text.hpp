#pragma once
// Text from the server on a terminal: it may be hostile and must not move the cursor or hide anything. Pure; any
// thread.

#include <cstddef>
#include <string>
#include <string_view>

#include "sdk/base/bytes.hpp"

namespace trv::cli {

using base::percent_encoded;

enum class LineEnds { escaped, kept };

/// Valid UTF-8 without control characters (C0, DEL, C1), without characters that reorder or hide text (bidirectional
/// controls, zero-width characters, U+2028 and U+2029), and without broken bytes: all of these become `\n`, `\t`,
/// `\xHH` or `\u{H…}`.
[[nodiscard]] std::string printable(std::string_view text, LineEnds line_ends = LineEnds::escaped);

/// JSON text with the characters that printable() escapes replaced by JSON escapes; line ends are kept. The value is
/// the same.
[[nodiscard]] std::string printable_json(std::string_view json);

/// Terminal columns of printable text: wide characters count 2, combining ones 0.
[[nodiscard]] std::size_t display_width(std::string_view text) noexcept;

/// At most `width` columns of printable text; what is cut ends in "…". width > 0.
[[nodiscard]] std::string fitted(std::string_view text, std::size_t width);

/// The length in bytes of the longest beginning of `text` of at most `width` columns; at least one character.
[[nodiscard]] std::size_t prefix_of_width(std::string_view text, std::size_t width) noexcept;

}  // namespace trv::cli
