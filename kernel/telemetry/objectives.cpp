#include "kernel/telemetry/objectives.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "kernel/telemetry/rounded.hpp"

namespace trv::telemetry {
namespace {

constexpr auto budget_window = std::chrono::hours(6);
constexpr std::array<std::pair<const char*, base::Duration>, 3> burn_windows = {
    {{"5m", std::chrono::minutes(5)}, {"1h", std::chrono::hours(1)}, {"6h", budget_window}}};

}  // namespace

const std::vector<Objective>& objectives() {
  static const std::vector<Objective> all = {
      {"availability", "Requests that the server does not fail", 0.999,
       [](const RequestFigures& requests) { return requests.total() - requests.failed(); }},
      {"latency", "Requests that are answered within 250 ms", 0.99,
       [](const RequestFigures& requests) { return requests.within(0.25); }},
  };
  return all;
}

double burn_of(const Objective& objective, const RequestFigures& requests) {
  const std::uint64_t total = requests.total();
  if (total == 0) return 0;
  const double bad = 1 - static_cast<double>(objective.good(requests)) / static_cast<double>(total);
  return std::max(0.0, bad) / (1 - objective.target);
}

json::Value to_json(const std::vector<Objective>& objectives, const Past& past) {
  json::Value all = json::Value::array();
  const RequestFigures requests = past.requests_of(budget_window);
  for (const Objective& one : objectives) {
    json::Value burn = json::Value::object();
    for (const auto& [name, window] : burn_windows) burn.set(name, rounded(burn_of(one, past.requests_of(window))));
    all.push_back({{"name", one.name},
                   {"title", one.title},
                   {"target", one.target},
                   {"requests", requests.total()},
                   {"good", requests.total() == 0 ? 0 : one.good(requests)},
                   {"budget_left", rounded(1 - burn_of(one, requests))},
                   {"burn", std::move(burn)}});
  }
  return all;
}

}  // namespace trv::telemetry
