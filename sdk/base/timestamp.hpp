#pragma once
// Points in time and lengths of time.

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trv::base {

using Duration = std::chrono::nanoseconds;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, without leap seconds. Years 1678 to 2262.
class Timestamp {
 public:
  constexpr Timestamp() noexcept = default;
  constexpr explicit Timestamp(std::int64_t ns) noexcept : ns_(ns) {}

  [[nodiscard]] constexpr std::int64_t ns() const noexcept { return ns_; }
  [[nodiscard]] constexpr std::int64_t ms() const noexcept { return ns_ / 1'000'000; }

  /// RFC 3339 in UTC with six decimals: 2026-01-31T12:00:00.000000Z.
  [[nodiscard]] std::string to_rfc3339() const;
  /// Any RFC 3339 time with zone; nullopt where the text is none or lies outside the range.
  [[nodiscard]] static std::optional<Timestamp> from_rfc3339(std::string_view text);

  friend constexpr Timestamp operator+(Timestamp t, Duration d) noexcept { return Timestamp(t.ns_ + d.count()); }
  friend constexpr Duration operator-(Timestamp a, Timestamp b) noexcept { return Duration(a.ns_ - b.ns_); }
  friend constexpr auto operator<=>(Timestamp, Timestamp) noexcept = default;

 private:
  std::int64_t ns_ = 0;
};

}  // namespace trv::base
