#pragma once
// Byte strings and their text forms.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trv::base {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

/// The bytes of a text; borrowed from it.
[[nodiscard]] inline BytesView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
/// The text of some bytes; borrowed from them. No check for UTF-8.
[[nodiscard]] inline std::string_view as_text(BytesView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline Bytes to_bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

/// Lower-case hexadecimal.
[[nodiscard]] std::string to_hex(BytesView bytes);
/// Accepts both cases; nullopt for an odd length or a character that is not a digit.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view text);

/// RFC 4648 §4, padded.
[[nodiscard]] std::string to_base64(BytesView bytes);
/// RFC 4648 §5, without padding.
[[nodiscard]] std::string to_base64url(BytesView bytes);
/// RFC 4648 §4, padded; nullopt for anything else, also for non-zero trailing bits.
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);

/// RFC 3986 §2.1, upper case: every byte but the unreserved ones of §2.3 is escaped, so that a value never changes the
/// structure of the URL that it is in.
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// Compares in time that depends on the lengths only.
[[nodiscard]] bool equal_in_constant_time(BytesView a, BytesView b) noexcept;

}  // namespace trv::base
