#pragma once
// The second face of a position: where an engine keeps a record.

#include <algorithm>
#include <array>
#include <cstdint>

#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"

namespace trv::log {

/// The engine's own bytes; only the log that gave them reads them. Kept beside the lsn, which is the identity, so that
/// an engine without an index finds the lsn again. Empty: unknown. A value.
class EnginePosition {
 public:
  static constexpr std::size_t bytes_max = 32;

  EnginePosition() = default;
  /// Precondition: at most bytes_max bytes.
  explicit EnginePosition(base::BytesView bytes) noexcept : size_(static_cast<std::uint8_t>(bytes.size())) {
    TRV_EXPECTS(bytes.size() <= bytes_max);
    std::ranges::copy(bytes, bytes_.begin());
  }

  [[nodiscard]] base::BytesView bytes() const noexcept { return {bytes_.data(), size_}; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  friend bool operator==(const EnginePosition&, const EnginePosition&) = default;

 private:
  std::array<std::uint8_t, bytes_max> bytes_{};  // zeros behind size_
  std::uint8_t size_ = 0;
};

}  // namespace trv::log
