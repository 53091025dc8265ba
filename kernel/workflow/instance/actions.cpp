#include "kernel/workflow/instance/actions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/listeners.hpp"
#include "kernel/workflow/instance/opened.hpp"
#include "kernel/workflow/instance/past_data.hpp"
#include "kernel/workflow/instance/restore.hpp"
#include "kernel/workflow/instance/runs.hpp"
#include "kernel/workflow/instance/workflow_actions.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::instance {

using base::ErrorCode;
using json::Value;

namespace {

/// The branch's next task is the one that failed: it gets other data, or is passed over.
base::Status change(State& state, const definition::Definition& definition, const Past& past, const Retry& command) {
  if (!command.skips && !command.data) return {};
  if (!state.branches.contains(past.branch)) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("'{}' failed while an event was processed, and the task that listens begins anew; it "
                                  "cannot be skipped or be given another input",
                                  past.task));
  }
  Branch& branch = state.branches.at(past.branch);
  const bool is_next = branch.next != no_task && definition.task(branch.next).reference == past.task;
  if (!is_next) {
    return base::fail(
        ErrorCode::conflict,
        past.task.empty()
            ? std::string("no task failed, but the workflow as a whole: try again without 'input', or start anew")
            : fmt::format("'{}' failed after its tasks had run; only a task that is about to begin can be "
                          "skipped or be given another input",
                          past.task));
  }
  if (command.data) branch.data = *command.data;
  if (command.skips) branch.next = definition.task(branch.next).next;
  return {};
}

/// The definition in the version that is asked for, to which the state goes over then; the same where none is.
base::Result<DefinitionPointer> in_version(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                           Workflows workflows, const DefinitionPointer& definition,
                                           const std::string& version, State& state) {
  if (version.empty() || version == definition->name.version) return definition;
  definition::Name other = definition->name;
  other.version = version;
  TRV_TRY_ASSIGN(DefinitionPointer to, find_definition(txn, context, workflows, other));
  TRV_TRY(move_to(state, *definition, *to));
  return to;
}

base::Result<Acted> cancel(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                           const InstanceId& instance, std::string_view reason, Undo undo) {
  TRV_TRY_ASSIGN(const auto loaded, InstanceStore(workflows.tables).load(txn, context.tenant, instance));
  if (!loaded) {
    return base::fail(ErrorCode::not_found, fmt::format("there is no instance {}", instance.to_string()));
  }
  TRV_TRY(still_runs(instance, loaded->state));
  shard::Decision decision;
  TRV_TRY(cancel_all(txn, context, workflows, instance, reason, undo, decision));
  TRV_TRY(return_to_parent(txn, context, workflows, instance, loaded->trigger,
                           {.ok = false, .value = cancelled_error(instance)}, decision));
  return Acted{std::move(decision), Status::cancelled};
}

}  // namespace

Status shown_status(const State& state) {
  if (state.status != Status::running) return state.status;
  return state.is_suspended ? Status::suspended : state.compensating ? Status::compensating : Status::running;
}

base::Status still_runs(const InstanceId& instance, const State& state) {
  if (state.status == Status::running) return {};
  return base::fail(ErrorCode::conflict,
                    fmt::format("the instance {} has {} already", instance.to_string(),
                                state.status == Status::cancelled ? "been cancelled" : to_string(state.status)));
}

base::Result<BranchId> about_to_begin(const State& state, const definition::Definition& definition,
                                      BranchId preferred) {
  const auto begins = [](const Branch& branch) { return branch.next != no_task && !branch.error; };
  if (begins(state.branches.at(preferred))) return preferred;
  std::vector<BranchId> found;
  std::string names;
  for (const auto& [id, branch] : state.branches) {
    if (!begins(branch)) continue;
    found.push_back(id);
    if (found.size() <= 5)
      names += fmt::format("{}'{}'", names.empty() ? "" : ", ", definition.task(branch.next).reference);
  }
  if (found.size() == 1) return found.front();
  return base::fail(
      ErrorCode::conflict,
      found.empty()
          ? std::string("no task is about to begin that could get 'input': what it is in waits for an outcome, "
                        "an event or a time; leave 'input' out")
          : fmt::format("{} tasks are about to begin in branches of their own, and which of them is meant by "
                        "'input' is not known: {}",
                        found.size(), names));
}

