#include "kernel/telemetry/past.hpp"

#include <algorithm>

#include "kernel/telemetry/rounded.hpp"
#include "sdk/base/contract.hpp"

namespace trv::telemetry {
namespace {

constexpr auto outlook_from = std::chrono::hours(1);
constexpr double outlook_days_max = 365;

double seconds_between(const Sample& from, const Sample& to) {
  return std::chrono::duration<double>(to.time - from.time).count();
}

/// Change in a second, by least squares.
double slope_of(const std::vector<Sample>& samples, std::uint64_t Sample::* figure) {
  double mean_time = 0;
  double mean = 0;
  for (const Sample& one : samples) {
    mean_time += seconds_between(samples.front(), one);
    mean += static_cast<double>(one.*figure);
  }
  mean_time /= static_cast<double>(samples.size());
  mean /= static_cast<double>(samples.size());
  double covariance = 0;
  double variance = 0;
  for (const Sample& one : samples) {
    const double time = seconds_between(samples.front(), one) - mean_time;
    covariance += time * (static_cast<double>(one.*figure) - mean);
    variance += time * time;
  }
  return variance > 0 ? covariance / variance : 0;
}

std::optional<base::Timestamp> after(const Sample& last, double left, double per_second) {
  if (per_second <= 0) return std::nullopt;
  const double seconds = std::max(0.0, left) / per_second;
  if (seconds > outlook_days_max * 86'400) return std::nullopt;
  return last.time + std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

void Past::add(const Sample& sample) {
  const std::scoped_lock lock(mutex_);
  // A clock that was set back would make time run backwards.
  while (!samples_.empty() && samples_.back().time >= sample.time) samples_.pop_back();
  samples_.push_back(sample);
  if (samples_.size() > samples_max) samples_.pop_front();
}

std::vector<Sample> Past::all() const {
  const std::scoped_lock lock(mutex_);
  return {samples_.begin(), samples_.end()};
}

std::optional<std::pair<Sample, Sample>> Past::ends_of(base::Duration window) const {
  const std::scoped_lock lock(mutex_);
  if (samples_.size() < 2) return std::nullopt;
  const base::Timestamp from = samples_.back().time + -window;
  auto first = std::ranges::lower_bound(samples_, from, {}, &Sample::time);
  if (first == std::prev(samples_.end())) --first;
  return std::pair(samples_.back(), *first);
}

RequestFigures Past::requests_of(base::Duration window) const {
  const auto ends = ends_of(window);
  return ends ? ends->first.requests.since(ends->second.requests) : RequestFigures();
}

std::optional<base::Timestamp> Past::full_at(std::uint64_t Sample::* used, std::uint64_t all_of_it) const {
  const auto samples = all();
  if (samples.size() < 2 || samples.back().time - samples.front().time < outlook_from) return std::nullopt;
  const double left = static_cast<double>(all_of_it) - static_cast<double>(samples.back().*used);
  return after(samples.back(), left, slope_of(samples, used));
}

std::optional<base::Timestamp> Past::empty_at(std::uint64_t Sample::* left) const {
  const auto samples = all();
  if (samples.size() < 2 || samples.back().time - samples.front().time < outlook_from) return std::nullopt;
  return after(samples.back(), static_cast<double>(samples.back().*left), -slope_of(samples, left));
}

json::Value Past::series(std::size_t points_max) const {
  TRV_EXPECTS(points_max > 0);
  const auto samples = all();
  const std::size_t intervals = samples.empty() ? 0 : samples.size() - 1;
  const std::size_t step = std::max<std::size_t>(1, (intervals + points_max - 1) / points_max);
  static constexpr std::array<const char*, 15> names = {"times",
                                                        "requests_per_second",
                                                        "failed_per_second",
                                                        "seconds_p50",
                                                        "seconds_p99",
                                                        "records_per_second",
                                                        "commands_waiting",
                                                        "effects_pending",
                                                        "effects_parked",
                                                        "outgoing",
                                                        "outgoing_waiting",
                                                        "plugin_calls_per_second",
                                                        "cpu",
                                                        "memory_bytes",
                                                        "disk_free_bytes"};
  std::array<json::Value, names.size()> columns;
  columns.fill(json::Value::array());
  // From the newest back, so that points stay where they are while new samples come.
  for (std::size_t end = intervals % step; end <= intervals; end += step) {
    if (end == 0) continue;
    const Sample& from = samples[end - std::min(end, step)];
    const Sample& to = samples[end];
    const double seconds = std::max(seconds_between(from, to), 1e-3);
    const RequestFigures requests = to.requests.since(from.requests);
    const auto rate = [&](std::uint64_t count) { return rounded(static_cast<double>(count) / seconds); };
    const std::array<json::Value, names.size()> row = {to.time.ms() / 1000,
                                                       rate(requests.total()),
                                                       rate(requests.failed()),
                                                       rounded(requests.quantile(0.5)),
                                                       rounded(requests.quantile(0.99)),
                                                       rate(to.records - from.records),
                                                       to.commands_waiting,
                                                       to.effects_pending,
                                                       to.effects_parked,
                                                       to.outgoing,
                                                       to.outgoing_waiting,
                                                       rate(to.plugin_calls - from.plugin_calls),
                                                       rounded((to.cpu_s - from.cpu_s) / seconds),
                                                       to.memory_bytes,
                                                       to.disk_free_bytes};
    for (std::size_t i = 0; i < names.size(); ++i) columns[i].push_back(row[i]);
  }
  json::Value out = json::Value::object();
  for (std::size_t i = 0; i < names.size(); ++i) out.set(names[i], std::move(columns[i]));
  return out;
}

}  // namespace trv::telemetry
