#include <fmt/format.h>

#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {

TaskBody compile_fork(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  ForkTask task;
  const Node* node = fields.require("fork");
  if (node == nullptr) return task;
  Fields parts(fields.problems(), *node, fmt::format("'fork' of {}", fields.what()));
  task.branches = compiler.branches(parts.require("branches"), scope.index, scope.reference + "/fork/branches");
  if (const Node* compete = parts.get("compete", Node::Kind::boolean)) task.compete = compete->boolean;
  parts.finish();
  return task;
}

}  // namespace trv::definition
