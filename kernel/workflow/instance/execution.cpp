#include "kernel/workflow/instance/execution.hpp"

#include <fmt/format.h>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/lifecycle.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::instance {

using definition::Flow;
using json::Value;

std::string_view to_string(Status status) noexcept {
  switch (status) {
    case Status::running: return "running";
    case Status::completed: return "completed";
    case Status::faulted: return "faulted";
    case Status::cancelled: return "cancelled";
    case Status::suspended: return "suspended";
    case Status::compensating: return "compensating";
  }
  return "running";
}

Execution::Execution(const shard::DecisionContext& context, const definition::Definition& definition,
                     const InstanceId& instance, State&& state, const InstanceData& data, DecisionBudget& budget)
    : context_(context),
      definition_(definition),
      instance_(instance),
      writer_(context, instance),
      state_(std::move(state)),
      at_(&state_.root()),
      instance_data_(data),
      budget_(budget),
      evaluation_(context, definition, instance_, state_, data, budget) {
  TRV_EXPECTS(!definition_.tasks.empty() && context_.now.ns() >= 0);
  decision_.events.reserve(2);  // as many as an outcome mostly leads to
  for (auto& [id, branch] : state_.branches) {
    TRV_EXPECTS(branch.due_ns >= 0);
    branch.frames_known = branch.frames.size();
  }
}

base::Status Execution::begin(std::string_view trigger, const Input& input, When runs) {
  TRV_EXPECTS(at_->frames.empty() && state_.steps == 0);
  std::string input_json;
  if (!json::append(input_json, input.kept, {.bytes_max = data_bytes_max})) {
    return base::fail(base::ErrorCode::too_large,
                      fmt::format("the input has more than {} bytes; store large data elsewhere and pass its address",
                                  data_bytes_max));
  }
  evaluation_.set_input(input.whole);
  at_->context = Value::object();
  at_->data = input.kept;
  at_->next = definition_.first;
  Json error;
  if (auto wrong = evaluation_.mismatch(definition_.schemas, &definition::Schemas::input, "the input", input.whole)) {
    error = json::serialize(*wrong);
    at_->error = *std::move(wrong);
  } else if (definition_.input_from) {
    Attempt<Value> transformed = evaluation_.evaluate(*definition_.input_from, input.whole);
    if (transformed && evaluation_.checked_json(*transformed, "the transformed input")) {
      set_data(*std::move(transformed));
    } else {
      at_->error = transformed ? evaluation_.checked_json(*transformed, "the transformed input").error().error
                               : transformed.error().error;
      error = json::serialize(*at_->error);
    }
  } else if (input.left_out_bytes > 0) {
    at_->error = make_error(
        StandardError::runtime, definition_.task(definition_.first).reference,
        fmt::format("the event's data has {} bytes, and a task's input at most {}: say with `input.from` of the "
                    "workflow what its first task needs, for example `from: '${{ {{title: .[0].data.title}} }}'`; "
                    "`$workflow.input[0].data` has all of it in every task",
                    input.left_out_bytes, data_bytes_max));
    error = json::serialize(*at_->error);
  }
  if (definition_.timeout && !at_->error) {
    const Attempt<base::Duration> timeout = evaluation_.evaluate_duration(*definition_.timeout, input.whole);
    if (timeout) state_.deadline_ns = deadline_after(*timeout);
    if (!timeout) at_->error = timeout.error().error;
    if (!timeout) error = json::serialize(*at_->error);
  }
  if (runs == When::next) at_->due_ns = context_.now.ns();
  state_.chain = input.chain;
  emit(writer_.started(definition_, base::utf8_prefix(trigger, 256), input_json, error, state_, move(true),
                       input.names));
  // The projector counts the start as the first step.
  TRV_ENSURES(state_.steps == 1 && !decision_.events.empty());
  return {};
}

void Execution::suspend(std::string_view reason) {
  TRV_EXPECTS(state_.status == Status::running && !state_.is_suspended);
  state_.is_suspended = true;
  ++state_.steps;
  decision_.events.push_back(writer_.suspended(reason, tasks_under_way(state_, definition_)));
}