base::Result<Acted> cancel_and_compensate(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                          Workflows workflows, const InstanceId& instance, std::string_view reason) {
  TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
  TRV_TRY(still_runs(instance, opened.loaded.state));
  if (opened.loaded.state.compensating) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the instance {} compensates already; to end it at once, cancel it without that",
                                  instance.to_string()));
  }
  if (opened.loaded.state.compensable == 0) return cancel(txn, context, workflows, instance, reason, Undo::yes);
  DecisionBudget budget;
  const StoredData data(txn, context, workflows, instance, opened.loaded);
  Execution execution(context, *opened.definition, instance, std::move(opened.loaded.state), data, budget);
  execution.cancel(base::utf8_prefix(reason, reason_bytes_max), When::now);
  TRV_TRY(execution.run());
  shard::Decision decision;
  TRV_TRY(conclude(txn, context, workflows, instance, opened.loaded.trigger, execution, decision));
  return Acted{std::move(decision), shown_status(execution.state())};
}

base::Result<Acted> cancel(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                           const InstanceId& instance, std::string_view reason) {
  return cancel(txn, context, workflows, instance, reason, Undo::no);
}

base::Result<Acted> suspend(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                            const InstanceId& instance, std::string_view reason) {
  TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
  TRV_TRY(still_runs(instance, opened.loaded.state));
  if (opened.loaded.state.is_suspended) {
    return base::fail(ErrorCode::conflict, fmt::format("the instance {} is suspended already", instance.to_string()));
  }
  DecisionBudget budget;
  const StoredData data(txn, context, workflows, instance, opened.loaded);
  Execution execution(context, *opened.definition, instance, std::move(opened.loaded.state), data, budget);
  execution.suspend(base::utf8_prefix(reason, reason_bytes_max));
  return Acted{execution.take_decision(), Status::suspended};
}

base::Result<Acted> resume(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                           const InstanceId& instance, std::string_view reason) {
  return resume_with(txn, context, workflows, instance, reason, std::nullopt);
}

base::Result<Acted> resume_with(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                const InstanceId& instance, std::string_view reason,
                                const std::optional<Value>& input) {
  TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
  TRV_TRY(still_runs(instance, opened.loaded.state));
  if (!opened.loaded.state.is_suspended) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the instance {} is {}not suspended{}", instance.to_string(),
                                  opened.loaded.state.compensating ? "compensating and " : "",
                                  opened.loaded.state.compensating ? ": it goes on undoing what its tasks have done, "
                                                                     "and then it ends"
                                                                   : ""));
  }
  BranchId changed = root_branch;
  if (input) {
    TRV_TRY_ASSIGN(changed, about_to_begin(opened.loaded.state, *opened.definition, root_branch));
  }
  DecisionBudget budget;
  const StoredData data(txn, context, workflows, instance, opened.loaded);
  Execution execution(context, *opened.definition, instance, std::move(opened.loaded.state), data, budget);
  const std::string_view why = base::utf8_prefix(reason, reason_bytes_max);
  if (input) execution.resume_with(why, changed, *input);
  if (!input) execution.resume(why);
  TRV_TRY(execution.run());
  shard::Decision decision;
  TRV_TRY(conclude(txn, context, workflows, instance, opened.loaded.trigger, execution, decision));
  return Acted{std::move(decision), shown_status(execution.state())};
}

base::Result<Acted> retry(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                          const InstanceId& instance, const Past& past, const Retry& command) {
  TRV_TRY_ASSIGN(const auto loaded, InstanceStore(workflows.tables).load(txn, context.tenant, instance));
  if (!loaded) return base::fail(ErrorCode::not_found, fmt::format("there is no instance {}", instance.to_string()));
  if (loaded->state.status != Status::faulted || loaded->state.steps != past.steps) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the instance {} has changed meanwhile; look at it again", instance.to_string()));
  }
  TRV_TRY_ASSIGN(DefinitionPointer definition,
                 ready(txn, context, workflows, past.instance.definition, past.instance.sha256));
  State state = past.instance.state;
  state.steps = loaded->state.steps;
  take_up(state, *definition, past.instance.started_ns, context.now);
  TRV_TRY(change(state, *definition, past, command));
  TRV_TRY_ASSIGN(definition, in_version(txn, context, workflows, definition, command.version, state));
  DecisionBudget budget;
  const PastData data(txn, context, workflows, past, past.instance.started_ns, past.instance.trigger);
  Execution execution(context, *definition, instance, std::move(state), data, budget);
  TRV_TRY(execution.restore({.action = command.skips ? "skip" : "retry",
                             .reason = base::utf8_prefix(command.reason, reason_bytes_max),
                             .task = past.task,
                             .input = json::serialize(past.input)}));
  TRV_TRY(execution.run());
  shard::Decision decision;
  TRV_TRY(conclude(txn, context, workflows, instance, past.instance.trigger, execution, decision));
  return Acted{std::move(decision), execution.state().status};
}

