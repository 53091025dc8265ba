#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {

TaskBody compile_wait(Compiler& compiler, Fields& fields, const TaskScope&) {
  WaitTask task;
  if (auto duration = compiler.duration(fields.require("wait"), Site::body)) task.duration = *std::move(duration);
  return task;
}

}  // namespace trv::definition
