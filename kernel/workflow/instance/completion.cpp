// What follows every task: its output, the context, where the flow goes, and the event that tells it.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using definition::Flow;

void Execution::complete(TaskIndex index, const Value& raw_output, const Value& input, Flow flow,
                         std::int64_t started_ns, std::uint32_t attempt) {
  TRV_EXPECTS(state_.status == Status::running && !at_->error.has_value());
  TRV_EXPECTS(stands_in_scope(index));
  const definition::Task& task = definition_.task(index);
  Value output = raw_output;
  Evaluation::Scope scope = evaluation_.scope();
  scope.input = &input;
  scope.raw_output = &raw_output;
  const Evaluation::Within within(evaluation_, scope);
  if (task.output_as) {
    Attempt<Value> transformed = evaluation_.evaluate(*task.output_as, output);
    if (!transformed) return raise(index, std::move(transformed).error().error, started_ns, attempt);
    output = *std::move(transformed);
  }
  if (auto wrong = evaluation_.mismatch(task.schemas, &definition::Schemas::output, "the output", output)) {
    return raise(index, *std::move(wrong), started_ns, attempt);
  }
  Json context;
  std::optional<Value> exported;
  if (task.export_as) {
    scope.output = &output;
    const Evaluation::Within sees_output(evaluation_, scope);
    Attempt<Value> transformed = evaluation_.evaluate(*task.export_as, output);
    if (!transformed) return raise(index, std::move(transformed).error().error, started_ns, attempt);
    if (auto wrong = evaluation_.mismatch(task.schemas, &definition::Schemas::exported, "the context", *transformed)) {
      return raise(index, *std::move(wrong), started_ns, attempt);
    }
    Attempt<std::string> json = evaluation_.checked_json(*transformed, "the context");
    if (!json) return raise(index, std::move(json).error().error, started_ns, attempt);
    exported = *std::move(transformed);
    context = *std::move(json);
  }
  Json output_json;
  if (!at_->data.identical(output) || !at_->data_known) {
    Attempt<std::string> json = evaluation_.checked_json(output, "the output");
    if (!json) return raise(index, std::move(json).error().error, started_ns, attempt);
    output_json = *std::move(json);
    at_->data = std::move(output);
    at_->data_known = true;
  }
  if (at_->joined_context && !exported) {
    Attempt<std::string> json = evaluation_.checked_json(*at_->joined_context, "the context");
    if (!json) return raise(index, std::move(json).error().error, started_ns, attempt);
    exported = std::move(at_->joined_context);
    context = *std::move(json);
  }
  at_->joined_context.reset();
  if (exported) {
    at_->context = *std::move(exported);
    at_->has_context = true;
  }
  const Value own_output = at_->data;
  follow(index, flow.kind == Flow::Kind::next ? task.then : flow);
  const Move moved = move(false);
  StepOf step{index, &task, attempt, started_ns};
  std::optional<Completed> undo;
  if (task.compensation != no_task) {
    // What it has done is done: an input that is too large to keep is left out.
    const Attempt<std::string> seen = evaluation_.checked_json(input, "the input");
    undo = Completed{.compensation = task.compensation, .input = seen ? input : Value(), .output = own_output};
    step.seen = seen ? *seen : "null";
  }
  const bool is_recorded = emit(arrival_ ? writer_.task_completed(step, *arrival_, output_json, context, moved)
                                         : writer_.task_completed(step, false, output_json, context, moved));
  if (is_recorded && undo) state_.completed.push_back(*std::move(undo));
}

void Execution::follow(TaskIndex index, Flow flow) {
  if (extension_of(index) != nullptr) return follow_extended(index, flow);
  switch (flow.kind) {
    case Flow::Kind::next: at_->next = definition_.task(index).next; break;
    case Flow::Kind::jump:
      TRV_EXPECTS(flow.target != no_task);
      at_->next = flow.target;
      break;
    case Flow::Kind::exit: at_->next = no_task; break;
    case Flow::Kind::end:
      at_->next = no_task;
      leave_for_end();
      if (branch_ != root_branch) ended_with_ = at_->data;
      break;
  }
  TRV_ENSURES(at_->next == no_task || stands_in_scope(at_->next));
}

void Execution::leave_for_end() {
  // A compensation ends as its task does.
  const std::size_t kept = state_.compensating && branch_ == root_branch ? 1 : 0;
  while (at_->frames.size() > kept) pop();
}

TaskIndex Execution::scope_task() const noexcept {
  return at_->frames.empty() ? at_->fork : at_->frames.back().task;
}

bool Execution::stands_in_scope(TaskIndex index) const {
  return definition_.task(index).parent == scope_task();
}

