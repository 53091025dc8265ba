#pragma once
// The text that Prometheus reads with exemplars: OpenMetrics 1.0.0. Any thread.

#include <string>
#include <string_view>

#include "kernel/telemetry/metrics.hpp"

namespace trv::telemetry {

inline constexpr std::string_view open_metrics_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether a header `Accept` names OpenMetrics, with a weight that is not 0. Which of several a client likes best does
/// not matter: who names it can read exemplars, and the other format has none.
[[nodiscard]] bool accepts_open_metrics(std::string_view accept);

/// Families are counters, whose names end in `_total`, gauges and histograms. An exemplar has the labels `trace_id` and
/// `span_id`.
[[nodiscard]] std::string to_open_metrics(const Metrics& metrics);

}  // namespace trv::telemetry