void Execution::resume(std::string_view reason) {
  TRV_EXPECTS(state_.status == Status::running && state_.is_suspended);
  state_.is_suspended = false;
  ++state_.steps;
  decision_.events.push_back(writer_.resumed(reason, root_branch, std::nullopt, tasks_under_way(state_, definition_)));
}

void Execution::resume_with(std::string_view reason, BranchId branch, Value data) {
  TRV_EXPECTS(state_.status == Status::running && state_.is_suspended && state_.branches.at(branch).next != no_task);
  state_.is_suspended = false;
  ++state_.steps;
  Branch& changed = state_.branches.at(branch);
  changed.data = std::move(data);
  changed.is_read = true;
  decision_.events.push_back(
      writer_.resumed(reason, branch, json::serialize(changed.data), tasks_under_way(state_, definition_)));
}

void Execution::signal(std::string_view id, std::string_view type, const Value& event, std::string_view reason) {
  TRV_EXPECTS(state_.status == Status::running && decision_.events.empty());
  ++state_.steps;
  decision_.events.push_back(writer_.signalled(id, type, json::serialize(event), reason));
}

base::Status Execution::migrate(const Migration& migration) {
  TRV_EXPECTS(state_.status == Status::running && decision_.events.empty());
  ++state_.steps;
  record::Draft event = writer_.migrated(definition_, state_, migration);
  if (event.payload.size() > payload_bytes_max) {
    return base::fail(
        base::ErrorCode::too_large,
        fmt::format("the places of the instance's {} branches have {} bytes, and one record holds at most {}",
                    state_.branches.size(), event.payload.size(), payload_bytes_max));
  }
  decision_.events.push_back(std::move(event));
  return {};
}

base::Status Execution::fork(std::string_view trigger, const Restoration& restoration) {
  TRV_EXPECTS(decision_.events.empty() && !restoration.origin.empty());
  State start;
  start.chain = state_.chain;
  Move move;
  move.next = definition_.first;
  state_.steps = 1;
  decision_.events.push_back(
      writer_.started(definition_, base::utf8_prefix(trigger, 256), restoration.input, std::nullopt, start, move, {}));
  return restore(restoration);
}

base::Status Execution::restore(const Restoration& restoration) {
  TRV_EXPECTS(state_.status == Status::running && !state_.is_suspended);
  ++state_.steps;
  record::Draft event = writer_.restored(definition_, state_, restoration);
  if (event.payload.size() > payload_bytes_max) {
    return base::fail(base::ErrorCode::too_large,
                      fmt::format("the instance's state has {} bytes, and one record holds at most {}",
                                  event.payload.size(), payload_bytes_max));
  }
  decision_.events.push_back(std::move(event));
  for (auto& [id, branch] : state_.branches) {
    for (Frame& frame : branch.frames) frame.reported = true;
  }
  return {};
}

base::Status Execution::run() {
  const auto goes_on = [&] { return state_.status == Status::running && !evaluation_.failure(); };
  while (goes_on()) {
    const std::optional<BranchId> next = first_runnable();
    // What is left over goes on in a later decision, which the last event has asked for.
    if (!next || (has_yielded() && others_go_on_)) break;
    enter(*next);
    blocked_ = false;
    // What comes to a suspended instance is taken; an `end` that follows it needs no more.
    while (goes_on() && !blocked_ && (!state_.is_suspended || ended_with_ || is_runnable(*at_))) step();
  }
  if (evaluation_.failure()) return base::fail(*evaluation_.failure());
  // Nothing would ever come back to an instance that neither ended nor waits.
  TRV_ENSURES(state_.status != Status::running || !first_runnable() || others_go_on_);
  TRV_ENSURES(!arrival_ && (state_.status != Status::running || !at_->outcome));
  return {};
}