void Execution::raise(TaskIndex index, Value error, std::int64_t started_ns, std::uint32_t attempt) {
  // One error at a time: it is handled before anything else runs.
  TRV_EXPECTS(state_.status == Status::running && !at_->error.has_value());
  TRV_EXPECTS(stands_in_scope(index));
  const definition::Task& task = definition_.task(index);
  if (!error.is_object()) error = Value::object();
  if (error.find("instance") == nullptr) error.set("instance", Value(task.reference));
  const std::string json = json::serialize(error);
  at_->error = std::move(error);
  at_->next = no_task;
  at_->joined_context.reset();
  const Move moved = move(true);
  const StepOf step{index, &task, attempt, started_ns};
  if (arrival_ && !arrival_->outcome.ok) {
    emit(writer_.task_faulted(step, *arrival_, json, moved));
    return;
  }
  // The effect has not failed: the service answered what the task cannot use.
  if (arrival_) decision_.events.push_back(writer_.settled(*std::exchange(arrival_, std::nullopt)));
  emit(writer_.task_faulted(step, json, moved));
}

void Execution::push(Frame frame) {
  TRV_EXPECTS(stands_in_scope(frame.task) && !in_call());
  TRV_EXPECTS(frame.started_ns == context_.now.ns() && !frame.reported);
  frame.deadline_ns = std::exchange(deadline_ns_, 0);
  at_->frames.push_back(std::move(frame));
}

void Execution::pop() {
  TRV_EXPECTS(!at_->frames.empty());
  at_->frames.pop_back();
  at_->frames_known = std::min(at_->frames_known, at_->frames.size());
}

void Execution::leave_top(const std::function<void(const Frame& frame, const Value& input)>& then) {
  TRV_EXPECTS(!at_->frames.empty());
  const Value* kept = evaluation_.input_of(at_->frames.back());
  const Value input = kept == nullptr ? at_->data : *kept;
  // A branch that only waited has its raw input still; where tasks ran, theirs is no longer there.
  const Value raw_input = definition_.task(at_->frames.back().task).is_scope() ? input : at_->data;
  const Frame frame = at_->frames.back();
  pop();
  const Evaluation::Within within(
      evaluation_, {.task = frame.task, .started_ns = frame.started_ns, .raw_input = &raw_input, .input = &input});
  then(frame, input);
}

Frame& Execution::change_top() {
  TRV_EXPECTS(!at_->frames.empty());
  at_->frames_known = std::min(at_->frames_known, at_->frames.size() - 1);
  return at_->frames.back();
}

void Execution::set_data(Value data) {
  if (!at_->data.identical(data)) at_->data_known = false;
  at_->data = std::move(data);
}

Json Execution::data_json() {
  if (at_->data_known) return std::nullopt;
  at_->data_known = true;
  return json::serialize(at_->data);
}

Move Execution::move(bool with_data) {
  TRV_EXPECTS(at_->due_ns >= 0);
  TRV_EXPECTS(at_->frames_known <= at_->frames.size());
  ++state_.steps;
  ++budget_.steps;
  const bool yields = state_.status == Status::running && has_yielded() && !ended_with_;
  // Others on the shard get their turn; a timer that is due at once brings this instance back.
  if (yields && at_->due_ns == 0 && is_runnable(*at_)) at_->due_ns = context_.now.ns();
  others_go_on_ = yields && std::ranges::any_of(state_.branches, [&](const auto& other) {
                    return other.first != branch_ && is_runnable(other.second);
                  });
  Move moved;
  moved.branch = branch_;
  moved.others_go_on = others_go_on_;
  moved.keep = static_cast<std::uint32_t>(at_->frames_known);
  moved.frames = std::span<const Frame>(at_->frames).subspan(at_->frames_known);
  moved.next = at_->next;
  moved.due_ns = at_->due_ns;
  if (with_data) moved.data = data_json();
  at_->frames_known = at_->frames.size();
  TRV_ENSURES(moved.keep + moved.frames.size() == at_->frames.size());
  TRV_ENSURES(state_.steps >= 1);
  return moved;
}

bool Execution::emit(record::Draft draft) {
  TRV_EXPECTS(!draft.payload.empty());
  const bool over_size = draft.payload.size() > payload_bytes_max;
  // What was done until there can still be undone.
  const bool over_steps = state_.steps > steps_per_instance_max * (state_.compensating ? 2 : 1);
  const std::optional<Arrival> arrival = std::exchange(arrival_, std::nullopt);
  if (state_.status == Status::running && (over_size || over_steps)) {
    if (arrival) decision_.events.push_back(writer_.settled(*arrival));
    if (state_.compensating && over_steps) {
      end_compensating();
      return false;
    }
    fault(make_error(StandardError::runtime, "",
                     over_size
                         ? fmt::format("what the instance has to remember is larger than {} bytes", payload_bytes_max)
                         : fmt::format("the instance has made {} steps, more than any may; look for a flow that "
                                       "never ends",
                                       steps_per_instance_max)));
    return false;
  }
  budget_.event_bytes += draft.payload.size();
  decision_.events.push_back(std::move(draft));
  for (Frame& frame : at_->frames) frame.reported = true;
  return true;
}

bool Execution::in_call(const Branch& branch) const {
  if (branch.frames.empty()) return false;
  return definition_.task(branch.frames.back().task).has_effect();
}

}  // namespace trv::instance
