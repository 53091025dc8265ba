// `run` of a workflow: another instance, and what becomes of the one that awaits its end.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/runs.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::RunTask& task, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  const std::string_view reference = definition_.task(index).reference;
  Value given = Value::object();
  if (task.input) {
    Attempt<Value> value = evaluation_.evaluate(*task.input, input);
    if (!value) return raise(index, std::move(value).error().error, now_ns, 0);
    given = *std::move(value);
  }
  if (Attempt<std::string> json = evaluation_.checked_json(given, "the workflow's input"); !json) {
    return raise(index, std::move(json).error().error, now_ns, 0);
  }
  RunOf run{.parent = instance_, .branch = branch_, .task = index, .depth = 1, .awaits = task.awaits};
  if (const auto own = run_in(instance_data_.trigger())) run.depth = own->depth + 1;
  if (run.depth > run_depth_max) {
    return raise(index,
                 make_error(StandardError::runtime, reference,
                            fmt::format("workflows run workflows more than {} deep; look for one that runs itself",
                                        run_depth_max)),
                 now_ns, 0);
  }
  base::Result<DefinitionPointer> definition = instance_data_.definition(task.workflow);
  const auto lacks = [&](base::ErrorCode code) { return !definition && definition.error().code() == code; };
  if (lacks(base::ErrorCode::not_found) || lacks(base::ErrorCode::conflict)) {
    return raise(index, make_error(StandardError::configuration, reference, definition.error().message()), now_ns, 0);
  }
  if (!definition) {
    evaluation_.fail(definition.error());
    return;
  }
  const InstanceId child = context_.ids.next(context_.now);
  children_.push_back({.id = child,
                       .definition = *definition,
                       .input = std::move(given),
                       .trigger = to_trigger(run),
                       .branch = branch_});
  const StepOf step{index, &definition_.task(index), 0, now_ns};
  if (task.awaits) {
    Frame frame{.task = index, .started_ns = now_ns};
    frame.has_input = definition_.task(index).input_from && definition_.task(index).needs_input();
    if (frame.has_input) frame.input = input;
    frame.child = child.to_string();
    push(std::move(frame));
    at_->next = no_task;
  }
  const Move moved = move(true);
  if (!emit(writer_.task_running(step, child, (*definition)->name, moved))) return;
  if (task.awaits) {
    at_->requested_event = decision_.events.size() - 1;
  } else {
    complete(index, input, input, {}, now_ns, 0);
  }
}

bool Execution::is_in_run(const Branch& branch) const {
  return !branch.frames.empty() && !branch.frames.back().child.empty();
}

bool Execution::take_return(BranchId branch, const InstanceId& child, Returned returned) {
  const auto found = state_.branches.find(branch);
  if (found == state_.branches.end() || !is_in_run(found->second)) return false;
  if (found->second.frames.back().child != child.to_string()) return false;
  found->second.returned = std::move(returned);
  return true;
}

void Execution::end_run() {
  TRV_EXPECTS(is_in_run(*at_) && at_->returned.has_value());
  Returned returned = *std::exchange(at_->returned, std::nullopt);
  leave_top([&](const Frame& frame, const Value& input) {
    if (returned.ok) return complete(frame.task, returned.value, input, {}, frame.started_ns, 0);
    raise(frame.task, std::move(returned.value), frame.started_ns, 0);
  });
}

void Execution::abandon_child(Branch& branch) {
  if (!is_in_run(branch) || branch.returned) return;
  const auto child = InstanceId::parse(branch.frames.back().child);
  TRV_ASSERT(child.has_value());
  // One that was to begin in this decision does not.
  if (std::erase_if(children_, [&](const Child& one) { return one.id == *child; }) == 0) abandoned_.push_back(*child);
}

}  // namespace trv::instance
