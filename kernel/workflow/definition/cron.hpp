#pragma once
// Cron expressions: five fields, and the times that they name in a zone.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/workflow/definition/time_zone.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::definition {

/// minute, hour, day of the month, month, day of the week. Where both days are restricted one of them suffices.
///
/// When clocks are changed: an expression that names each hour (`*`) follows the clock on the wall; the hour that comes
/// twice counts twice. Any other has each local time once: one that does not exist is taken as late as if the clocks
/// had not been changed (02:30 becomes 03:30), and one that comes twice is taken the first time.
class Cron {
 public:
  /// May begin with CRON_TZ=Area/City; else the zone is UTC. @hourly, @daily, @weekly, @monthly and @yearly are known.
  /// Error: invalid, with the field that is wrong.
  [[nodiscard]] static base::Result<Cron> parse(std::string_view text);

  /// The first time after this one. nullopt beyond the year 2262.
  [[nodiscard]] std::optional<base::Timestamp> next(base::Timestamp after) const;
  /// The last time at or before this one. nullopt before the year 1970.
  [[nodiscard]] std::optional<base::Timestamp> last(base::Timestamp at) const;

  /// The fields with one blank between each, and the zone behind them unless it is UTC.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  explicit Cron(TimeZone zone) : zone_(std::move(zone)) {}

  [[nodiscard]] base::Status parse_fields(std::string_view text);
  [[nodiscard]] bool names_day(std::int64_t day) const;
  // In local seconds: the first and the last time that the fields name within [from, end).
  [[nodiscard]] std::optional<std::int64_t> first_in(std::int64_t from, std::int64_t end) const;
  [[nodiscard]] std::optional<std::int64_t> last_in(std::int64_t from, std::int64_t end) const;

  TimeZone zone_;
  std::string text_;
  std::uint64_t minutes_ = 0;  ///< a bit for each value
  std::uint64_t hours_ = 0;
  std::uint64_t days_ = 0;
  std::uint64_t months_ = 0;
  std::uint64_t weekdays_ = 0;  ///< Sunday is 0
  bool every_hour_ = false;
  bool restricts_days_ = false;
  bool restricts_weekdays_ = false;
};

}  // namespace trv::definition
