// What is sent has the shape that OTLP's JSON has. tests/operations/otlp_test.py has the official classes read it.

#include "kernel/otlp/payload.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "kernel/json/parse.hpp"

namespace trv::otlp {
namespace {

constexpr std::string_view traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const Exporting from{.resource = {{"service.name", "travertine"}}, .version = "1.2.3"};

constexpr std::string_view resource =
    R"("resource":{"attributes":[{"key":"service.name","value":{"stringValue":"travertine"}}]},)";
constexpr std::string_view scope = R"("scope":{"name":"travertine","version":"1.2.3"},)";

TEST(Payload, a_span_is_as_the_specification_writes_it) {
  const trace::Context parent = *trace::Context::parse(traceparent);
  trace::Span span{.context = parent.child("x"),
                   .parent = parent.span,
                   .kind = trace::SpanKind::server,
                   .name = "GET /v1/\"x\"",
                   .began = base::Timestamp(1'544'712'660'000'000'001),
                   .ended = base::Timestamp(1'544'712'661'000'000'002),
                   .attributes = {{"http.route", "/v1/x"}},
                   .is_failed = true,
                   .problem = "it \xff failed"};
  span.attributes.add("http.response.status_code", 500);
  EXPECT_EQ(traces_payload(from, {&span, 1}),
            std::string(R"({"resourceSpans":[{)") + std::string(resource) + R"("scopeSpans":[{)" + std::string(scope) +
                R"("spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":")" + span.context.span_text() +
                R"(","parentSpanId":"00f067aa0ba902b7","flags":1,"name":"GET /v1/\"x\"","kind":2,)"
                R"("startTimeUnixNano":"1544712660000000001","endTimeUnixNano":"1544712661000000002",)"
                R"("attributes":[{"key":"http.route","value":{"stringValue":"/v1/x"}},)"
                R"({"key":"http.response.status_code","value":{"intValue":"500"}}],)"
                "\"status\":{\"code\":2,\"message\":\"it \xEF\xBF\xBD failed\"}}]}]}]}");
  span.parent = {};
  span.is_failed = false;
  span.ended = base::Timestamp(1);
  const std::string root = traces_payload(from, {&span, 1});
  EXPECT_EQ(root.find("parentSpanId"), std::string::npos);
  EXPECT_NE(root.find(R"("endTimeUnixNano":"1544712660000000001")"), std::string::npos) << "a clock that was set back";
  EXPECT_NE(root.find(R"("status":{})"), std::string::npos);
}

TEST(Payload, a_line_has_its_severity_room_and_trace) {
  const LogRecord line{.time = base::Timestamp(5),
                       .level = logging::Level::warning,
                       .room = "plugins",
                       .message = "slow",
                       .attributes = {{"tenant", "acme"}},
                       .traceparent = std::string(traceparent)};
  EXPECT_EQ(logs_payload(from, {&line, 1}),
            std::string(R"({"resourceLogs":[{)") + std::string(resource) + R"("scopeLogs":[{)" + std::string(scope) +
                R"("logRecords":[{"timeUnixNano":"5","observedTimeUnixNano":"5","severityNumber":13,)"
                R"("severityText":"WARN","body":{"stringValue":"slow"},"attributes":[)"
                R"({"key":"room","value":{"stringValue":"plugins"}},{"key":"tenant","value":{"stringValue":"acme"}}],)"
                R"("traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","flags":1}]}]}]})");
  const LogRecord of_no_trace{.time = base::Timestamp(5), .traceparent = "garbage"};
  EXPECT_EQ(logs_payload(from, {&of_no_trace, 1}).find("traceId"), std::string::npos);
}

TEST(Payload, metrics_are_cumulative_and_buckets_are_each_alone) {
  using prometheus::ClientMetric;
  using prometheus::MetricType;
  ClientMetric counter;
  counter.counter.value = 7;
  counter.label = {{"class", "2xx"}};
  ClientMetric gauge;
  gauge.gauge.value = std::numeric_limits<double>::quiet_NaN();
  ClientMetric histogram;
  histogram.histogram.sample_count = 5;
  histogram.histogram.sample_sum = 1.5;
  histogram.histogram.bucket = {{2, 0.1}, {4, 1}, {5, std::numeric_limits<double>::infinity()}};
  telemetry::Metrics metrics;
  metrics.families = {{.name = "a_bytes_total", .help = "A.", .type = MetricType::Counter, .metric = {counter}},
                      {.name = "b", .help = "B.", .type = MetricType::Gauge, .metric = {gauge}},
                      {.name = "c_seconds", .help = "C.", .type = MetricType::Histogram, .metric = {histogram}}};
  metrics.exemplars["c_seconds"] = {
      std::nullopt,
      telemetry::Exemplar{.context = *trace::Context::parse(traceparent), .value = 0.5, .time = base::Timestamp(3)}};
  EXPECT_EQ(
      metrics_payload(from, metrics, base::Timestamp(1), base::Timestamp(2)),
      std::string(R"({"resourceMetrics":[{)") + std::string(resource) + R"("scopeMetrics":[{)" + std::string(scope) +
          R"("metrics":[{"name":"a_bytes_total","description":"A.","unit":"By","sum":{"dataPoints":[{"attributes":[)"
          R"({"key":"class","value":{"stringValue":"2xx"}}],"startTimeUnixNano":"1","timeUnixNano":"2","asDouble":7}],)"
          R"("aggregationTemporality":2,"isMonotonic":true}},)"
          R"({"name":"b","description":"B.","unit":"1","gauge":{"dataPoints":[{"attributes":[],"timeUnixNano":"2",)"
          R"("asDouble":"NaN"}]}},)"
          R"({"name":"c_seconds","description":"C.","unit":"s","histogram":{"dataPoints":[{"attributes":[],)"
          R"("startTimeUnixNano":"1","timeUnixNano":"2","count":"5","sum":1.5,"bucketCounts":["2","2","1"],)"
          R"("explicitBounds":[0.1,1],"exemplars":[{"timeUnixNano":"3","asDouble":0.5,"spanId":"00f067aa0ba902b7",)"
          R"("traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}]}],"aggregationTemporality":2}}]}]}]})");
}

}  // namespace
}  // namespace trv::otlp
