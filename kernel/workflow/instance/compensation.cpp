// Compensation: an instance that faults, or is cancelled so, undoes what its completed tasks have done, the last first,
// and then ends as it would have.

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/lifecycle.hpp"
#include "kernel/workflow/instance/task_event.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

void Execution::leave_all() {
  enter(root_branch);
  cancel_effect(*at_);
  remove_branches(root_branch);
  at_->frames.clear();
  at_->frames_known = 0;
  at_->next = no_task;
  at_->due_ns = 0;
  at_->error.reset();
  at_->joined_context.reset();
  at_->heard.reset();
  ended_with_.reset();
}

void Execution::cancel(std::string_view reason, When runs) {
  TRV_EXPECTS(state_.status == Status::running && !state_.compensating && can_compensate());
  state_.is_suspended = false;
  compensate({.is_cancelled = true, .reason = std::string(reason)}, runs);
}

void Execution::compensate(Compensating why, When runs) {
  TRV_EXPECTS(!state_.compensating && can_compensate());
  const std::vector<std::string> tasks =
      why.is_cancelled ? tasks_under_way(state_, definition_) : std::vector<std::string>();
  leave_all();
  state_.deadline_ns = 0;
  state_.compensating = std::move(why);
  if (runs == When::next) at_->due_ns = context_.now.ns();
  const Move moved = move(false);
  emit(writer_.compensating(*state_.compensating, tasks, moved));
}

void Execution::next_compensation() {
  TRV_EXPECTS(state_.compensating && at_->frames.empty() && at_->next == no_task && !at_->error);
  if (!can_compensate()) return end_compensating();
  Completed last;
  if (!state_.completed.empty()) {
    last = std::move(state_.completed.back());
    state_.completed.pop_back();
  } else {
    base::Result<Completed> read = instance_data_.completed(state_.compensable - 1);
    if (!read) return evaluation_.fail(std::move(read).error());
    last = *std::move(read);
    --state_.compensable;
  }
  const definition::Task& task = definition_.task(last.compensation);
  const auto& body = std::get<definition::DoTask>(task.body);
  const definition::Task& undone = definition_.task(body.compensates);
  deadline_ns_ = 0;
  Frame frame{.task = last.compensation, .started_ns = context_.now.ns(), .has_input = true};
  frame.input =
      Value{{"name", undone.name}, {"reference", undone.reference}, {"input", last.input}, {"output", last.output}};
  push(std::move(frame));
  set_data(std::move(last.output));
  at_->next = body.first;
  const Move moved = move(true);
  emit(writer_.task_compensating({last.compensation, &task, 0, context_.now.ns()}, moved));
}

void Execution::fail_compensation(const Value& error) {
  TRV_EXPECTS(state_.compensating.has_value());
  enter(root_branch);
  // Between two of them nothing is left that could fail.
  if (at_->frames.empty()) return;
  const Frame frame = at_->frames.front();
  leave_all();
  const definition::Task& task = definition_.task(frame.task);
  Compensating& why = *state_.compensating;
  if (why.failures++ < compensations_named_max) why.failed.push_back(compensated_by(task.reference));
  const std::string json = json::serialize(error);
  const Move moved = move(true);
  emit(writer_.task_faulted({frame.task, &task, 0, frame.started_ns}, json, moved));
}

base::Result<std::vector<std::string>> Execution::not_compensated() const {
  TRV_EXPECTS(state_.compensating.has_value());
  std::vector<std::string> names = state_.compensating->failed;
  std::size_t more = state_.compensating->failures - names.size();
  const auto add = [&](TaskIndex compensation) {
    if (names.size() >= compensations_named_max) return void(++more);
    names.push_back(compensated_by(definition_.task(compensation).reference));
  };
  if (!state_.root().frames.empty()) add(state_.root().frames.front().task);
  for (std::uint32_t left = state_.compensable; left > 0; --left) {
    if (names.size() >= compensations_named_max) {
      more += left;
      break;
    }
    TRV_TRY_ASSIGN(const Completed completed, instance_data_.completed(left - 1));
    add(completed.compensation);
  }
  if (more > 0) names.push_back(fmt::format("and {} more", more));
  return names;
}

void Execution::end_compensating() {
  TRV_EXPECTS(state_.compensating.has_value());
  leave_all();
  Compensating why = *std::exchange(state_.compensating, std::nullopt);
  const std::size_t left = state_.compensable + state_.completed.size();
  const std::size_t unnamed = why.failures - why.failed.size() + left;
  if (unnamed > 0) why.failed.push_back(fmt::format("and {} more", unnamed));
  state_.compensable = 0;
  state_.completed.clear();
  if (why.is_cancelled) {
    state_.status = Status::cancelled;
    emit(writer_.cancelled(why.reason, why.failed, {}));
    return;
  }
  Value error = why.error.value_or(Value::object());
  if (!why.failed.empty()) {
    Value tasks = Value::array();
    for (const std::string& task : why.failed) tasks.push_back(Value(task));
    error.set("notCompensated", std::move(tasks));
  }
  state_.status = Status::faulted;
  const std::string json = json::serialize(error);
  at_->error = std::move(error);
  emit(writer_.faulted(json, state_.steps));
}

}  // namespace trv::instance