void Execution::step() {
  if (std::optional<Value> out_of_fuel = evaluation_.take_out_of_fuel()) {
    // No catch may turn this into more work for the decision.
    fault(*std::move(out_of_fuel));
    return;
  }
  TRV_EXPECTS(state_.status == Status::running && !blocked_);
  if (ended_with_) {
    end_of_workflow();
    return;
  }
  if (!state_.is_suspended && time_out()) return;
  if (at_->due_ns != 0) {
    if (at_->due_ns > context_.now.ns() || has_yielded()) {
      blocked_ = true;
      return;
    }
    at_->due_ns = 0;
    if (!at_->frames.empty()) {
      if (std::holds_alternative<definition::WaitTask>(definition_.task(at_->frames.back().task).body)) {
        settle();
        return;
      }
    }
  }
  if (at_->error) {
    handle_error();
    return;
  }
  if (in_call()) {
    if (at_->outcome) {
      settle();
    } else {
      blocked_ = true;
    }
    return;
  }
  if (at_->next != no_task) {
    run_task(at_->next);
  } else if (!is_runnable(*at_)) {
    blocked_ = true;
  } else if (is_in_fork(*at_)) {
    join();
  } else if (is_listening(*at_)) {
    end_listening();
  } else if (is_in_run(*at_)) {
    end_run();
  } else if (at_->frames.empty() && state_.compensating) {
    next_compensation();
  } else if (at_->frames.empty()) {
    end_of_workflow();
  } else {
    end_of_scope();
  }
}

std::int64_t Execution::deadline_after(base::Duration timeout) const {
  return (context_.now + std::clamp<base::Duration>(timeout, base::Duration(1), timeout_max)).ns();
}

bool Execution::time_out() {
  if (is_over(state_.deadline_ns)) {
    fault(make_error(StandardError::timeout, "", "the workflow did not end within its 'timeout'"));
    return true;
  }
  const auto over = std::ranges::find_if(
      at_->frames, [&](const Frame& one) { return is_over(one.deadline_ns) || is_over(one.attempt_deadline_ns); });
  // What yields goes on when it has its turn again.
  if (over == at_->frames.end() || has_yielded()) return false;
  const TaskIndex index = over->task;
  const std::int64_t started_ns = over->started_ns;
  const std::uint32_t attempt = over->attempt;
  cancel_effect(*at_);
  remove_branches(branch_);
  at_->error.reset();
  at_->due_ns = 0;
  if (!is_over(over->deadline_ns)) {
    end_attempt(at_->depth_of(*over));
    return true;
  }
  leave_to(at_->depth_of(*over));
  pop();
  const definition::Task& task = definition_.task(index);
  raise(index,
        make_error(StandardError::timeout, task.reference,
                   fmt::format("the task '{}' did not end within its 'timeout'", task.name)),
        started_ns, attempt);
  return true;
}

void Execution::run_task(TaskIndex index) {
  TRV_EXPECTS(stands_in_scope(index) && at_->due_ns == 0);
  const definition::Task& task = definition_.task(index);
  // What tasks before it have made is not its input.
  if (const definition::DoTask* extension = extension_of(index); extension != nullptr && extension->first != index) {
    set_data(*evaluation_.input_of(at_->frames.back()));
  }
  Evaluation::Scope scope{.task = index, .started_ns = context_.now.ns(), .raw_input = &at_->data};
  const Evaluation::Within before_input(evaluation_, scope);
  if (task.condition) {
    const Attempt<Value> truth = evaluation_.evaluate(*task.condition, at_->data);
    if (!truth) return raise(index, truth.error().error, context_.now.ns(), 0);
    if (!truth->is_truthy()) return skip(index);
  }
  if (auto wrong = evaluation_.mismatch(task.schemas, &definition::Schemas::input, "the input", at_->data)) {
    return raise(index, *std::move(wrong), context_.now.ns(), 0);
  }
  Value input = at_->data;
  if (task.input_from) {
    Attempt<Value> transformed = evaluation_.evaluate(*task.input_from, at_->data);
    if (!transformed) return raise(index, std::move(transformed).error().error, context_.now.ns(), 0);
    input = *std::move(transformed);
  }
  const Value raw_input = at_->data;
  scope.raw_input = &raw_input;
  scope.input = &input;
  const Evaluation::Within within(evaluation_, scope);
  deadline_ns_ = 0;
  // A call hands its timeout to its effect.
  if (task.timeout && !task.has_effect()) {
    const Attempt<base::Duration> timeout = evaluation_.evaluate_duration(*task.timeout, input);
    if (!timeout) return raise(index, timeout.error().error, context_.now.ns(), 0);
    deadline_ns_ = deadline_after(*timeout);
  }
  std::visit([&](const auto& body) { run(index, body, input); }, task.body);
}

