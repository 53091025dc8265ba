#include "kernel/telemetry/open_metrics.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::telemetry {
namespace {

constexpr std::string_view media_type = "application/openmetrics-text";
constexpr std::string_view total = "_total";

/// What is before the separator; `text` keeps what is behind it.
std::string_view next_part(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = base::trimmed(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

/// With a point, as the specification has canonical numbers: "1.0", "0.25", "1e+07".
std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

using Labels = std::vector<prometheus::ClientMetric::Label>;

/// `{a="1",b="2"}`, or nothing where there are none. `bound` is of a bucket; empty: there is none.
void append_labels(std::string& out, const Labels& labels, std::string_view bound = {}) {
  if (labels.empty() && bound.empty()) return;
  char separator = '{';
  const auto add = [&](std::string_view name, std::string_view value) {
    out += separator;
    out.append(name).append("=\"");
    append_escaped(out, value);
    out += '"';
    separator = ',';
  };
  for (const auto& label : labels) add(label.name, label.value);
  if (!bound.empty()) add("le", bound);
  out += '}';
}

void append_sample(std::string& out, std::string_view name, const Labels& labels, double value) {
  out += name;
  append_labels(out, labels);
  out.append(" ").append(number(value)).append("\n");
}

void append_exemplar(std::string& out, const Exemplar& exemplar) {
  const auto ms = exemplar.time.ms();
  fmt::format_to(std::back_inserter(out), " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {}.{:03}",
                 exemplar.context.trace_text(), exemplar.context.span_text(), number(exemplar.value), ms / 1000,
                 ms % 1000);
}

void append_histogram(std::string& out, const Metrics& metrics, const prometheus::MetricFamily& family,
                      const prometheus::ClientMetric& metric) {
  for (std::size_t i = 0; i < metric.histogram.bucket.size(); ++i) {
    const auto& bucket = metric.histogram.bucket[i];
    out.append(family.name).append("_bucket");
    append_labels(out, metric.label, number(bucket.upper_bound));
    fmt::format_to(std::back_inserter(out), " {}", bucket.cumulative_count);
    if (const Exemplar* const exemplar = metrics.exemplar(family, i)) append_exemplar(out, *exemplar);
    out += '\n';
  }
  append_sample(out, family.name + "_count", metric.label, static_cast<double>(metric.histogram.sample_count));
  append_sample(out, family.name + "_sum", metric.label, metric.histogram.sample_sum);
}

}  // namespace

bool accepts_open_metrics(std::string_view accept) {
  while (!accept.empty()) {
    std::string_view range = next_part(accept, ',');
    bool is_wanted = base::equal_ignoring_case(next_part(range, ';'), media_type);
    while (is_wanted && !range.empty()) {
      std::string_view value = next_part(range, ';');
      const std::string_view name = next_part(value, '=');
      if (base::equal_ignoring_case(name, "q")) {
        is_wanted = value.find_first_not_of("0.") != std::string_view::npos;
      } else if (base::equal_ignoring_case(name, "version")) {
        is_wanted = base::trimmed(value) == "1.0.0";
      }
    }
    if (is_wanted) return true;
  }
  return false;
}

std::string to_open_metrics(const Metrics& metrics) {
  std::string out;
  for (const prometheus::MetricFamily& family : metrics.families) {
    const bool is_counter = family.type == prometheus::MetricType::Counter;
    const bool is_histogram = family.type == prometheus::MetricType::Histogram;
    TRV_EXPECTS(is_counter || is_histogram || family.type == prometheus::MetricType::Gauge);
    std::string_view name = family.name;
    TRV_EXPECTS(!is_counter || name.ends_with(total));
    if (is_counter) name.remove_suffix(total.size());
    out.append("# TYPE ").append(name).append(is_counter ? " counter\n" : is_histogram ? " histogram\n" : " gauge\n");
    out.append("# HELP ").append(name).append(" ");
    append_escaped(out, family.help);
    out += '\n';
    for (const prometheus::ClientMetric& metric : family.metric) {
      if (is_histogram) {
        append_histogram(out, metrics, family, metric);
      } else {
        append_sample(out, family.name, metric.label, is_counter ? metric.counter.value : metric.gauge.value);
      }
    }
  }
  return out += "# EOF\n";
}

}  // namespace trv::telemetry
