#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::SetTask& task, const Value& input) {
  Attempt<Value> output = evaluation_.evaluate(task.value, input);
  if (!output) return raise(index, std::move(output).error().error, context_.now.ns(), 0);
  complete(index, *output, input, {}, context_.now.ns(), 0);
}

}  // namespace trv::instance
