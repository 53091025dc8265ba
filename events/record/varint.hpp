#pragma once
// Whole numbers in base 128, the low digits first: 1 byte below 128, at most 10. For rows that hold many small ones.
// Pure; any thread.

#include <cstdint>
#include <optional>

#include "sdk/base/bytes.hpp"

namespace trv::record {

/// `Out` is bytes or text.
template <typename Out>
void append_varint(Out& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<typename Out::value_type>(number | 0x80));
  out.push_back(static_cast<typename Out::value_type>(number));
}

/// Takes one from the front; nullopt where none begins there.
[[nodiscard]] inline std::optional<std::uint64_t> take_varint(base::BytesView& rest) noexcept {
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const std::uint8_t byte = rest.front();
    rest = rest.subspan(1);
    number |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

}  // namespace trv::record
