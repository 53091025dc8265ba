#pragma once
// When a workflow starts by itself.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/workflow/definition/cron.hpp"
#include "kernel/workflow/definition/duration.hpp"

namespace trv::definition {

/// What becomes of times that passed while nothing could start: one run for all, a run for each, or none.
enum class Missed : std::uint8_t { once, all, skip };

/// Immutable; any thread.
struct Schedule {
  enum class Kind : std::uint8_t { every, cron, after };
  Kind kind = Kind::every;
  base::Duration every{};
  CalendarDuration after;
  std::optional<Cron> cron;
  Missed missed = Missed::once;
  std::string text;  ///< in one line, for lists: `every PT1H`, `cron 0 9 * * * (Europe/Berlin)`, `after PT5M`

  /// The first time of a schedule that begins now; nullopt beyond the year 2262.
  [[nodiscard]] std::optional<base::Timestamp> first(base::Timestamp now) const;
  /// The time after `due`, which is one of the schedule's. nullopt for `after`, whose next time the run's end decides.
  [[nodiscard]] std::optional<base::Timestamp> next(base::Timestamp due) const;
  /// The last time at or before `now`, from `due` on, which is one of the schedule's and not after `now`.
  [[nodiscard]] base::Timestamp last(base::Timestamp due, base::Timestamp now) const;
};

/// A start that is later than this has been missed.
inline constexpr base::Duration on_time_max = std::chrono::minutes(1);
/// Of the times that have passed, at most so many, the latest, are counted, and started with Missed::all.
inline constexpr std::size_t missed_max = 100;

/// What a schedule does at a time.
struct Firing {
  std::vector<base::Timestamp> starts;  ///< a run for each, the earliest first
  std::uint32_t missed = 0;             ///< times without a run; counted up to missed_max
  std::optional<base::Timestamp> next;  ///< after `now`
};
/// `due` is not after `now`.
[[nodiscard]] Firing fire(const Schedule& schedule, base::Timestamp due, base::Timestamp now);

}  // namespace trv::definition
