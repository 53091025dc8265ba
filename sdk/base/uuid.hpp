#pragma once
// UUIDs; those we make are version 7 (RFC 9562): sorted by time.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sdk/base/random.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::base {

class Uuid {
 public:
  constexpr Uuid() noexcept = default;
  constexpr explicit Uuid(std::array<std::uint8_t, 16> bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool is_nil() const noexcept { return bytes_ == std::array<std::uint8_t, 16>{}; }
  /// 36 lower-case characters, 8-4-4-4-12.
  [[nodiscard]] std::string to_string() const;
  /// nullopt unless the text has that form; upper case is accepted.
  [[nodiscard]] static std::optional<Uuid> parse(std::string_view text);

  /// Version 7 of this time; 74 bits from `random`. time not before 1970.
  [[nodiscard]] static Uuid v7(Timestamp time, Random& random);

  friend constexpr auto operator<=>(const Uuid&, const Uuid&) noexcept = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

/// Makes version 7 ids that grow strictly within this source, also when the clock stops or goes back. One
/// thread.
class UuidSource {
 public:
  explicit UuidSource(Random& random) noexcept : random_(random) {}
  [[nodiscard]] Uuid next(Timestamp time);

 private:
  Random& random_;
  std::int64_t last_ms_ = 0;
  std::uint64_t counter_ = 0;
};

}  // namespace trv::base
