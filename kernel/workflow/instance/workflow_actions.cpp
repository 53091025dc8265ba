#include "kernel/workflow/instance/workflow_actions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/opened.hpp"
#include "kernel/workflow/instance/past_data.hpp"
#include "kernel/workflow/instance/schedules.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::instance {

using base::ErrorCode;

namespace {

base::Result<StoredDefinition> find(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                    std::string_view space, std::string_view name) {
  TRV_TRY_ASSIGN(auto latest, DefinitionStore(workflows.tables).find_head(txn, context.tenant, space, name));
  if (latest) return *std::move(latest);
  return base::fail(ErrorCode::not_found, fmt::format("there is no workflow {}/{}", space, name));
}

std::string stream_of(const definition::Name& name) {
  return name.space + "/" + name.name;
}

}  // namespace

base::Result<Switched> disable_workflow(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                        Workflows workflows, std::string_view space, std::string_view name,
                                        std::string_view reason) {
  TRV_TRY_ASSIGN(const StoredDefinition latest, find(txn, context, workflows, space, name));
  TRV_TRY_ASSIGN(const auto disabled,
                 DefinitionStore(workflows.tables).disabled(txn, context.tenant, latest.name.space, latest.name.name));
  if (disabled) return Switched{};
  Switched out{.decision = {}, .changed = true};
  out.decision.events.push_back(
      workflow_disabled(context, stream_of(latest.name), base::utf8_prefix(reason, reason_bytes_max)));
  return out;
}

base::Result<Switched> enable_workflow(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                       std::string_view space, std::string_view name, std::string_view reason) {
  TRV_TRY_ASSIGN(const StoredDefinition latest, find(txn, context, workflows, space, name));
  TRV_TRY_ASSIGN(const auto disabled,
                 DefinitionStore(workflows.tables).disabled(txn, context.tenant, latest.name.space, latest.name.name));
  if (!disabled) return Switched{};
  TRV_TRY_ASSIGN(const DefinitionPointer definition, ready(txn, context, workflows, latest.name, latest.sha256));
  TRV_TRY_ASSIGN(const std::int64_t due_ns, first_due(txn, context, workflows, *definition));
  Switched out{.decision = {}, .changed = true};
  out.decision.events.push_back(
      workflow_enabled(context, stream_of(latest.name), base::utf8_prefix(reason, reason_bytes_max), due_ns));
  return out;
}

base::Result<DeletedWorkflow> delete_workflow(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                              Workflows workflows, const DeleteWorkflow& command) {
  TRV_TRY_ASSIGN(const StoredDefinition latest, find(txn, context, workflows, command.space, command.name));
  if (command.running > 0 && !command.while_running) {
    return base::fail(
        ErrorCode::conflict,
        fmt::format(
            "{} of {}/{} {} not ended; wait for them, cancel them, or delete it all the same, and they go on as they "
            "are: 'while_running' over HTTP, --while-running of trav. Disabled, it starts no more of them",
            command.running == 1                     ? "1 instance"
            : command.running >= running_counted_max ? fmt::format("{} or more instances", command.running)
                                                     : fmt::format("{} instances", command.running),
            command.space, command.name, command.running == 1 ? "has" : "have"));
  }
  DeletedWorkflow out;
  TRV_TRY_ASSIGN(out.versions,
                 DefinitionStore(workflows.tables).versions(txn, context.tenant, latest.name.space, latest.name.name));
  out.decision.events.push_back(workflow_deleted(context, stream_of(latest.name),
                                                 base::utf8_prefix(command.reason, reason_bytes_max),
                                                 static_cast<std::uint32_t>(command.running)));
  TRV_ENSURES(!out.versions.empty());
  return out;
}

base::Result<shard::Decision> keep_workflows(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                             Workflows workflows, std::string_view space,
                                             std::vector<ApplyDefinition> wanted, std::string_view reason) {
  const DefinitionStore store(workflows.tables);
  TRV_TRY_ASSIGN(const auto there, store.in_space(txn, context.tenant, space));
  shard::Decision decision;
  std::map<std::string, Disabled> disabled;
  for (const definition::Name& name : there) {
    TRV_TRY_ASSIGN(const auto head, store.find_head(txn, context.tenant, name.space, name.name, name.version));
    const std::size_t kept = std::erase_if(wanted, [&](const ApplyDefinition& one) {
      return head && one.definition->name == name && one.definition->digest == head->sha256;
    });
    if (kept > 0) continue;
    TRV_TRY_ASSIGN(auto by, store.disabled(txn, context.tenant, name.space, name.name));
    if (by) disabled.emplace(name.name, *std::move(by));
    decision.events.push_back(workflow_deleted(context, stream_of(name), reason, 0));
  }
  for (const ApplyDefinition& one : wanted) {
    const definition::Name& name = one.definition->name;
    TRV_EXPECTS(name.space == space);
    TRV_TRY_ASSIGN(const std::int64_t due_ns, first_due(txn, context, workflows, *one.definition));
    decision.events.push_back(workflow_applied(context, *one.definition, one.format, one.text, due_ns));
    workflows.cache.put(context.tenant, one.definition);
    const auto before = disabled.find(name.name);
    if (before == disabled.end()) continue;
    decision.events.push_back(workflow_disabled(context, stream_of(name), before->second.reason));
  }
  return decision;
}

base::Result<std::size_t> count_running(const lmdb::Txn& txn, const Tables& tables, const base::TenantId& tenant,
                                        std::string_view space, std::string_view name) {
  const InstanceStore instances(tables);
  const Search search{.has_not_ended = true, .workflow = fmt::format("{}/{}", space, name)};
  std::size_t count = 0;
  std::string cursor;
  do {
    TRV_TRY_ASSIGN(Page<InstanceSummary> page, instances.list(txn, tenant, search, cursor, running_counted_max));
    count = std::min(count + page.items.size(), running_counted_max);
    cursor = std::move(page.next);
  } while (!cursor.empty() && count < running_counted_max);
  return count;
}

base::Status check_enabled(const lmdb::Txn& txn, const Tables& tables, const base::TenantId& tenant,
                           const definition::Name& workflow) {
  TRV_TRY_ASSIGN(const auto disabled, DefinitionStore(tables).disabled(txn, tenant, workflow.space, workflow.name));
  if (!disabled) return {};
  return base::fail(ErrorCode::conflict,
                    fmt::format("the workflow {}/{} is disabled since {} ({}); nothing starts it until it is enabled",
                                workflow.space, workflow.name, disabled->since.to_rfc3339(), disabled->reason));
}

}  // namespace trv::instance
