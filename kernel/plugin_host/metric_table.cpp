#include "kernel/plugin_host/metric_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using base::fail;

constexpr std::size_t label_value_bytes_max = 64;
constexpr std::array<std::string_view, 4> labels_of_the_host = {"plugin", "version", "name", "le"};

bool is_name(std::string_view name) {
  const auto may_be = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= metric_name_bytes_max && name[0] >= 'a' && name[0] <= 'z' &&
         std::ranges::all_of(name, may_be);
}

base::Status check(const Measurement& one) {
  if (!is_name(one.name)) {
    return fail(ErrorCode::invalid, fmt::format("the metric's name \"{}\" is not of a-z, 0-9 and _, at most {} bytes",
                                                printable(one.name, 80), metric_name_bytes_max));
  }
  if (!std::isfinite(one.value) || (one.kind == MetricKind::counter && one.value < 0)) {
    return fail(ErrorCode::invalid, fmt::format("metric '{}': {} is not a value of its kind", one.name, one.value));
  }
  if (one.labels.size() > metric_labels_max) {
    return fail(ErrorCode::invalid, fmt::format("metric '{}' has {} labels, at most {} are taken", one.name,
                                                one.labels.size(), metric_labels_max));
  }
  for (std::size_t index = 0; index < one.labels.size(); ++index) {
    const auto& [name, value] = one.labels[index];
    const bool is_twice = index > 0 && one.labels[index - 1].first == name;
    const bool is_own = std::ranges::find(labels_of_the_host, name) == labels_of_the_host.end();
    if (!is_name(name) || is_twice || !is_own || value.size() > label_value_bytes_max || !base::is_utf8(value)) {
      return fail(ErrorCode::invalid, fmt::format("metric '{}': its label \"{}\" cannot be taken: a name of a-z, 0-9 "
                                                  "and _ that is not the host's, once, and a text of at most {} bytes",
                                                  one.name, printable(name, 80), label_value_bytes_max));
    }
  }
  return {};
}

}  // namespace

base::Status MetricTable::record(Measurement measurement) {
  std::ranges::sort(measurement.labels);
  TRV_TRY(check(measurement));
  const std::lock_guard lock(mutex_);
  const auto kind = kinds_.find(measurement.name);
  if (kind != kinds_.end() && kind->second != measurement.kind) {
    return fail(ErrorCode::invalid, fmt::format("metric '{}' is of another kind already", measurement.name));
  }
  const auto key = std::tuple(measurement.kind, measurement.name, measurement.labels);
  auto found = series_.find(key);
  if (found == series_.end()) {
    if (series_.size() >= metric_series_max) {
      return fail(ErrorCode::exhausted,
                  fmt::format("metric '{}': there are {} series already, the most that a version of a plugin may have",
                              measurement.name, metric_series_max));
    }
    kinds_[measurement.name] = measurement.kind;
    found = series_.emplace(key, MetricSeries{measurement.kind, measurement.name, measurement.labels, 0, 0, {}}).first;
  }
  MetricSeries& series = found->second;
  ++series.observed;
  series.value = measurement.kind == MetricKind::gauge ? measurement.value : series.value + measurement.value;
  for (std::size_t bucket = 0; bucket < metric_buckets.size(); ++bucket) {
    if (measurement.value <= metric_buckets[bucket]) ++series.buckets[bucket];
  }
  return {};
}

std::vector<MetricSeries> MetricTable::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<MetricSeries> all;
  for (const auto& [key, series] : series_) all.push_back(series);
  return all;
}

}  // namespace trv::plugin_host
