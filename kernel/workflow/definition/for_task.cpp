#include <fmt/format.h>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {

TaskBody compile_for(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  ForTask task;
  const Node* node = fields.require("for");
  if (node == nullptr) return task;
  Fields parts(fields.problems(), *node, fmt::format("'for' of {}", fields.what()));
  const Node* each = parts.get("each", Node::Kind::string);
  const Node* at = parts.get("at", Node::Kind::string);
  if (each != nullptr) task.item_name = each->text;
  if (at != nullptr) task.index_name = at->text;
  if (task.item_name == task.index_name) {
    fields.problems().add(node->position,
                          fmt::format("'each' and 'at' of {} must have different names", fields.what()));
  }
  if (const Node* in = parts.require("in")) {
    if (in->is_sequence()) {
      fields.problems().add(in->position,
                            fmt::format("'in' of {} must be an expression, not a sequence; write the list as jq: "
                                        "'${{ [1, 2, 3] }}'",
                                        fields.what()),
                            {.expected = "an expression"});
    } else if (auto expression = compiler.expression(in, Site::body)) {
      task.in = Template::from(*std::move(expression));
    }
  }
  const Node* misplaced_while = parts.belongs("while", "beside 'for'");
  const Node* misplaced_do = parts.belongs("do", "beside 'for'");
  parts.finish();
  compiler.declare(task.item_name, scope.index, 0, each == nullptr ? node->position : each->position);
  compiler.declare(task.index_name, scope.index, 1, at == nullptr ? node->position : at->position);
  task.while_ = compiler.expression(misplaced_while != nullptr ? misplaced_while : fields.get("while"), Site::body);
  task.first = compiler.list(misplaced_do != nullptr ? misplaced_do : fields.require("do"), scope.index,
                             scope.reference + "/do");
  compiler.leave(2);
  TRV_ENSURES(task.first == no_task || task.first > scope.index);
  return task;
}

}  // namespace trv::definition
