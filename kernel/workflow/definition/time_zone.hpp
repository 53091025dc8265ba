#pragma once
// Zones of the IANA time zone database, as the system has it in /usr/share/zoneinfo. A zone is read once by a process;
// what is changed on the disk afterwards is seen after a restart.

#include <cctz/time_zone.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::definition {

/// Times are in seconds, local ones counted as if they were UTC. Any thread.
class TimeZone {
 public:
  [[nodiscard]] static TimeZone utc();
  /// Reads a file the first time. Error: invalid for a name that the database does not have, with the nearest one.
  [[nodiscard]] static base::Result<TimeZone> find(std::string_view name);

  /// A time with one offset from UTC, and the offset before it.
  struct Period {
    std::int64_t begin;  ///< INT64_MIN / 4: it has none
    std::int64_t end;    ///< the first second after it; INT64_MAX / 4: it has none
    std::int64_t offset;
    std::int64_t offset_before;
  };
  [[nodiscard]] Period period_at(std::int64_t time) const;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  TimeZone(std::string name, cctz::time_zone zone) : name_(std::move(name)), zone_(zone) {}

  std::string name_;
  cctz::time_zone zone_;
};

}  // namespace trv::definition
