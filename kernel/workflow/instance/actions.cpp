#include "kernel/workflow/instance/actions.hpp"

#include <fmt/format.h>

#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/opened.hpp"
#include "kernel/workflow/instance/restore.hpp"
#include "kernel/workflow/instance/runs.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::instance {

using base::ErrorCode;
using json::Value;

namespace {

constexpr std::size_t reason_bytes_max = 1'000;

/// Error: conflict where it has ended.
base::Status still_runs(const InstanceId& instance, const State& state) {
  if (state.status == Status::running) return {};
  return base::fail(ErrorCode::conflict,
                    fmt::format("the instance {} has {} already", instance.to_string(),
                                state.status == Status::cancelled ? "been cancelled" : to_string(state.status)));
}

/// Of an instance that goes on; everything but its input is in its state.
class PastData final : public InstanceData {
 public:
  PastData(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows, const Past& past)
      : starts_(txn, context, workflows, past.instance.trigger), past_(past) {}
  [[nodiscard]] std::int64_t started_ns() const override { return past_.instance.started_ns; }
  [[nodiscard]] std::string_view trigger() const override { return past_.instance.trigger; }
  [[nodiscard]] base::Result<DefinitionPointer> definition(const definition::Name& name) const override {
    return starts_.definition(name);
  }
  [[nodiscard]] base::Result<Value> input() const override { return starts_.whole_input(past_.input); }
  [[nodiscard]] base::Result<Value> context(BranchId branch) const override { return starts_.context(branch); }
  [[nodiscard]] base::Result<Value> branch_data(BranchId branch) const override { return starts_.branch_data(branch); }
  [[nodiscard]] base::Result<Value> frame_input(BranchId branch, std::size_t depth) const override {
    return starts_.frame_input(branch, depth);
  }
  [[nodiscard]] base::Result<Value> loop_items(BranchId branch, std::size_t depth, std::size_t row) const override {
    return starts_.loop_items(branch, depth, row);
  }
  [[nodiscard]] base::Result<Completed> completed(std::uint32_t number) const override {
    return starts_.completed(number);
  }

 private:
  NewData starts_;
  const Past& past_;
};

/// The branch's next task is the one that failed: it gets other data, or is passed over.
base::Status change(State& state, const definition::Definition& definition, const Past& past, const Retry& command) {
  if (!command.skips && !command.data) return {};
  if (!state.branches.contains(past.branch)) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("'{}' failed while an event was processed, and the task that listens begins anew; it "
                                  "cannot be skipped or be given another input",
                                  past.failed));
  }
  Branch& branch = state.branches.at(past.branch);
  const bool is_next = branch.next != no_task && definition.task(branch.next).reference == past.failed;
  if (!is_next) {
    return base::fail(
        ErrorCode::conflict,
        past.failed.empty()
            ? std::string("no task failed, but the workflow as a whole: try again without 'input', or start anew")
            : fmt::format("'{}' failed after its tasks had run; only a task that is about to begin can be "
                          "skipped or be given another input",
                          past.failed));
  }
  if (command.data) branch.data = *command.data;
  if (command.skips) branch.next = definition.task(branch.next).next;
  return {};
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
  const Status status = execution.state().status;
  shard::Decision decision;
  TRV_TRY(conclude(txn, context, workflows, instance, opened.loaded.trigger, execution, decision));
  return Acted{std::move(decision), status == Status::running ? Status::compensating : status};
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
  TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
  TRV_TRY(still_runs(instance, opened.loaded.state));
  if (!opened.loaded.state.is_suspended) {
    return base::fail(ErrorCode::conflict, fmt::format("the instance {} is not suspended", instance.to_string()));
  }
  DecisionBudget budget;
  const StoredData data(txn, context, workflows, instance, opened.loaded);
  Execution execution(context, *opened.definition, instance, std::move(opened.loaded.state), data, budget);
  execution.resume(base::utf8_prefix(reason, reason_bytes_max));
  TRV_TRY(execution.run());
  shard::Decision decision;
  TRV_TRY(conclude(txn, context, workflows, instance, opened.loaded.trigger, execution, decision));
  return Acted{std::move(decision), execution.state().status};
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
  if (!command.version.empty() && command.version != past.instance.definition.version) {
    definition::Name other = past.instance.definition;
    other.version = command.version;
    TRV_TRY_ASSIGN(const DefinitionPointer to, find_definition(txn, context, workflows, other));
    TRV_TRY(move_to(state, *definition, *to));
    definition = to;
  }
  DecisionBudget budget;
  const PastData data(txn, context, workflows, past);
  Execution execution(context, *definition, instance, std::move(state), data, budget);
  TRV_TRY(execution.restore(command.skips ? "skip" : "retry", base::utf8_prefix(command.reason, reason_bytes_max),
                            past.failed, past.input));
  TRV_TRY(execution.run());
  shard::Decision decision;
  TRV_TRY(conclude(txn, context, workflows, instance, past.instance.trigger, execution, decision));
  return Acted{std::move(decision), execution.state().status};
}

}  // namespace trv::instance
