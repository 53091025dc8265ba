#include <fmt/format.h>

#include "kernel/workflow/definition/advice.hpp"
#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

ErrorFilter compile_filter(Compiler& compiler, const Node& errors, const std::string& what) {
  Problems& problems = compiler.problems();
  ErrorFilter filter;
  Fields fields(problems, errors, fmt::format("'catch.errors' of {}", what));
  const Node* with = fields.get("with");
  fields.finish();
  if (with == nullptr) return filter;
  Fields parts(problems, *with, fmt::format("'catch.errors.with' of {}", what));
  const auto text = [&](std::string_view name) -> std::optional<std::string> {
    const Node* node = parts.get(name, Node::Kind::string);
    if (node == nullptr) return std::nullopt;
    if (node->text.find("${") != std::string::npos) {
      filter.computed.emplace_back(name == "details" ? "detail" : name, compiler.value(*node, Site::body));
      return std::nullopt;
    }
    return node->text;
  };
  filter.type = text("type");
  if (const Node* type = with->find("type"); filter.type && type != nullptr) warn_of_error_type(problems, *type);
  filter.instance = text("instance");
  filter.title = text("title");
  filter.detail = text("detail");
  // The schema of 1.0.3 says `details`, its text says `detail`.
  if (auto details = text("details")) filter.detail = std::move(details);
  const Node* written = with->find("status");
  const bool is_computed = written != nullptr && written->is_string() && written->text.contains("${");
  const Node* status = is_computed ? parts.get("status") : parts.get("status", Node::Kind::integer);
  if (is_computed) {
    filter.computed.emplace_back("status", compiler.value(*written, Site::body));
  } else if (status != nullptr) {
    if (status->text.size() > 4) {
      problems.add(status->position, "'status' must be an HTTP status");
    } else {
      filter.status = std::stoi(status->text);
    }
  }
  parts.finish();
  return filter;
}

}  // namespace

TaskBody compile_try(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  TryTask task;
  Problems& problems = fields.problems();
  task.first = compiler.list(fields.require("try"), scope.index, scope.reference + "/try");
  for (const std::string_view name : {"retry", "errors", "as", "when", "exceptWhen"}) {
    (void)fields.belongs(name, "in 'catch'");
  }
  const Node* node = fields.require("catch");
  if (node == nullptr) return task;
  const std::size_t before = problems.reported();
  Fields parts(problems, *node, fmt::format("'catch' of {}", fields.what()));
  if (const Node* errors = parts.get("errors")) task.errors = compile_filter(compiler, *errors, fields.what());
  const Node* as = parts.get("as", Node::Kind::string);
  if (as != nullptr) task.error_name = as->text;
  const Node* then = parts.get("then");
  compiler.declare(task.error_name, scope.index, 0, as == nullptr ? node->position : as->position);
  task.when = compiler.expression(parts.get("when"), Site::body);
  task.except_when = compiler.expression(parts.get("exceptWhen"), Site::body);
  if (const Node* retry = parts.get("retry")) {
    if (!retry->is_string()) {
      task.retry = compile_retry(compiler, *retry, fmt::format("'catch.retry' of {}", fields.what()));
    } else if (const Node* named = compiler.named_retry(retry->text)) {
      if (compiler.take_copy(*named, retry->position)) {
        task.retry = compile_retry(compiler, *named, fmt::format("retry policy '{}'", retry->text));
      }
    } else if (compiler.has_names()) {
      problems.unknown(retry->position, fmt::format("'use.retries' has no policy '{}'", retry->text), retry->text,
                       compiler.retry_names());
    }
  }
  task.catch_first = compiler.list(parts.get("do"), scope.index, scope.reference + "/catch/do", true);
  compiler.leave(1);
  compiler.flow(then, scope.index, Compiler::catch_flow);
  parts.finish();
  if (node->find("do") == nullptr && node->find("retry") == nullptr && then == nullptr &&
      problems.reported() == before) {
    problems.warn(
        fields.place_of("catch"),
        fmt::format("'catch' of {} has neither 'do' nor 'retry': it swallows the error, and the workflow goes "
                    "on as if there had been none; say in 'do' what is to happen then",
                    fields.what()));
  }
  // Tasks are numbered in the order of the text.
  TRV_ENSURES(task.catch_first == no_task || task.first == no_task || task.catch_first > task.first);
  return task;
}

}  // namespace trv::definition
