#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::RaiseTask& task, const Value& input) {
  Value error = Value::make_object(5);
  const auto fill = [&](std::string_view name, const definition::Template& part) -> std::optional<Raised> {
    Attempt<Value> value = evaluation_.evaluate(part, input);
    if (!value) return std::move(value).error();
    // All but the status are text, whatever an expression made of them.
    const bool is_text = value->is_string() || name == "status";
    error.set(name, is_text ? *std::move(value) : Value(json::serialize(*value)));
    return std::nullopt;
  };
  std::optional<Raised> failed = fill("type", task.error.type);
  if (!failed) failed = fill("status", task.error.status);
  if (!failed && task.error.instance) failed = fill("instance", *task.error.instance);
  if (!failed && task.error.title) failed = fill("title", *task.error.title);
  if (!failed && task.error.detail) failed = fill("detail", *task.error.detail);
  if (!failed) {
    if (const Attempt<std::string> checked = evaluation_.checked_json(error, "the error"); !checked)
      failed = checked.error();
  }
  raise(index, failed ? std::move(failed->error) : std::move(error), context_.now.ns(), 0);
}

}  // namespace trv::instance
