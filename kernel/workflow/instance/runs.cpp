#include "kernel/workflow/instance/runs.hpp"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "kernel/workflow/instance/error.hpp"
#include "kernel/workflow/instance/lifecycle.hpp"
#include "kernel/workflow/instance/opened.hpp"
#include "kernel/workflow/instance/schedules.hpp"

namespace trv::instance {

using json::Value;

std::string to_trigger(const RunOf& run) {
  return fmt::format("{}{}/{}/{}/{}/{}", run_trigger, run.parent.to_string(), run.branch, run.task, run.depth,
                     run.awaits ? "awaited" : "alone");
}

std::optional<RunOf> run_in(std::string_view trigger) {
  if (!trigger.starts_with(run_trigger)) return std::nullopt;
  trigger.remove_prefix(run_trigger.size());
  std::vector<std::string_view> parts;
  while (!trigger.empty()) {
    const std::size_t end = std::min(trigger.find('/'), trigger.size());
    parts.push_back(trigger.substr(0, end));
    trigger.remove_prefix(std::min(end + 1, trigger.size()));
  }
  if (parts.size() != 5) return std::nullopt;
  RunOf run;
  const auto parent = InstanceId::parse(parts[0]);
  const auto number = [](std::string_view text, std::uint32_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
  };
  if (!parent || !number(parts[1], run.branch) || !number(parts[2], run.task) || !number(parts[3], run.depth)) {
    return std::nullopt;
  }
  run.parent = *parent;
  run.awaits = parts[4] == "awaited";
  return run;
}

base::Status conclude(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                      const InstanceId& instance, std::string_view trigger, Execution& execution,
                      shard::Decision& decision) {
  decision.append(execution.take_decision());
  for (const Child& child : execution.take_children()) {
    DecisionBudget own;
    const NewData data(txn, context, workflows, child.trigger);
    Execution begun(context, *child.definition, child.id, State{}, data, own);
    TRV_TRY(begun.begin(child.trigger, {.whole = child.input, .kept = child.input, .chain = execution.state().chain},
                        When::next));
    decision.append(begun.take_decision());
  }
  for (const InstanceId& abandoned : execution.take_abandoned()) {
    TRV_TRY(cancel_all(txn, context, workflows, abandoned, "the task that ran it has ended", Undo::yes, decision));
  }
  const State& state = execution.state();
  if (state.status == Status::running) return {};
  TRV_TRY(schedule_after(txn, context, workflows, execution.definition().name, instance, trigger, decision));
  const bool ok = state.status == Status::completed;
  Value value = ok                                  ? state.root().data
                : state.status == Status::cancelled ? cancelled_error(instance)
                                                    : state.root().error.value_or(Value::object());
  return return_to_parent(txn, context, workflows, instance, trigger, {.ok = ok, .value = std::move(value)}, decision);
}

Value cancelled_error(const InstanceId& instance) {
  return make_error(StandardError::runtime, "",
                    fmt::format("the workflow that it ran, instance {}, was cancelled", instance.to_string()));
}

base::Status cancel_all(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                        const InstanceId& instance, std::string_view reason, Undo undo, shard::Decision& decision) {
  TRV_TRY_ASSIGN(const auto loaded, InstanceStore(workflows.tables).load(txn, context.tenant, instance));
  if (!loaded || loaded->state.status != Status::running) return {};
  if (undo == Undo::yes && loaded->state.compensating) return {};
  if (undo == Undo::yes && loaded->state.compensable > 0) {
    TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
    DecisionBudget own;
    const StoredData data(txn, context, workflows, instance, opened.loaded);
    Execution execution(context, *opened.definition, instance, std::move(opened.loaded.state), data, own);
    execution.cancel(reason, When::next);
    return conclude(txn, context, workflows, instance, opened.loaded.trigger, execution, decision);
  }
  std::vector<std::string> not_compensated;
  std::vector<std::string> tasks;
  if (!loaded->state.compensating) {
    const auto opened = open(txn, context, workflows, instance);
    if (!opened && opened.error().code() == base::ErrorCode::unavailable) return base::fail(opened.error());
    // What cannot be read can be cancelled all the same.
    if (opened) tasks = tasks_under_way(opened->loaded.state, *opened->definition);
  } else {
    TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
    DecisionBudget own;
    const StoredData data(txn, context, workflows, instance, opened.loaded);
    const Execution execution(context, *opened.definition, instance, std::move(opened.loaded.state), data, own);
    TRV_TRY_ASSIGN(not_compensated, execution.not_compensated());
  }
  decision.events.push_back(EventWriter(context, instance).cancelled(reason.substr(0, 1'000), not_compensated, tasks));
  TRV_TRY(schedule_after(txn, context, workflows, loaded->definition, instance, loaded->trigger, decision));
  for (const auto& [id, branch] : loaded->state.branches) {
    if (branch.waits_for) {
      decision.events.push_back(
          shard::effect_cancelled(context, instance_stream, instance.to_string(), *branch.waits_for));
      decision.cancelled.push_back(branch.waits_for->position);
    }
    if (branch.frames.empty() || branch.frames.back().child.empty()) continue;
    const auto child = InstanceId::parse(branch.frames.back().child);
    if (child)
      TRV_TRY(cancel_all(txn, context, workflows, *child, "the workflow that ran it was cancelled", undo, decision));
  }
  return {};
}

base::Status return_to_parent(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                              const InstanceId& instance, std::string_view trigger, Returned returned,
                              shard::Decision& decision) {
  const auto run = run_in(trigger);
  if (!run || !run->awaits) return {};
  base::Result<Opened> opened = open(txn, context, workflows, run->parent);
  // One that was forgotten awaits nothing.
  if (!opened && opened.error().code() == base::ErrorCode::not_found) return {};
  if (!opened) return base::fail(std::move(opened).error());
  if (opened->loaded.state.status != Status::running) return {};
  DecisionBudget own;
  const StoredData data(txn, context, workflows, run->parent, opened->loaded);
  Execution parent(context, *opened->definition, run->parent, std::move(opened->loaded.state), data, own);
  if (!parent.take_return(run->branch, instance, std::move(returned))) return {};
  TRV_TRY(parent.run());
  return conclude(txn, context, workflows, run->parent, opened->loaded.trigger, parent, decision);
}

}  // namespace trv::instance
