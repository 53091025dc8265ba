// `do`, the call of a function, and a task with its extensions, which all are a list of tasks.

#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using definition::DoTask;
using definition::Flow;

void Execution::run(TaskIndex index, const DoTask& task, const Value& input) {
  Value data = input;
  bool is_extended = true;
  if (task.arguments) {
    Attempt<Value> arguments = evaluation_.evaluate(*task.arguments, input);
    if (!arguments) return raise(index, std::move(arguments).error().error, context_.now.ns(), 0);
    const Attempt<std::string> checked = evaluation_.checked_json(*arguments, "what is handed to the function");
    if (!checked) return raise(index, checked.error().error, context_.now.ns(), 0);
    data = *std::move(arguments);
  }
  if (task.when) {
    const Attempt<Value> truth = evaluation_.evaluate(*task.when, input);
    if (!truth) return raise(index, truth.error().error, context_.now.ns(), 0);
    is_extended = truth->is_truthy();
  }
  Frame frame{.task = index, .started_ns = context_.now.ns()};
  frame.has_input = definition_.task(index).needs_input() || task.extended != no_task;
  if (frame.has_input) frame.input = input;
  // 1: the task runs alone.
  if (!is_extended) frame.index = 1;
  push(std::move(frame));
  set_data(std::move(data));
  at_->next = is_extended ? task.first : task.extended;
}

const DoTask* Execution::extension_of(TaskIndex index) const {
  if (at_->frames.empty()) return nullptr;
  const auto* outer = std::get_if<DoTask>(&definition_.task(at_->frames.back().task).body);
  return outer != nullptr && outer->extended == index ? outer : nullptr;
}

void Execution::follow_extended(TaskIndex index, Flow flow) {
  TRV_EXPECTS(extension_of(index) != nullptr);
  if (flow.kind != Flow::Kind::next) change_top().then = flow;
  at_->next = at_->frames.back().index == 1 ? no_task : definition_.task(index).next;
}

Flow Execution::flow_after(const Frame& frame) const {
  const auto* guard = std::get_if<definition::TryTask>(&definition_.task(frame.task).body);
  if (guard != nullptr) return frame.error ? guard->caught_then : Flow{};
  return frame.then;
}

}  // namespace trv::instance