base::Result<Forked> fork(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                          const InstanceId& origin, const Past& past, const Fork& command) {
  TRV_TRY_ASSIGN(const auto loaded, InstanceStore(workflows.tables).load(txn, context.tenant, origin));
  if (!loaded) return base::fail(ErrorCode::not_found, fmt::format("there is no instance {}", origin.to_string()));
  if (past.instance.state.status != Status::running) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("behind the event {} the instance {} had ended, so that nothing goes on from there; "
                                  "name an earlier event",
                                  past.event.to_string(), origin.to_string()));
  }
  const auto raised =
      std::ranges::find_if(past.instance.state.branches, [](const auto& one) { return one.second.error.has_value(); });
  if (raised != past.instance.state.branches.end()) {
    return base::fail(
        ErrorCode::conflict,
        fmt::format("behind the event {} an error was on its way to what catches it; name an event before "
                    "it, or one after it was caught",
                    past.event.to_string()));
  }
  TRV_TRY_ASSIGN(DefinitionPointer definition,
                 ready(txn, context, workflows, past.instance.definition, past.instance.sha256));
  TRV_TRY_ASSIGN(
      const auto latest,
      DefinitionStore(workflows.tables).find_head(txn, context.tenant, definition->name.space, definition->name.name));
  if (!latest) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the workflow {}/{} was deleted, so that nothing starts an instance of it",
                                  definition->name.space, definition->name.name));
  }
  TRV_TRY(check_enabled(txn, workflows.tables, context.tenant, definition->name));
  if (past.instance.state.compensating) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("behind the event {} what the instance {} had done was being undone; name an earlier "
                                  "event",
                                  past.event.to_string(), origin.to_string()));
  }
  State state = past.instance.state;
  state.is_suspended = false;
  // What tasks of the other instance have done is that one's to undo.
  state.compensable = 0;
  take_up(state, *definition, past.instance.started_ns, context.now);
  if (command.input) {
    TRV_TRY_ASSIGN(const BranchId branch, about_to_begin(state, *definition, past.branch));
    state.branches.at(branch).data = *command.input;
  }
  TRV_TRY_ASSIGN(definition, in_version(txn, context, workflows, definition, command.version, state));
  Forked out;
  out.instance = context.ids.next(context.now);
  out.definition = definition->name;
  // The trigger of an event says where an input's data is.
  const std::string trigger = past.instance.trigger.starts_with(event_trigger)
                                  ? past.instance.trigger
                                  : fmt::format("{}{}", fork_trigger, origin.to_string());
  const std::string_view reason = base::utf8_prefix(command.reason, reason_bytes_max);
  const std::string event = past.event.to_string();
  out.decision.events.push_back(EventWriter(context, origin).forked(out.instance, event, reason));
  DecisionBudget budget;
  const PastData data(txn, context, workflows, past, context.now.ns(), trigger);
  Execution execution(context, *definition, out.instance, std::move(state), data, budget);
  TRV_TRY(execution.fork(trigger, {.action = "fork",
                                   .reason = reason,
                                   .task = past.task,
                                   .input = json::serialize(past.input),
                                   .origin = origin.to_string(),
                                   .origin_event = event}));
  TRV_TRY(execution.run());
  out.status = execution.state().status;
  TRV_TRY(conclude(txn, context, workflows, out.instance, trigger, execution, out.decision));
  TRV_ENSURES(out.decision.events.size() >= 3);
  return out;
}

