#pragma once
// What is promised of the API, and how much of what may go wrong is used. Pure; any thread.

#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/telemetry/past.hpp"

namespace trv::telemetry {

/// A share of requests that has to be good over the window.
struct Objective {
  std::string_view name;
  std::string_view title;
  double target;
  std::uint64_t (*good)(const RequestFigures&);
};
/// As installer/operations/objectives.yaml has them.
[[nodiscard]] const std::vector<Objective>& objectives();

/// The share of what may go wrong that did, as a multiple of what is allowed: 1 uses the budget up just in time. 0
/// where there were no requests.
[[nodiscard]] double burn_of(const Objective& objective, const RequestFigures& requests);

/// [{"name", "title", "target", "requests", "good", "budget_left", "burn": {"5m", "1h", "6h"}}]; the budget is that of
/// the last six hours.
[[nodiscard]] json::Value to_json(const std::vector<Objective>& objectives, const Past& past);

}  // namespace trv::telemetry
