#pragma once
// Lengths of time as definitions write them: ISO 8601 text or {days, hours, minutes, seconds, milliseconds}.

#include <cstdint>
#include <string>
#include <string_view>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::definition {

/// Calendar parts are kept apart because a month has no fixed length.
struct CalendarDuration {
  std::int64_t months = 0;
  std::int64_t days = 0;
  base::Duration rest{};

  /// The time this much later, counted in UTC; the day is cut to the month's last. Error: invalid beyond the year 2262.
  [[nodiscard]] base::Result<base::Timestamp> after(base::Timestamp start) const;
  /// The length from `start`.
  [[nodiscard]] base::Result<base::Duration> from(base::Timestamp start) const;

  friend bool operator==(const CalendarDuration&, const CalendarDuration&) = default;
};

/// As ISO 8601, which duration_of() reads as the same.
[[nodiscard]] std::string to_text(const CalendarDuration& duration);

/// Text or object as above. Fractions are allowed from weeks down. Error: invalid; at most 100 years.
[[nodiscard]] base::Result<CalendarDuration> duration_of(const json::Value& value);

}  // namespace trv::definition
