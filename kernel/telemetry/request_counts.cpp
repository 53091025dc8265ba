#include "kernel/telemetry/request_counts.hpp"

#include <algorithm>
#include <numeric>

#include "sdk/base/contract.hpp"

namespace trv::telemetry {
namespace {

double seconds_of(base::Duration took) noexcept {
  return std::chrono::duration<double>(took).count();
}

std::size_t bucket_of(double seconds) noexcept {
  return static_cast<std::size_t>(std::ranges::lower_bound(duration_bounds, seconds) - duration_bounds.begin());
}

}  // namespace

std::uint64_t RequestFigures::total() const noexcept {
  return std::accumulate(by_class.begin(), by_class.end(), std::uint64_t{0});
}

std::uint64_t RequestFigures::within(double seconds) const noexcept {
  const auto bound = std::ranges::find(duration_bounds, seconds);
  TRV_EXPECTS(bound != duration_bounds.end());
  const auto end = by_duration.begin() + (bound - duration_bounds.begin()) + 1;
  return std::accumulate(by_duration.begin(), end, std::uint64_t{0});
}

double RequestFigures::quantile(double part) const noexcept {
  TRV_EXPECTS(part >= 0 && part <= 1);
  const auto all = std::accumulate(by_duration.begin(), by_duration.end(), std::uint64_t{0});
  if (all == 0) return 0;
  const double wanted = part * static_cast<double>(all);
  double below = 0;
  for (std::size_t i = 0; i < duration_bounds.size(); ++i) {
    const auto here = static_cast<double>(by_duration[i]);
    if (here > 0 && below + here >= wanted) {
      const double from = i == 0 ? 0 : duration_bounds[i - 1];
      return from + (duration_bounds[i] - from) * (wanted - below) / here;
    }
    below += here;
  }
  return duration_bounds.back();
}

RequestFigures RequestFigures::since(const RequestFigures& before) const noexcept {
  RequestFigures out = *this;
  for (std::size_t i = 0; i < by_class.size(); ++i) out.by_class[i] -= before.by_class[i];
  for (std::size_t i = 0; i < by_duration.size(); ++i) out.by_duration[i] -= before.by_duration[i];
  out.took_us -= before.took_us;
  return out;
}

void RequestCounts::answered(int status, base::Duration took) noexcept {
  TRV_EXPECTS(status >= 200 && status <= 599);
  const double seconds = seconds_of(took);
  by_class_[static_cast<std::size_t>(status / 100 - 2)].fetch_add(1, std::memory_order_relaxed);
  by_duration_[bucket_of(seconds)].fetch_add(1, std::memory_order_relaxed);
  took_us_.fetch_add(static_cast<std::uint64_t>(std::max(0.0, seconds * 1e6)), std::memory_order_relaxed);
}

void RequestCounts::keep_exemplar(const trace::Context& context, base::Duration took, base::Timestamp now) noexcept {
  const double seconds = seconds_of(took);
  Newest& newest = newest_[bucket_of(seconds)];
  const std::unique_lock lock(newest.mutex, std::try_to_lock);
  if (lock) newest.exemplar = Exemplar{.context = context, .value = seconds, .time = now};
}

Exemplars RequestCounts::exemplars() const {
  Exemplars out;
  for (const Newest& newest : newest_) {
    const std::scoped_lock lock(newest.mutex);
    out.push_back(newest.exemplar);
  }
  return out;
}

RequestFigures RequestCounts::read() const noexcept {
  RequestFigures out;
  for (std::size_t i = 0; i < by_class_.size(); ++i) out.by_class[i] = by_class_[i].load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < by_duration_.size(); ++i) {
    out.by_duration[i] = by_duration_[i].load(std::memory_order_relaxed);
  }
  out.took_us = took_us_.load(std::memory_order_relaxed);
  return out;
}

}  // namespace trv::telemetry
