#pragma once
// Instances that run instances: how they know each other, and what a decision about one means for the others.

#include <optional>
#include <string>
#include <string_view>

#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {

/// The task that runs an instance, as the instance's trigger says it.
struct RunOf {
  InstanceId parent;
  BranchId branch = root_branch;
  TaskIndex task = no_task;
  std::uint32_t depth = 1;
  bool awaits = true;
};
[[nodiscard]] std::string to_trigger(const RunOf& run);
/// nullopt for the trigger of an instance that nobody runs.
[[nodiscard]] std::optional<RunOf> run_in(std::string_view trigger);

/// Puts into `decision` what an execution has come to: its events, the instances that it runs, the end of those that it
/// has abandoned, and, where it has ended itself, how the instance goes on that awaits it. Errors: as run().
[[nodiscard]] base::Status conclude(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                    const InstanceId& instance, std::string_view trigger, Execution& execution,
                                    shard::Decision& decision);
/// The events that cancel a running instance and all that it awaits; none where it has ended.
[[nodiscard]] base::Status cancel_all(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                      const InstanceId& instance, std::string_view reason, shard::Decision& decision);
/// An instance has ended: the one that awaits it goes on.
[[nodiscard]] base::Status return_to_parent(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                            Workflows workflows, const InstanceId& instance, std::string_view trigger,
                                            Returned returned, shard::Decision& decision);

}  // namespace trv::instance
