// `raise`, and the errors that it and use.errors define.

#include <fmt/format.h>

#include "kernel/workflow/definition/advice.hpp"
#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {

void warn_of_error_type(Problems& problems, const Node& type) {
  const ErrorTypeAdvice advice = error_type_meant(type.text);
  if (!advice.is_wrong) return;
  problems.warn(
      type.position,
      advice.suggestion.empty()
          ? fmt::format("'{}' is not one of the standard errors: configuration, validation, expression, "
                        "authentication, authorization, timeout, communication and runtime",
                        type.text)
          : fmt::format("'{}' is not one of the standard errors; did you mean '{}'?", type.text, advice.suggestion),
      {.suggestion = advice.suggestion});
}

ErrorTemplate compile_error(Compiler& compiler, const Node& node, std::string what) {
  ErrorTemplate error;
  Problems& problems = compiler.problems();
  Fields fields(problems, node, std::move(what));
  if (const Node* type = fields.require("type", Node::Kind::string)) {
    if (type->text.empty()) problems.add(type->position, "an error's type must not be empty");
    error.type = compiler.value(*type, Site::body);
    warn_of_error_type(problems, *type);
  }
  if (const Node* status = fields.require("status")) {
    const std::size_t before = problems.reported();
    error.status = compiler.value(*status, Site::body);
    const bool expression = !error.status.is_constant() || problems.reported() != before;
    const json::Value number = expression ? json::Value(400) : error.status.constant_value();
    if (!number.is_int() || number.as_int() < 100 || number.as_int() > 599) {
      problems.add(status->position, "an error's status must be a whole number from 100 to 599");
    }
  }
  const auto text = [&](std::string_view name) {
    return compiler.optional_value(fields.get(name, Node::Kind::string), Site::body);
  };
  error.instance = text("instance");
  error.title = text("title");
  error.detail = text("detail");
  fields.finish();
  return error;
}

TaskBody compile_raise(Compiler& compiler, Fields& fields, const TaskScope&) {
  RaiseTask task;
  const Node* raise = fields.require("raise");
  if (raise == nullptr) return task;
  Problems& problems = fields.problems();
  Fields parts(problems, *raise, fmt::format("'raise' of {}", fields.what()));
  const Node* error = parts.require("error");
  parts.finish();
  if (error == nullptr) return task;
  if (!error->is_string()) {
    task.error = compile_error(compiler, *error, fmt::format("'raise.error' of {}", fields.what()));
    return task;
  }
  const Node* named = compiler.named_error(error->text);
  if (named == nullptr) {
    if (!compiler.has_names()) return task;
    problems.unknown(error->position, fmt::format("'use.errors' has no error '{}'", error->text), error->text,
                     compiler.error_names());
    return task;
  }
  if (!compiler.take_copy(*named, error->position)) return task;
  task.error = compile_error(compiler, *named, fmt::format("error '{}'", error->text));
  return task;
}

}  // namespace trv::definition
