#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::SwitchTask& task, const Value& input) {
  for (const definition::SwitchCase& one : task.cases) {
    if (one.when) {
      Attempt<Value> truth = evaluation_.evaluate(*one.when, input);
      if (!truth) return raise(index, std::move(truth).error().error, context_.now.ns(), 0);
      if (!truth->is_truthy()) continue;
    }
    return complete(index, input, input, one.then, context_.now.ns(), 0);
  }
  complete(index, input, input, {}, context_.now.ns(), 0);
}

}  // namespace trv::instance
