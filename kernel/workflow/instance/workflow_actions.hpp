#pragma once
// What an operator does to a workflow as a whole: to all of its versions, and to those to come. Pure functions as those
// in decisions.hpp; the actor is in the records' headers. What has started goes on, whatever becomes of its workflow.

#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/instance/decisions.hpp"

namespace trv::instance {

/// Instances that are counted at the most.
inline constexpr std::size_t running_counted_max = 1'000;

struct Switched {
  shard::Decision decision;  ///< no events where it was so already
  bool changed = false;
};
/// From here on nothing starts an instance of it: no request, event, time of its schedule or other workflow, and no
/// fork. Error: not_found.
[[nodiscard]] base::Result<Switched> disable_workflow(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                      Workflows workflows, std::string_view space,
                                                      std::string_view name, std::string_view reason);
/// Its schedule begins as if its newest version was applied now. Errors: not_found; as ready().
[[nodiscard]] base::Result<Switched> enable_workflow(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                     Workflows workflows, std::string_view space, std::string_view name,
                                                     std::string_view reason);

struct DeleteWorkflow {
  std::string space;
  std::string name;
  std::size_t running = 0;  ///< instances of it that have not ended, as count_running() said before
  bool while_running = false;
  std::string reason{};
};
struct DeletedWorkflow {
  shard::Decision decision;
  std::vector<std::string> versions;  ///< that it had
};
/// All versions. Errors: not_found; conflict where instances run, and `while_running` is not said.
[[nodiscard]] base::Result<DeletedWorkflow> delete_workflow(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                            Workflows workflows, const DeleteWorkflow& command);

/// The namespace has the workflows `wanted`, and no other, in no other version. Those that are there stay as they are;
/// a disabled one is disabled in its new version, too. Precondition: each is of that namespace.
[[nodiscard]] base::Result<shard::Decision> keep_workflows(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                           Workflows workflows, std::string_view space,
                                                           std::vector<ApplyDefinition> wanted,
                                                           std::string_view reason);

/// Instances of the workflow that have not ended, running_counted_max at the most. Reads marks of many; not for the
/// shard's thread.
[[nodiscard]] base::Result<std::size_t> count_running(const lmdb::Txn& txn, const Tables& tables,
                                                      const base::TenantId& tenant, std::string_view space,
                                                      std::string_view name);

/// Error: conflict where the workflow is disabled.
[[nodiscard]] base::Status check_enabled(const lmdb::Txn& txn, const Tables& tables, const base::TenantId& tenant,
                                         const definition::Name& workflow);

}  // namespace trv::instance
