// Expressions of an instance: what their variables mean, and what their failures are to the workflow.

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/tables.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using definition::Variable;
using json::Value;

namespace {

Value time_value(std::int64_t ns) {
  const base::Timestamp time(ns);
  return {{"iso8601", time.to_rfc3339()}, {"epoch", {{"seconds", ns / 1'000'000'000}, {"milliseconds", time.ms()}}}};
}

/// What putting a template's value together costs, besides its expressions: its parts may be large and cost no fuel.
/// The limit is where definition::Template stops.
constexpr std::size_t assembly_bytes_max = 1'000'000;
constexpr std::size_t assembly_bytes_per_fuel = 16;
constexpr std::uint64_t assembly_fuel_max = assembly_bytes_max / assembly_bytes_per_fuel;

std::uint64_t assembly_fuel(const Value& value) {
  std::size_t left = assembly_bytes_max;
  (void)json::spend_bytes(value, left);  // what it could not take is a use of all
  return (assembly_bytes_max - left) / assembly_bytes_per_fuel;
}

}  // namespace

std::string_view Execution::reference_of(TaskIndex index) const {
  return index == no_task ? std::string_view() : std::string_view(definition_.task(index).reference);
}

Execution::Raised Execution::expression_error(const base::Error& error) const {
  return {make_error(StandardError::expression, reference_of(scope_.task), error.message())};
}

// The first evaluation that finds the decision's fuel used up ends the instance, wherever the flow goes from there.
void Execution::watch_fuel() {
  if (!budget_.fuel.used_up() || out_of_fuel_) return;
  const std::string_view reference = reference_of(scope_.task);
  out_of_fuel_ = make_error(
      StandardError::expression, reference,
      fmt::format("{}: its expressions may use {} units of fuel together, and it asked for more; make several tasks of "
                  "it, or let an operation do the work",
                  reference.empty() ? std::string("the workflow") : fmt::format("the task '{}'", reference),
                  fuel_per_task_max));
}

Execution::Attempt<Value> Execution::evaluate(const definition::Template& part, const Value& input) {
  const expression::SharedFuel::Scope scope(budget_.fuel);
  base::Result<Value> result = part.evaluate(input, *this, context_.now);
  if (!part.is_constant()) budget_.fuel.spend(result ? assembly_fuel(*result) : assembly_fuel_max);
  watch_fuel();
  if (!result) return std::unexpected(expression_error(result.error()));
  return *std::move(result);
}

Execution::Attempt<Value> Execution::evaluate(const definition::Expression& part, const Value& input) {
  const expression::SharedFuel::Scope scope(budget_.fuel);
  base::Result<Value> result = part.evaluate(input, *this, context_.now);
  watch_fuel();
  if (!result) return std::unexpected(expression_error(result.error()));
  return *std::move(result);
}

Execution::Attempt<base::Duration> Execution::evaluate_duration(const definition::Template& part, const Value& input) {
  const Attempt<Value> value = evaluate(part, input);
  if (!value) return std::unexpected(value.error());
  const base::Result<definition::CalendarDuration> duration = definition::duration_of(*value);
  if (!duration) return std::unexpected(expression_error(duration.error()));
  const base::Result<base::Duration> length = duration->from(context_.now);
  if (!length) return std::unexpected(expression_error(length.error()));
  return *length;
}

Execution::Attempt<std::string> Execution::checked_json(const Value& value, std::string_view what) const {
  std::string json;
  json.reserve(256);
  if (json::append(json, value, {.bytes_max = data_bytes_max, .depth_max = 500})) return json;
  return std::unexpected(
      Raised{make_error(StandardError::runtime, reference_of(scope_.task),
                        fmt::format("{} has more than {} bytes; store large data elsewhere and pass its address", what,
                                    data_bytes_max))});
}

Value Execution::variable(const definition::VariableReference& reference) {
  switch (reference.variable) {
    case Variable::context: return context_value();
    case Variable::input: return scope_.input == nullptr ? Value() : *scope_.input;
    case Variable::output: return scope_.output == nullptr ? Value() : *scope_.output;
    case Variable::task: return task_value();
    case Variable::workflow: return workflow_value();
    case Variable::runtime: return {{"name", "travertine"}, {"version", "0.1.0"}, {"metadata", Value::object()}};
    case Variable::authorization: return authorization_value();
    case Variable::local: return local_value(reference);
  }
  return {};
}

const Value& Execution::context_value() {
  if (joined_context_) return *joined_context_;
  // A branch sees what was exported before the fork until it exports something itself.
  BranchId id = branch_;
  Branch* owner = at_;
  while (!owner->context && !owner->has_context && id != root_branch) {
    id = owner->parent;
    owner = &state_.branches.at(id);
  }
  if (!owner->context) {
    base::Result<Value> context = instance_data_.context(id);
    if (!context) failure_ = context.error();
    owner->context = context ? *std::move(context) : Value::object();
  }
  return *owner->context;
}

Value Execution::workflow_value() {
  if (workflow_cache_) return *workflow_cache_;
  if (!input_cache_) {
    base::Result<Value> input = instance_data_.input();
    if (!input) failure_ = input.error();
    input_cache_ = input ? *std::move(input) : Value();
  }
  workflow_cache_ = Value{{"id", instance_.to_string()},
                          {"definition", definition_.document},
                          {"input", *input_cache_},
                          {"startedAt", time_value(instance_data_.started_ns())}};
  return *workflow_cache_;
}

Value Execution::task_value() const {
  if (scope_.task == no_task) return {};
  const definition::Task& task = definition_.task(scope_.task);
  return {{"name", task.name},
          {"reference", task.reference},
          {"definition", definition_.task_definition(scope_.task)},
          {"input", scope_.raw_input == nullptr ? Value() : *scope_.raw_input},
          {"output", scope_.output == nullptr ? Value() : *scope_.output},
          {"startedAt", time_value(scope_.started_ns)}};
}

Value Execution::local_value(const definition::VariableReference& reference) {
  BranchId id = branch_;
  for (Branch* branch = at_;; branch = &state_.branches.at(id)) {
    for (std::size_t depth = branch->frames.size(); depth-- > 0;) {
      const Frame& frame = branch->frames[depth];
      if (frame.task != reference.owner) continue;
      if (frame.items_count > 0) return reference.slot == 1 ? Value(frame.index) : item_of(id, depth);
      if (frame.error) return *frame.error;
    }
    if (id == root_branch) return {};
    id = branch->parent;
  }
}

std::size_t Execution::depth_of(const Frame& frame) const {
  TRV_EXPECTS(&frame >= at_->frames.data() && &frame < at_->frames.data() + at_->frames.size());
  return static_cast<std::size_t>(&frame - at_->frames.data());
}

const Value* Execution::input_of(Frame& frame) {
  if (!frame.has_input) return nullptr;
  if (!frame.input) {
    base::Result<Value> input = instance_data_.frame_input(branch_, depth_of(frame));
    if (!input) failure_ = input.error();
    frame.input = input ? *std::move(input) : Value();
  }
  return &*frame.input;
}

Value Execution::item_of(BranchId branch, std::size_t depth) {
  Frame& frame = state_.branches.at(branch).frames.at(depth);
  if (frame.index >= frame.items_count) return {};
  const bool is_here =
      frame.items && frame.index >= frame.items_first && frame.index - frame.items_first < frame.items->size();
  if (!is_here) {
    const std::size_t row = frame.index / items_per_row;
    base::Result<Value> items = instance_data_.loop_items(branch, depth, row);
    frame.items_first = static_cast<std::uint32_t>(row * items_per_row);
    const bool fits = items && items->is_array() && frame.index - frame.items_first < items->size();
    if (!fits) {
      failure_ =
          items ? base::Error(base::ErrorCode::corrupt, "a loop lacks an item; rebuild the projection") : items.error();
      return {};
    }
    frame.items = *std::move(items);
  }
  return frame.items->at(frame.index - frame.items_first);
}

}  // namespace trv::instance