base::Result<Signalled> signal(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                               const InstanceId& instance, const ReceivedEvent& event, std::string_view reason) {
  TRV_TRY_ASSIGN(const Value object, event_object(event));
  TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
  TRV_TRY(still_runs(instance, opened.loaded.state));
  const definition::Definition& definition = *opened.definition;
  std::map<std::pair<BranchId, TaskIndex>, std::vector<std::uint32_t>> takers;
  std::string listen;
  for (const auto& [id, branch] : opened.loaded.state.branches) {
    for (const Frame& frame : branch.frames) {
      const definition::Task& task = definition.task(frame.task);
      const auto* listens = std::get_if<definition::ListenTask>(&task.body);
      if (listens == nullptr) continue;
      if (takers.size() < 5) listen += fmt::format("{}'{}'", listen.empty() ? "" : ", ", task.reference);
      for (std::uint32_t filter = 0; filter < listens->filters.size(); ++filter) {
        const definition::EventFilter& wanted = listens->filters[filter].event;
        if (!wanted.type.empty() && wanted.type != event.type) continue;
        expression::SharedFuel fuel(fuel_per_listener_max);
        const expression::SharedFuel::Scope scope(fuel);
        const auto matches = wanted.matches(object, context.now);
        if (matches && *matches && !fuel.used_up()) takers[{id, frame.task}].push_back(filter);
      }
    }
  }
  Signalled out;
  DecisionBudget budget;
  const StoredData data(txn, context, workflows, instance, opened.loaded);
  Execution execution(context, definition, instance, std::move(opened.loaded.state), data, budget);
  execution.signal(event.id, event.type, object, base::utf8_prefix(reason, reason_bytes_max));
  for (const auto& [place, filters] : takers) {
    const auto [branch, task] = place;
    if (!execution.state().branches.contains(branch)) continue;
    TRV_TRY_ASSIGN(const bool heard, execution.hear(branch, task, filters, object, When::now));
    if (heard) out.heard.push_back(definition.task(task).reference);
  }
  if (out.heard.empty()) {
    return base::fail(
        ErrorCode::conflict,
        listen.empty() ? fmt::format("the instance {} listens for nothing now, so the event was not delivered",
                                     instance.to_string())
                       : fmt::format("nothing that the instance {} listens for is such an event of the type '{}', so "
                                     "it was not delivered; these listen: {}",
                                     instance.to_string(), base::utf8_prefix(event.type, 200), listen));
  }
  TRV_TRY(execution.run());
  TRV_TRY(conclude(txn, context, workflows, instance, opened.loaded.trigger, execution, out.decision));
  out.status = shown_status(execution.state());
  return out;
}

base::Result<Migrated> migrate(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                               const InstanceId& instance, const Migrate& command) {
  TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
  if (opened.loaded.state.status == Status::faulted) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the instance {} has faulted; `retry` lets it go on, with another version too",
                                  instance.to_string()));
  }
  TRV_TRY(still_runs(instance, opened.loaded.state));
  definition::Name other = opened.loaded.definition;
  Migrated out;
  out.from = std::exchange(other.version, command.version);
  out.to = command.version;
  if (out.from == out.to) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the instance {} has version {} already", instance.to_string(), out.to));
  }
  TRV_TRY_ASSIGN(const DefinitionPointer to, find_definition(txn, context, workflows, other));
  if (opened.loaded.state.compensating) {
    return base::fail(
        ErrorCode::conflict,
        fmt::format("what the instance {} has done is being undone, and then it ends", instance.to_string()));
  }
  if (opened.loaded.state.compensable > moved_compensations_max) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("the instance {} has {} completed tasks that can be undone; at most {} are taken to "
                                  "another version",
                                  instance.to_string(), opened.loaded.state.compensable, moved_compensations_max));
  }
  std::vector<TaskIndex> compensations;
  for (std::uint32_t number = 0; number < opened.loaded.state.compensable; ++number) {
    TRV_TRY_ASSIGN(const Completed completed,
                   InstanceStore(workflows.tables).completed(txn, context.tenant, instance, number));
    compensations.push_back(completed.compensation);
  }
  Mapped mapped = map_tasks(opened.loaded.state, *opened.definition, *to, command.mapping, &compensations);
  out.tasks = std::move(mapped.tasks);
  for (const std::string& one : mapped.missing) {
    out.problems.push_back(fmt::format("version {} lacks {}", out.to, one));
  }
  for (std::string& one : mapped.problems) out.problems.push_back(std::move(one));
  out.status = shown_status(opened.loaded.state);
  if (command.is_dry_run) return out;
  if (!out.problems.empty()) {
    return base::fail(
        ErrorCode::conflict,
        fmt::format("the instance {} cannot go on in version {}: {}; a task is found by its name and kind "
                    "below tasks of the same names, and `map` says which has another name",
                    instance.to_string(), out.to, fmt::join(out.problems, "; ")));
  }
  DecisionBudget budget;
  const StoredData data(txn, context, workflows, instance, opened.loaded);
  Execution execution(context, *to, instance, std::move(opened.loaded.state), data, budget);
  TRV_TRY(execution.migrate({.reason = base::utf8_prefix(command.reason, reason_bytes_max),
                             .from = out.from,
                             .compensations = std::move(compensations)}));
  // What is due goes on in a decision of its own, which finds everything in the other version.
  out.decision = execution.take_decision();
  return out;
}

}  // namespace trv::instance
