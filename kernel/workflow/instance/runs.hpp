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
/// Whether what an instance's completed tasks have done is undone before it ends.
enum class Undo : std::uint8_t { no, yes };
/// The events that cancel a running instance and all that it awaits; none where it has ended. With Undo::yes those that
/// can compensate begin to, and end later.
[[nodiscard]] base::Status cancel_all(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                      const InstanceId& instance, std::string_view reason, Undo undo,
                                      shard::Decision& decision);
/// The error that an instance gets whose awaited one was cancelled.
[[nodiscard]] json::Value cancelled_error(const InstanceId& instance);
/// An instance has ended: the one that awaits it goes on.
[[nodiscard]] base::Status return_to_parent(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                            Workflows workflows, const InstanceId& instance, std::string_view trigger,
                                            Returned returned, shard::Decision& decision);

}  // namespace trv::instance
