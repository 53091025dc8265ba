#include <fmt/format.h>

#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {

TaskBody compile_set(Compiler& compiler, Fields& fields, const TaskScope&) {
  SetTask task;
  const Node* node = fields.require("set");
  if (node == nullptr) return task;
  if (!node->is_mapping() && !node->is_string()) {
    fields.problems().add(node->position, fmt::format("'set' of {} must be a mapping or an expression, not {}",
                                                      fields.what(), describe(node->kind)));
    return task;
  }
  task.value = compiler.value(*node, Site::body);
  return task;
}

}  // namespace trv::definition
