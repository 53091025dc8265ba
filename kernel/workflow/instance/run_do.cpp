#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::DoTask& task, const Value& input) {
  Frame frame{.task = index, .started_ns = context_.now.ns()};
  frame.has_input = definition_.task(index).needs_input();
  if (frame.has_input) frame.input = input;
  push(std::move(frame));
  set_data(input);
  at_->next = task.first;
}

}  // namespace trv::instance
