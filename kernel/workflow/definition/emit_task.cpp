#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

// CloudEvents 1.0.2 §3.1
bool is_attribute_name(std::string_view name) {
  return !name.empty() && name.size() <= 20 &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

}  // namespace

TaskBody compile_emit(Compiler& compiler, Fields& fields, const TaskScope&) {
  EmitTask task;
  Problems& problems = fields.problems();
  const Node* node = fields.require("emit");
  if (node == nullptr) return task;
  Fields parts(problems, *node, fmt::format("'emit' of {}", fields.what()));
  const Node* event = parts.require("event");
  parts.finish();
  if (event == nullptr) return task;
  Fields event_parts(problems, *event, fmt::format("'emit.event' of {}", fields.what()));
  const Node* with = event_parts.require("with", Node::Kind::mapping);
  event_parts.finish();
  if (with == nullptr) return task;
  for (const Entry& attribute : with->entries) {
    if (attribute.key != "data_base64" && !is_attribute_name(attribute.key)) {
      problems.add(attribute.position,
                   fmt::format("'{}' cannot be an attribute of an event: its name must have 1 to 20 "
                               "lower-case letters and digits",
                               attribute.key));
    }
  }
  const Node* type = with->find("type");
  if (type == nullptr || (type->is_string() && type->text.empty())) {
    problems.add(with->position, fmt::format("'emit.event.with' of {} needs a 'type', for example "
                                             "'com.example.order.placed'",
                                             fields.what()));
  }
  task.event = compiler.value(*with, Site::body);
  return task;
}

}  // namespace trv::definition
