#include "kernel/otlp/payload.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "kernel/json/serialize.hpp"
#include "sdk/base/hex_digit.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::otlp {
namespace {

constexpr int cumulative = 2;  // AGGREGATION_TEMPORALITY_CUMULATIVE
constexpr int status_error = 2;
// Most of them are shorter; memory that is reserved and not used costs nothing.
constexpr std::size_t span_bytes = 768;
constexpr std::size_t line_bytes = 512;
constexpr std::size_t family_bytes = 1024;

std::uint64_t nanoseconds(base::Timestamp time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.ns(), 0));
}

/// JSON text that grows. A name or a value puts the comma that it needs before itself.
class Writer {
 public:
  explicit Writer(std::size_t bytes_expected) { text_.reserve(bytes_expected); }
  Writer& open(char bracket) {
    separate();
    return begin(bracket);
  }
  /// As open(), without a comma before it.
  Writer& begin(char bracket) {
    text_ += bracket;
    is_first_ = true;
    return *this;
  }
  Writer& close(char bracket) {
    text_ += bracket;
    is_first_ = false;
    return *this;
  }
  /// Of the protocol: it needs no escapes.
  Writer& name(std::string_view name) {
    separate();
    text_.append("\"").append(name).append("\":");
    is_first_ = true;
    return *this;
  }
  Writer& text(std::string_view text) {
    separate();
    return value(text);
  }
  /// As text(), without a comma before it.
  Writer& value(std::string_view text) {
    json::append_string(text_, base::is_utf8(text) ? text : std::string_view(base::to_valid_utf8(text)));
    return *this;
  }
  /// A piece of JSON that goes on where the last one ended.
  Writer& add(std::string_view piece) {
    text_ += piece;
    return *this;
  }
  /// A number or a word of JSON.
  Writer& raw(std::string_view value) {
    separate();
    text_ += value;
    return *this;
  }
  /// 64-bit integers are strings.
  Writer& integer(std::uint64_t value) {
    separate();
    return add("\"").digits(value).add("\"");
  }
  template <std::size_t size>
  Writer& hex(const std::array<std::uint8_t, size>& bytes) {
    std::array<char, 2 * size> text;
    base::put_hex(text.data(), bytes.data(), size);
    return add({text.data(), text.size()});
  }
  Writer& digits(std::uint64_t value) {
    std::array<char, 20> text;
    return add({text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr});
  }
  Writer& number(double value) {
    if (std::isnan(value)) return text("NaN");
    if (std::isinf(value)) return text(value > 0 ? "Infinity" : "-Infinity");
    separate();
    json::append_number(text_, json::Value(value));
    return *this;
  }
  Writer& time(std::string_view name_of_it, base::Timestamp time) {
    return name(name_of_it).integer(nanoseconds(time));
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void separate() {
    if (!is_first_) text_ += ',';
    is_first_ = false;
  }

  std::string text_;
  bool is_first_ = true;
};

void attribute(Writer& to, std::string_view name, std::string_view value) {
  to.raw(R"({"key":)").value(name).add(R"(,"value":{"stringValue":)").value(value).add("}}");
}

template <typename All>
void attributes(Writer& to, const All& all) {
  to.name("attributes").open('[');
  for (const auto& [name, value] : all) attribute(to, name, value);
  to.close(']');
}

void attributes(Writer& to, const std::vector<prometheus::ClientMetric::Label>& labels) {
  to.name("attributes").open('[');
  for (const auto& label : labels) attribute(to, label.name, label.value);
  to.close(']');
}

/// `{"resourceX":[{"resource":…,"scopeX":[{"scope":…,"items":[` … and its end.
template <typename Add>
std::string of_resource(const Exporting& from, std::string_view resources, std::string_view scopes,
                        std::string_view items, std::size_t bytes_expected, Add add) {
  Writer to(bytes_expected);
  to.open('{').name(resources).open('[').open('{').name("resource").open('{');
  attributes(to, from.resource);
  to.close('}').name(scopes).open('[').open('{').name("scope").open('{');
  to.name("name").text("travertine").name("version").text(from.version).close('}');
  to.name(items).open('[');
  add(to);
  to.close(']').close('}').close(']').close('}').close(']').close('}');
  return to.take();
}

void add_span(Writer& to, const trace::Span& span) {
  to.raw(R"({"traceId":")").hex(span.context.trace).add(R"(","spanId":")").hex(span.context.span);
  if (std::ranges::any_of(span.parent, [](std::uint8_t byte) { return byte != 0; })) {
    to.add(R"(","parentSpanId":")").hex(span.parent);
  }
  to.add(R"(","flags":1,"name":)").value(span.name);
  to.add(R"(,"kind":)").digits(static_cast<std::uint64_t>(span.kind));
  to.add(R"(,"startTimeUnixNano":")").digits(nanoseconds(span.began));
  to.add(R"(","endTimeUnixNano":")").digits(nanoseconds(std::max(span.began, span.ended)));
  to.add(R"(","attributes":)").begin('[');
  span.attributes.for_each([&to](std::string_view name, std::string_view value, bool is_number) {
    if (!is_number) return attribute(to, name, value);
    to.raw(R"({"key":)").value(name).add(R"(,"value":{"intValue":")").add(value).add(R"("}})");
  });
  to.close(']');
  to.name("status").open('{');
  if (span.is_failed) to.name("code").raw(std::to_string(status_error));
  if (span.is_failed && !span.problem.empty()) to.name("message").text(span.problem);
  to.close('}').close('}');
}

void add_line(Writer& to, const LogRecord& line) {
  struct Severity {
    int number;
    std::string_view text;
  };
  constexpr std::array<Severity, 4> severities = {{{5, "DEBUG"}, {9, "INFO"}, {13, "WARN"}, {17, "ERROR"}}};
  const Severity& severity = severities[static_cast<std::size_t>(line.level)];
  to.open('{').time("timeUnixNano", line.time).time("observedTimeUnixNano", line.time);
  to.name("severityNumber").raw(std::to_string(severity.number)).name("severityText").text(severity.text);
  to.name("body").open('{').name("stringValue").text(line.message).close('}');
  to.name("attributes").open('[');
  attribute(to, "room", line.room);
  for (const auto& [name, value] : line.attributes) attribute(to, name, value);
  to.close(']');
  if (const auto context = trace::Context::parse(line.traceparent)) {
    to.name("traceId").text(context->trace_text()).name("spanId").text(context->span_text());
    to.name("flags").raw(context->is_sampled ? "1" : "0");
  }
  to.close('}');
}

/// By UCUM, of the name's last word but `total`.
std::string_view unit_of(std::string_view name) {
  if (name.ends_with("_total")) name.remove_suffix(6);
  if (name.ends_with("_seconds")) return "s";
  if (name.ends_with("_bytes")) return "By";
  return "1";
}

void add_histogram(Writer& to, const prometheus::ClientMetric::Histogram& histogram) {
  to.name("count").integer(histogram.sample_count).name("sum").number(histogram.sample_sum);
  std::uint64_t before = 0;
  to.name("bucketCounts").open('[');
  for (const auto& bucket : histogram.bucket) {
    to.integer(bucket.cumulative_count - before);
    before = bucket.cumulative_count;
  }
  to.close(']').name("explicitBounds").open('[');
  for (const auto& bucket : histogram.bucket) {
    if (std::isfinite(bucket.upper_bound)) to.number(bucket.upper_bound);
  }
  to.close(']');
}

void add_exemplars(Writer& to, const telemetry::Metrics& metrics, const prometheus::MetricFamily& family) {
  if (!metrics.exemplars.contains(family.name)) return;
  to.name("exemplars").open('[');
  for (std::size_t i = 0; i < family.metric.front().histogram.bucket.size(); ++i) {
    const telemetry::Exemplar* const one = metrics.exemplar(family, i);
    if (one == nullptr) continue;
    to.open('{').time("timeUnixNano", one->time).name("asDouble").number(one->value);
    to.name("spanId").text(one->context.span_text()).name("traceId").text(one->context.trace_text()).close('}');
  }
  to.close(']');
}

void add_family(Writer& to, const telemetry::Metrics& metrics, const prometheus::MetricFamily& family,
                base::Timestamp began, base::Timestamp now) {
  const bool is_counter = family.type == prometheus::MetricType::Counter;
  const bool is_histogram = family.type == prometheus::MetricType::Histogram;
  to.open('{').name("name").text(family.name).name("description").text(family.help);
  to.name("unit").text(unit_of(family.name));
  to.name(is_counter ? "sum" : is_histogram ? "histogram" : "gauge").open('{').name("dataPoints").open('[');
  for (const prometheus::ClientMetric& metric : family.metric) {
    to.open('{');
    attributes(to, metric.label);
    if (is_counter || is_histogram) to.time("startTimeUnixNano", began);
    to.time("timeUnixNano", now);
    if (is_histogram) {
      add_histogram(to, metric.histogram);
      add_exemplars(to, metrics, family);
    } else {
      to.name("asDouble").number(is_counter ? metric.counter.value : metric.gauge.value);
    }
    to.close('}');
  }
  to.close(']');
  if (is_counter || is_histogram) to.name("aggregationTemporality").raw(std::to_string(cumulative));
  if (is_counter) to.name("isMonotonic").raw("true");
  to.close('}').close('}');
}

}  // namespace

std::string traces_payload(const Exporting& from, std::span<const trace::Span> spans) {
  return of_resource(from, "resourceSpans", "scopeSpans", "spans", spans.size() * span_bytes, [&](Writer& to) {
    for (const trace::Span& span : spans) add_span(to, span);
  });
}

std::string logs_payload(const Exporting& from, std::span<const LogRecord> lines) {
  return of_resource(from, "resourceLogs", "scopeLogs", "logRecords", lines.size() * line_bytes, [&](Writer& to) {
    for (const LogRecord& line : lines) add_line(to, line);
  });
}

std::string metrics_payload(const Exporting& from, const telemetry::Metrics& metrics, base::Timestamp began,
                            base::Timestamp now) {
  return of_resource(from, "resourceMetrics", "scopeMetrics", "metrics", metrics.families.size() * family_bytes,
                     [&](Writer& to) {
                       for (const prometheus::MetricFamily& family : metrics.families)
                         add_family(to, metrics, family, began, now);
                     });
}

}  // namespace trv::otlp
