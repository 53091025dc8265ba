#pragma once
// What one decision may spend, however many instances it runs.

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "kernel/expression/shared_fuel.hpp"
#include "kernel/workflow/instance/state.hpp"

namespace trv::instance {

/// One thread, for the time of one decision.
struct DecisionBudget {
  explicit DecisionBudget(std::uint64_t fuel_units = fuel_per_decision_max) : fuel(fuel_units) {}

  expression::SharedFuel fuel;
  std::uint64_t chosen_with = 0;     ///< fuel that went into whether instances hear an event
  std::uint32_t steps = 0;           ///< made
  std::size_t event_bytes = 0;       ///< of the payloads of its events
  std::set<InstanceId> heard{};      ///< instances that events of the request have moved
  std::set<std::string> gathered{};  ///< namespace/name of workflows for which events of the request wait
};

}  // namespace trv::instance
