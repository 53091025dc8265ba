#pragma once
// Hexadecimal digits, one at a time.

#include <array>
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

}  // namespace trv::base
