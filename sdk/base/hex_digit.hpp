#pragma once
// Hexadecimal digits, one at a time.

#include <array>
#include <cstddef>
#include <cstdint>

namespace trv::base {

/// Of both cases; -1 for any other character.
[[nodiscard]] inline int hex_value(char c) noexcept {
  static constexpr std::array<std::int8_t, 256> values = [] {
    std::array<std::int8_t, 256> table{};
    table.fill(-1);
    for (std::uint8_t i = 0; i < 10; ++i) table['0' + i] = static_cast<std::int8_t>(i);
    for (std::uint8_t i = 0; i < 6; ++i) table['a' + i] = table['A' + i] = static_cast<std::int8_t>(10 + i);
    return table;
  }();
  return values[static_cast<std::uint8_t>(c)];
}

/// Two lower-case digits for each of `count` bytes, from `to` on. Returns the end of what was written.
inline char* put_hex(char* to, const std::uint8_t* bytes, std::size_t count) noexcept {
  constexpr const char* digits = "0123456789abcdef";
  for (std::size_t i = 0; i < count; ++i) {
    *to++ = digits[bytes[i] >> 4];
    *to++ = digits[bytes[i] & 15];
  }
  return to;
}

}  // namespace trv::base
