// `run` of a shell command or a script. The effect's operation is the language; its input is {"code", "arguments",
// "environment", "stdin", "return"}, without what is not given. Its outcome is what `return` asks for.

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {
namespace {

// As a program is given it: a text as it is, other values as JSON.
json::Value as_word(const json::Value& value) {
  return value.is_string() ? value : json::Value(json::serialize(value));
}

}  // namespace

void Execution::run(TaskIndex index, const definition::ProcessTask& task, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  const auto fail = [&](std::string_view what, const Value& is, std::string_view should) {
    raise(index,
          make_error(StandardError::expression, definition_.task(index).reference,
                     fmt::format("{} must be {}, not {}", what, should, json::to_string(is.kind()))),
          now_ns, 0);
  };
  const std::string_view code_name = task.language == "shell" ? "'command'" : "'code'";
  Attempt<Value> code = evaluation_.evaluate(task.code, input);
  if (!code) return raise(index, std::move(code).error().error, now_ns, 0);
  if (!code->is_string()) return fail(code_name, *code, "text");
  Attempt<Value> given = evaluation_.evaluate(task.input, input);
  if (!given) return raise(index, std::move(given).error().error, now_ns, 0);
  Attempt<Value> arguments = evaluation_.evaluate(task.arguments, input);
  if (!arguments) return raise(index, std::move(arguments).error().error, now_ns, 0);
  if (!arguments->is_array()) return fail("'arguments'", *arguments, "an array");
  Attempt<Value> environment = evaluation_.evaluate(task.environment, input);
  if (!environment) return raise(index, std::move(environment).error().error, now_ns, 0);
  if (!environment->is_object()) return fail("'environment'", *environment, "an object");

  Value job = {{"code", *std::move(code)}};
  Value words = Value::array();
  for (const Value& argument : arguments->items()) words.push_back(as_word(argument));
  if (!words.items().empty()) job.set("arguments", std::move(words));
  Value variables = Value::object();
  for (const json::Entry& variable : environment->entries()) variables.set(variable.key, as_word(variable.value));
  if (!variables.entries().empty()) job.set("environment", std::move(variables));
  if (!given->is_null()) job.set("stdin", as_word(*given));
  job.set("return", Value(task.result));
  shard::Effect effect;
  effect.kind = "process";
  effect.operation = task.language;
  request(index, input, std::move(effect), job);
}

}  // namespace trv::instance
