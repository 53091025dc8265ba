#pragma once
// Bytes of a service are not always text; JSON holds nothing but text. C++20; any thread.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trv::sdk {

/// Whether the bytes are UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.
[[nodiscard]] inline bool is_utf8(std::string_view bytes) noexcept {
  std::size_t i = 0;
  while (i < bytes.size()) {
    const auto lead = static_cast<std::uint8_t>(bytes[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || bytes.size() - i < length) return false;
    std::uint32_t value = length == 1 ? lead : lead & (0xffU >> (length + 1));
    for (std::size_t n = 1; n < length; ++n) {
      const auto next = static_cast<std::uint8_t>(bytes[i + n]);
      if (next >> 6 != 2) return false;
      value = value << 6 | (next & 0x3fU);
    }
    static constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return false;
    i += length;
  }
  return true;
}

}  // namespace trv::sdk
