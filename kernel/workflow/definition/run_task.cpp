#include <fmt/format.h>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/version.hpp"

namespace trv::definition {

TaskBody compile_run(Compiler& compiler, Fields& fields, const TaskScope&) {
  RunTask task;
  Problems& problems = fields.problems();
  const Node* node = fields.require("run");
  if (node == nullptr) return task;
  const std::size_t before = problems.reported();
  Fields parts(problems, *node, fmt::format("'run' of {}", fields.what()));
  for (const std::string_view kind : {"container", "script", "shell", "return"}) parts.unsupported(kind);
  if (const Node* await = parts.get("await", Node::Kind::boolean)) task.awaits = await->boolean;
  const Node* workflow = parts.get("workflow", Node::Kind::mapping);
  parts.finish();
  if (workflow == nullptr) {
    if (problems.reported() == before)
      problems.add(node->position, fmt::format("'run' of {} needs a 'workflow'", fields.what()));
    return task;
  }
  Fields of(problems, *workflow, fmt::format("'run.workflow' of {}", fields.what()));
  task.workflow.space = of.required_text("namespace");
  task.workflow.name = of.required_text("name");
  if (const Node* version = of.get("version", Node::Kind::string); version != nullptr && version->text != "latest") {
    task.workflow.version = version->text;
    if (!base::Version::parse(version->text)) {
      problems.add(
          version->position,
          fmt::format("'version' must be a semantic version such as '1.0.0', or latest, not '{}'", version->text));
    }
  }
  task.input = compiler.optional_value(of.get("input"), Site::body);
  of.finish();
  return task;
}

}  // namespace trv::definition
