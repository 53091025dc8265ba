#pragma once
// What became of the backups that a daemon takes by itself.

#include <cstdint>
#include <optional>

#include "sdk/base/timestamp.hpp"

namespace trv::recovery {

struct Figures {
  std::uint64_t backups = 0;   ///< that succeeded, since the process began, as everything here
  std::uint64_t failures = 0;  ///< of backups
  std::uint64_t segments = 0;  ///< that were added
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  base::Duration last_duration{};  ///< of the last backup that succeeded
  base::Duration age{};  ///< how much of the past could not be recovered now; before the first: since the start
  std::optional<base::Timestamp> last_success;
  std::uint64_t drills = 0;                   ///< whose state was the live one
  std::uint64_t drill_failures = 0;           ///< that could not be made, or found another state
  std::optional<base::Timestamp> last_drill;  ///< of one that succeeded; so the next two
  base::Duration recovery_point{};
  base::Duration recovery_time{};
};

}  // namespace trv::recovery
