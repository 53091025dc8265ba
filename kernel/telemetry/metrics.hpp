#pragma once
// Every figure of the process at one moment: what /metrics shows and what is exported.

#include <prometheus/metric_family.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernel/trace/context.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::telemetry {

/// One of the observations that a bucket of a histogram counts, with the trace that shows what it was. The trace is
/// sampled.
struct Exemplar {
  trace::Context context;
  double value = 0;  ///< in the unit of the histogram
  base::Timestamp time = {};
};
/// In the order of the buckets of a histogram without labels; nullopt: a bucket has none.
using Exemplars = std::vector<std::optional<Exemplar>>;

struct Metrics {
  std::vector<prometheus::MetricFamily> families;
  std::map<std::string, Exemplars, std::less<>> exemplars = {};  ///< by the family's name

  /// Of one bucket; nullptr: it has none. Those of a family are of its only metric.
  [[nodiscard]] const Exemplar* exemplar(const prometheus::MetricFamily& family, std::size_t bucket) const {
    const auto found = exemplars.find(family.name);
    if (found == exemplars.end() || family.metric.size() != 1 || bucket >= found->second.size()) return nullptr;
    return found->second[bucket] ? &*found->second[bucket] : nullptr;
  }
};

}  // namespace trv::telemetry
