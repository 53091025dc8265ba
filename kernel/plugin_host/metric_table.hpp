#pragma once
// Numbers that a version of a plugin records (trv.metrics/1): its series, bounded in number and in size. Any thread.

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t metric_series_max = 200;
inline constexpr std::size_t metric_labels_max = 4;
inline constexpr std::size_t metric_name_bytes_max = 64;

enum class MetricKind : std::uint8_t { counter = 1, gauge = 2, histogram = 3 };
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// One number that is recorded.
struct Measurement {
  MetricKind kind = MetricKind::counter;
  std::string name = {};
  double value = 0;
  MetricLabels labels = {};
};

/// Upper bounds of a histogram's buckets; what is over the last is in none of them.
inline constexpr std::array metric_buckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};

struct MetricSeries {
  MetricKind kind = MetricKind::counter;
  std::string name;
  MetricLabels labels;  ///< in the order of their names
  double value = 0;     ///< of a histogram: the sum of what was observed
  std::uint64_t observed = 0;
  std::array<std::uint64_t, metric_buckets.size()> buckets{};  ///< each with those below
};

class MetricTable {
 public:
  /// Errors: invalid (a name, a label or the value; another kind has the name), exhausted (metric_series_max).
  [[nodiscard]] base::Status record(Measurement measurement);
  /// In the order of kinds, names and labels.
  [[nodiscard]] std::vector<MetricSeries> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, MetricKind> kinds_;  ///< by name
  std::map<std::tuple<MetricKind, std::string, MetricLabels>, MetricSeries> series_;
};

}  // namespace trv::plugin_host
