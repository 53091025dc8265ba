// `run` of a shell command or a script. The effect's operation is the language; its input is {"code", "arguments",
// "environment", "stdin", "return"}, without what is not given. Its outcome is what `return` asks for. A script that
// was fetched is a part of the task that the text has: what is said of that is evaluated as there.

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

// As a program is given it: a text as it is, other values as JSON.
json::Value as_word(const json::Value& value) {
  return value.is_string() ? value : json::Value(json::serialize(value));
}

}  // namespace

json::Value Execution::fetched_data(const Value& input) {
  const Value* data = input.find("data");
  return data == nullptr ? Value() : *data;
}

void Execution::run(TaskIndex index, const definition::ProcessTask& task, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  Evaluation::Scope scope = evaluation_.scope();
  const Value data = task.is_fetched ? fetched_data(input) : input;
  if (task.is_fetched) {
    scope.task = definition_.task(index).parent;
    scope.raw_input = &data;
    scope.input = &data;
  }
  const Evaluation::Within within(evaluation_, scope);
  const auto fail = [&](std::string_view what, const Value& is, std::string_view should) {
    raise(index,
          make_error(StandardError::expression, evaluation_.reference(),
                     fmt::format("{} must be {}, not {}", what, should, json::to_string(is.kind()))),
          now_ns, 0);
  };
  // An operator may have skipped the call, or given another input.
  if (task.is_fetched && input.find("code") == nullptr) {
    return raise(index,
                 make_error(StandardError::expression, evaluation_.reference(),
                            "the script's input must have 'code', the script, and 'data', the task's input"),
                 now_ns, 0);
  }
  const std::string_view code_name = task.is_fetched            ? "what 'source' leads to"
                                     : task.language == "shell" ? "'command'"
                                                                : "'code'";
  Attempt<Value> code = task.is_fetched ? *input.find("code") : evaluation_.evaluate(task.code, data);
  if (!code) return raise(index, std::move(code).error().error, now_ns, 0);
  if (!code->is_string()) return fail(code_name, *code, "text");
  Attempt<Value> given = evaluation_.evaluate(task.input, data);
  if (!given) return raise(index, std::move(given).error().error, now_ns, 0);
  Attempt<Value> arguments = evaluation_.evaluate(task.arguments, data);
  if (!arguments) return raise(index, std::move(arguments).error().error, now_ns, 0);
  if (!arguments->is_array()) return fail("'arguments'", *arguments, "an array");
  Attempt<Value> environment = evaluation_.evaluate(task.environment, data);
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