void Execution::skip(TaskIndex index) {
  // `then` belongs to a task that ran; after a skipped one the flow goes on.
  follow(index, {});
  const Json output = data_json();
  const Move moved = move(false);
  emit(writer_.task_completed({index, &definition_.task(index), 0, context_.now.ns()}, true, output, std::nullopt,
                              moved));
}

void Execution::end_of_scope() {
  TRV_EXPECTS(!at_->frames.empty() && !in_call() && at_->next == no_task);
  if (std::holds_alternative<definition::ForTask>(definition_.task(at_->frames.back().task).body)) {
    next_iteration();
    return;
  }
  const Value output = at_->data;
  leave_top([&](const Frame& frame, const Value& input) {
    complete(frame.task, output, input, flow_after(frame), frame.started_ns, frame.attempt);
  });
}

void Execution::end_of_workflow() {
  if (ended_with_) {
    enter(root_branch);
    remove_branches(root_branch);
    at_->next = no_task;
    set_data(*std::exchange(ended_with_, std::nullopt));
    leave_for_end();
    // In a compensation it ends that.
    if (state_.compensating) return;
  }
  TRV_EXPECTS(at_->frames.empty() && at_->next == no_task && !at_->error.has_value());
  TRV_EXPECTS(state_.branches.size() == 1);
  Value output = at_->data;
  if (definition_.output_as) {
    Attempt<Value> transformed = evaluation_.evaluate(*definition_.output_as, at_->data);
    if (!transformed) return fault(std::move(transformed).error().error);
    output = *std::move(transformed);
  }
  if (auto wrong = evaluation_.mismatch(definition_.schemas, &definition::Schemas::output, "the output", output)) {
    return fault(*std::move(wrong));
  }
  const Attempt<std::string> checked = evaluation_.checked_json(output, "the workflow's output");
  if (!checked) return fault(checked.error().error);
  set_data(std::move(output));
  const Json json = data_json();
  state_.status = Status::completed;
  emit(writer_.completed(json, state_.steps));
}

void Execution::fault(Value error) {
  TRV_EXPECTS(state_.status == Status::running);
  if (state_.compensating) return fail_compensation(error);
  if (can_compensate()) return compensate({.error = std::move(error)}, When::now);
  leave_all();
  state_.status = Status::faulted;
  const std::string json = json::serialize(error);
  at_->error = std::move(error);
  emit(writer_.faulted(json, state_.steps));
}

void Execution::settle() {
  TRV_EXPECTS(!at_->frames.empty() && !at_->error.has_value());
  leave_top([&](const Frame& frame, const Value& input) {
    const definition::Task& task = definition_.task(frame.task);
    if (std::holds_alternative<definition::WaitTask>(task.body)) {
      return complete(frame.task, input, input, {}, frame.started_ns, frame.attempt);
    }
    TRV_ASSERT(at_->outcome.has_value());
    arrival_ = std::exchange(at_->outcome, std::nullopt);
    Attempt<Value> result = result_of(task, arrival_->outcome);
    if (result) return complete(frame.task, *result, input, {}, frame.started_ns, frame.attempt);
    raise(frame.task, std::move(result).error().error, frame.started_ns, frame.attempt);
  });
}

Attempt<Value> Execution::result_of(const definition::Task& task, const shard::Outcome& outcome) {
  if (!outcome.ok) return std::unexpected(Raised{error_of(outcome, task.reference)});
  if (const auto* http = std::get_if<definition::HttpCall>(&task.body)) {
    if (auto refusal = refusal_of(*http, outcome.status, task.reference)) {
      return std::unexpected(Raised{*std::move(refusal)});
    }
  }
  base::Result<Value> output = json::parse(outcome.output);
  if (output) return *std::move(output);
  return std::unexpected(Raised{make_error(StandardError::runtime, task.reference,
                                           "the operation's output is not JSON: " + output.error().message())});
}

}  // namespace trv::instance
