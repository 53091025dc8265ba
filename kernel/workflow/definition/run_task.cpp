#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/version.hpp"

namespace trv::definition {
namespace {

constexpr std::array<std::string_view, 5> results = {"stdout", "stderr", "code", "all", "none"};

RunTask workflow_of(Compiler& compiler, Fields& of) {
  RunTask task;
  Problems& problems = of.problems();
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

// The versions that the specification names with them are what the host has.
std::string language_of(Fields& of) {
  const Node* language = of.require("language", Node::Kind::string);
  if (language == nullptr) return {};
  if (language->text == "js" || language->text == "javascript") return "javascript";
  if (language->text == "python") return "python";
  of.problems().add(language->position,
                    fmt::format("'language' must be javascript, js or python, not '{}'", language->text),
                    {.expected = "javascript, js or python"});
  return {};
}

/// `source`: of a script, or null.
ProcessTask process_of(Compiler& compiler, Fields& of, bool is_shell, const Node* source) {
  ProcessTask task;
  task.language = is_shell ? "shell" : language_of(of);
  task.is_fetched = source != nullptr;
  const std::string_view code_name = is_shell ? "command" : "code";
  const Node* code = source == nullptr ? of.require(code_name, Node::Kind::string) : of.get(code_name);
  if (code != nullptr && source != nullptr) {
    of.problems().add(code->position, fmt::format("{} has 'code' and 'source'; one of them is the script", of.what()));
    return task;
  }
  if (code != nullptr) {
    task.code = compiler.value(*code, Site::body);
    if (code->text.empty()) of.problems().add(code->position, fmt::format("'{}' of {} is empty", code_name, of.what()));
  }
  const auto value = [&](const Node* node, json::Value otherwise) {
    return node == nullptr ? Template::constant(std::move(otherwise)) : compiler.value(*node, Site::body);
  };
  task.input = value(of.get("stdin"), json::Value());
  const Node* arguments = of.get("arguments");
  if (arguments != nullptr && arguments->kind == Node::Kind::mapping) {
    of.problems().add(arguments->position, fmt::format("'arguments' of {} must be a list, in the order in which the "
                                                       "program gets them",
                                                       of.what()));
  }
  task.arguments = value(arguments, json::Value::array());
  const Node* environment = of.get("environment");
  if (environment != nullptr && environment->kind == Node::Kind::sequence) {
    of.problems().add(environment->position,
                      fmt::format("'environment' of {} must have a value for each name", of.what()));
  }
  task.environment = value(environment, json::Value::object());
  of.finish();
  return task;
}

}  // namespace

TaskBody compile_run(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  Problems& problems = fields.problems();
  const Node* node = fields.require("run");
  if (node == nullptr) return RunTask();
  const std::size_t before = problems.reported();
  Fields parts(problems, *node, fmt::format("'run' of {}", fields.what()));
  parts.unsupported("container");
  const Node* await = parts.get("await", Node::Kind::boolean);
  const bool awaits = await == nullptr || await->boolean;
  const Node* result = parts.get("return", Node::Kind::string);
  const Node* workflow = parts.get("workflow", Node::Kind::mapping);
  const Node* script = parts.get("script", Node::Kind::mapping);
  const Node* shell = parts.get("shell", Node::Kind::mapping);
  parts.finish();
  if ((workflow != nullptr) + (script != nullptr) + (shell != nullptr) != 1) {
    if (problems.reported() == before) {
      problems.add(node->position,
                   fmt::format("'run' of {} needs one of 'workflow', 'script' and 'shell'", fields.what()));
    }
    return RunTask();
  }
  if (workflow != nullptr) {
    if (result != nullptr) {
      problems.add(result->position,
                   fmt::format("'return' of 'run' of {} is for a script or a shell command; a workflow "
                               "gives its output",
                               fields.what()));
    }
    Fields of(problems, *workflow, fmt::format("'run.workflow' of {}", fields.what()));
    RunTask task = workflow_of(compiler, of);
    task.awaits = awaits;
    return task;
  }
  if (!awaits) {
    problems.add(
        await->position,
        fmt::format("'await' of 'run' of {} must not be false: a script in its sandbox reaches nothing, so nobody "
                    "would see what it did",
                    fields.what()));
  }
  Fields of(problems, shell != nullptr ? *shell : *script,
            fmt::format("'run.{}' of {}", shell != nullptr ? "shell" : "script", fields.what()));
  const Node* source = shell == nullptr ? of.get("source") : nullptr;
  ProcessTask task = process_of(compiler, of, shell != nullptr, source);
  task.result = result == nullptr ? "stdout" : result->text;
  if (result != nullptr && std::ranges::find(results, result->text) == results.end()) {
    problems.add(result->position,
                 fmt::format("'return' must be stdout, stderr, code, all or none, not '{}'", result->text),
                 {.expected = "stdout, stderr, code, all or none"});
  }
  if (source == nullptr) return task;
  HttpCall call;
  call.method = Template::constant(json::Value("GET"));
  Resource resource = compile_resource(compiler, *source, fmt::format("'source' of {}", of.what()));
  call.endpoint = std::move(resource.address);
  call.authentication = std::move(resource.authentication);
  return DoTask{.first = compiler.fetched(scope, source->position, std::move(call), std::move(task)),
                .is_script = true};
}

}  // namespace trv::definition
