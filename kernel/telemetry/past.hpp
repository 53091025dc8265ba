#pragma once
// Figures of the last hours, one sample of each every ten seconds, in memory of a fixed size. Any thread.

#include <array>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/telemetry/request_counts.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::telemetry {

inline constexpr auto sample_every = std::chrono::seconds(10);
inline constexpr std::size_t samples_max = 2'160;  ///< six hours

/// What is so at one moment. Counts are since the process began.
struct Sample {
  base::Timestamp time;
  RequestFigures requests;
  std::uint64_t records = 0;
  std::uint64_t commands_waiting = 0;
  std::uint64_t effects_pending = 0;
  std::uint64_t effects_parked = 0;
  std::uint64_t outgoing = 0;          ///< HTTP requests under way
  std::uint64_t outgoing_waiting = 0;  ///< in line behind those of their connection or host
  std::uint64_t plugin_calls = 0;
  std::uint64_t plugin_calls_failed = 0;
  std::uint64_t plugins_in_quarantine = 0;  ///< of a tenant each
  std::uint64_t memory_bytes = 0;           ///< resident
  double cpu_s = 0;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t log_bytes = 0;         ///< used of its map; 0: it has none
  std::uint64_t projection_bytes = 0;  ///< used, of the fullest one
};

class Past {
 public:
  void add(const Sample& sample);

  /// The newest, and the oldest that is at most so old; nullopt: there are fewer than two.
  [[nodiscard]] std::optional<std::pair<Sample, Sample>> ends_of(base::Duration window) const;
  /// The requests of the window, or of as much of it as is known.
  [[nodiscard]] RequestFigures requests_of(base::Duration window) const;
  /// When `used` will have grown to `all` if it goes on as over the last hours; nullopt: it does not grow, there is
  /// less than an hour of it, or it lasts a year.
  [[nodiscard]] std::optional<base::Timestamp> full_at(std::uint64_t Sample::* used, std::uint64_t all) const;
  /// The same for what shrinks to 0.
  [[nodiscard]] std::optional<base::Timestamp> empty_at(std::uint64_t Sample::* left) const;
  /// Arrays of numbers under the names of the figures, with at most so many points, which are means of what lies
  /// between; "times" has their ends, in seconds since 1970.
  [[nodiscard]] json::Value series(std::size_t points_max) const;

 private:
  [[nodiscard]] std::vector<Sample> all() const;

  mutable std::mutex mutex_;
  std::deque<Sample> samples_;  // guarded by mutex_; by time
};

}  // namespace trv::telemetry
