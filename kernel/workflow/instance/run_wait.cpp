#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::WaitTask& task, const Value& input) {
  const Attempt<base::Duration> length = evaluation_.evaluate_duration(task.duration, input);
  if (!length) return raise(index, length.error().error, context_.now.ns(), 0);
  if (length->count() <= 0) return complete(index, input, input, {}, context_.now.ns(), 0);
  Frame frame{.task = index, .started_ns = context_.now.ns()};
  frame.has_input = definition_.task(index).input_from.has_value();
  if (frame.has_input) frame.input = input;
  push(std::move(frame));
  at_->next = no_task;
  at_->due_ns = (context_.now + *length).ns();
  TRV_ASSERT(at_->due_ns > context_.now.ns());
  const Move moved = move(true);
  emit(writer_.task_waiting({index, &definition_.task(index), 0, context_.now.ns()}, moved));
}

}  // namespace trv::instance
