#pragma once
// Numbers in keys: the most significant byte first, so that rows are in the order of their numbers.

#include <cstdint>

#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"

namespace trv::base {

/// Eight bytes. `Out` is bytes or text.
template <typename Out>
void append_big_endian(Out& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<typename Out::value_type>(number >> shift & 0xff));
  }
}

/// Of at most eight bytes.
[[nodiscard]] inline std::uint64_t big_endian(BytesView bytes) {
  TRV_EXPECTS(bytes.size() <= 8);
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

}  // namespace trv::base
