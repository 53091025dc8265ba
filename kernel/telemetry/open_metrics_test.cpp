// What Prometheus is given when it can read exemplars. `promtool` and Prometheus' own reader are asked by
// tests/operations.

#include "kernel/telemetry/open_metrics.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace trv::telemetry {
namespace {

TEST(OpenMetrics, each_kind_of_family_is_written_and_a_bucket_has_its_exemplar) {
  Metrics metrics;
  prometheus::ClientMetric counted;
  counted.label = {{"class", "a\"b\\c\nd"}};
  counted.counter.value = 3;
  prometheus::ClientMetric measured;
  measured.gauge.value = std::numeric_limits<double>::quiet_NaN();
  prometheus::ClientMetric histogram;
  histogram.histogram = {.sample_count = 7,
                         .sample_sum = 1.5,
                         .bucket = {{2, 0.25}, {5, 1}, {7, std::numeric_limits<double>::infinity()}}};
  metrics.families = {{"a_total", "A \"B\".", prometheus::MetricType::Counter, {counted}},
                      {"b", "B.", prometheus::MetricType::Gauge, {measured}},
                      {"c_seconds", "C.", prometheus::MetricType::Histogram, {histogram}}};
  const auto context = trace::Context::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  metrics.exemplars["c_seconds"] = {
      std::nullopt, Exemplar{.context = *context, .value = 0.5, .time = base::Timestamp(1'795'510'226'007'000'000)}};
  EXPECT_EQ(to_open_metrics(metrics), R"(# TYPE a counter
# HELP a A \"B\".
a_total{class="a\"b\\c\nd"} 3.0
# TYPE b gauge
# HELP b B.
b NaN
# TYPE c_seconds histogram
# HELP c_seconds C.
c_seconds_bucket{le="0.25"} 2
c_seconds_bucket{le="1.0"} 5 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736",span_id="00f067aa0ba902b7"} 0.5 1795510226.007
c_seconds_bucket{le="+Inf"} 7
c_seconds_count 7.0
c_seconds_sum 1.5
# EOF
)");
}

TEST(OpenMetrics, is_given_to_who_names_it) {
  for (const char* accept :
       {"application/openmetrics-text", "text/plain, Application/OpenMetrics-Text; version=1.0.0;q=0.5",
        "application/openmetrics-text;version=0.0.1;q=0.9,application/openmetrics-text;version=1.0.0;q=0.75"}) {
    EXPECT_TRUE(accepts_open_metrics(accept)) << accept;
  }
  for (const char* accept : {"", "*/*", "text/plain;version=0.0.4", "application/openmetrics-text;version=0.0.1",
                             "application/openmetrics-text;q=0.0", "application/openmetrics-text-x", ";,;", "q=1"}) {
    EXPECT_FALSE(accepts_open_metrics(accept)) << accept;
  }
}

}  // namespace
}  // namespace trv::telemetry
