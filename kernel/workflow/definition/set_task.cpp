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
  // A text that was cut off behind `set:` must not become what the task returns.
  if (node->is_string() && !compiler.may_be_expression(*node)) {
    fields.problems().add(node->position,
                          fmt::format("'set' of {} is a plain text; write a mapping, or an expression such as "
                                      "'${{ .order }}'",
                                      fields.what()));
    return task;
  }
  if (node->is_mapping() && node->entries.empty()) {
    fields.problems().add(node->position,
                          fmt::format("'set' of {} has nothing in it; write at least one property, as in "
                                      "'set: {{total: 0}}'",
                                      fields.what()));
    return task;
  }
  task.value = compiler.value(*node, Site::body);
  return task;
}

}  // namespace trv::definition
