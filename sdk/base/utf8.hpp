#pragma once
// UTF-8 by code point. Any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace trv::base {

inline constexpr char32_t replacement_character = 0xFFFD;

/// Well-formed as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
/// Bytes of the well-formed character at the front of a text that is not empty; 0 where there is none.
[[nodiscard]] std::size_t character_bytes(std::string_view text) noexcept;
/// Reads the code point at `position` and moves behind it; U+FFFD for each malformed part. position < text.size().
[[nodiscard]] char32_t next_code_point(std::string_view text, std::size_t& position) noexcept;
/// Appends a code point; U+FFFD in place of a surrogate or a value out of range.
void append_code_point(std::string& out, char32_t code_point);
/// The number of code points of well-formed text.
[[nodiscard]] std::size_t count_code_points(std::string_view text) noexcept;
/// The byte offset of the code point with this index, or text.size().
[[nodiscard]] std::size_t code_point_offset(std::string_view text, std::size_t index) noexcept;
/// The longest beginning of UTF-8 text that has at most `bytes_max` bytes and cuts no character.
[[nodiscard]] std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) noexcept;
/// A copy with U+FFFD in place of what is malformed.
[[nodiscard]] std::string to_valid_utf8(std::string_view bytes);

}  // namespace trv::base
