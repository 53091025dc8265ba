#pragma once
// The texts of HTTP's fields and targets: one set of rules for what is received and what is sent. ASCII only, whatever
// the locale. Any thread.

#include <optional>
#include <string>
#include <string_view>

namespace trv::base {

/// RFC 9110 §5.6.2.
[[nodiscard]] bool is_token(std::string_view text) noexcept;
/// RFC 9110 §5.5: no control character but the tab.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;

[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] std::string lower(std::string_view text);
/// As names of fields, methods' registries and schemes compare (RFC 9110 §5.1).
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
/// Without the spaces, tabs and line ends at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

/// A quoted string (RFC 9110 §5.6.4) without its quotes and backslashes; any other text as it is.
[[nodiscard]] std::string unquoted(std::string_view text);
/// The byte that the escape "%xy" at the front of `text` means (RFC 3986 §2.1); nullopt where there is none.
[[nodiscard]] std::optional<char> escaped_byte(std::string_view text) noexcept;

}  // namespace trv::base
