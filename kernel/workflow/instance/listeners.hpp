#pragma once
// The instances that listen for an event. Pure; any thread, within the caller's transaction.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernel/workflow/instance/decisions.hpp"

namespace trv::instance {

/// A value of an event or an instance as correlations compare it: a text as it is, other values as JSON.
[[nodiscard]] std::string correlation_text(const json::Value& value);
/// What is given out of an event.
[[nodiscard]] json::Value read_as(definition::ReadAs read, const json::Value& event);
/// Of all values that a filter's correlations expect; never 0. 0 where there are none.
[[nodiscard]] std::uint64_t correlation_of(const std::vector<std::string>& expected);

/// An event that more of them listen for is refused: it would hold the shard for too long.
inline constexpr std::size_t listeners_max = 10'000;

/// A task that listens. Within a foreach several of a branch may.
struct Listening {
  BranchId branch = root_branch;
  TaskIndex task = no_task;
  friend auto operator<=>(const Listening&, const Listening&) = default;
};
/// By instance and task, the filters of the task that let the event pass, in their order.
using Listeners = std::map<InstanceId, std::map<Listening, std::vector<std::uint32_t>>>;
/// Error: too_large where there are more than listeners_max.
[[nodiscard]] base::Result<Listeners> listeners_of(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                   Workflows workflows, std::string_view event_type,
                                                   const json::Value& event);

}  // namespace trv::instance
