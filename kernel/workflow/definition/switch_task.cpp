#include <fmt/format.h>

#include "kernel/workflow/definition/advice.hpp"
#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::definition {

namespace {

/// A condition without data in it was surely meant otherwise.
void warn_of_fixed(Problems& problems, const Node& when, const std::string& name) {
  std::string_view text = base::trimmed(when.text);
  if (text.starts_with("${") && text.ends_with('}')) text = base::trimmed(text.substr(2, text.size() - 3));
  const auto value = fixed_value(text);
  if (!value) return;
  problems.warn(when.position,
                value->is_truthy()
                    ? fmt::format("case '{}' is always taken: its condition is true whatever the data is", name)
                    : fmt::format("case '{}' is never taken: its condition is false whatever the data is", name));
}

}  // namespace

TaskBody compile_switch(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  SwitchTask task;
  const Node* node = fields.require("switch", Node::Kind::sequence);
  if (node == nullptr) return task;
  if (node->items.empty()) {
    fields.problems().add(node->position, fmt::format("'switch' of {} needs at least one case", fields.what()));
  }
  const Entry* always = nullptr;
  bool warned = false;
  for (const Node& item : node->items) {
    const std::size_t before = fields.problems().reported();
    if (!item.is_mapping() || item.entries.size() != 1) {
      fields.problems().add(item.position, "each case of a switch must be a mapping of exactly one name to its case");
      continue;
    }
    const Entry& entry = item.entries.front();
    for (const SwitchCase& other : task.cases) {
      if (other.name == entry.key) {
        fields.problems().add(entry.position, fmt::format("a case named '{}' is in this switch already", entry.key));
      }
    }
    Fields case_fields(fields.problems(), entry.value, fmt::format("case '{}'", entry.key));
    SwitchCase& one = task.cases.emplace_back();
    one.name = entry.key;
    const Node* when = case_fields.get("when");
    one.when = compiler.expression(when, Site::body);
    if (when != nullptr && one.when) warn_of_fixed(fields.problems(), *when, entry.key);
    compiler.flow(case_fields.require("then"), scope.index, static_cast<int>(task.cases.size()) - 1);
    case_fields.finish();
    // One warning: those after it are not reached either.
    if (always != nullptr && !warned) {
      warned = true;
      fields.problems().warn(entry.position, fmt::format("case '{}' is never reached: case '{}' before it has no "
                                                         "'when', and so is always taken; move that to the end",
                                                         entry.key, always->key));
    }
    if (always == nullptr && entry.value.is_mapping() && entry.value.find("when") == nullptr &&
        fields.problems().reported() == before) {
      always = &entry;
    }
  }
  return task;
}

}  // namespace trv::definition
