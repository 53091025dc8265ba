// Expressions of an instance: what their variables mean, and what their failures are to the workflow.

#include "kernel/workflow/instance/evaluation.hpp"

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/error.hpp"
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

Evaluation::Evaluation(const shard::DecisionContext& context, const definition::Definition& definition,
                       const InstanceId& instance, State& state, const InstanceData& data, DecisionBudget& budget)
    : context_(context),
      definition_(definition),
      instance_(instance),
      state_(state),
      data_(data),
      budget_(budget),
      at_(&state.root()) {}

void Evaluation::enter(BranchId branch) {
  branch_ = branch;
  at_ = &state_.branches.at(branch);
}

std::string_view Evaluation::reference() const {
  return scope_.task == no_task ? std::string_view() : std::string_view(definition_.task(scope_.task).reference);
}

void Evaluation::fail(base::Error error) {
  if (!failure_) failure_ = std::move(error);
}

Value Evaluation::read(base::Result<Value> value) {
  if (value) return *std::move(value);
  fail(std::move(value).error());
  return {};
}

Raised Evaluation::expression_error(const base::Error& error) const {
  return {make_error(StandardError::expression, reference(), error.message())};
}

// The first evaluation that finds the decision's fuel used up ends the instance, wherever the flow goes from there.
void Evaluation::watch_fuel() {
  if (!budget_.fuel.used_up() || out_of_fuel_) return;
  const std::string_view task = reference();
  out_of_fuel_ = make_error(
      StandardError::expression, task,
      fmt::format("{}: its expressions may use {} units of fuel together, and it asked for more; make several tasks of "
                  "it, or let an operation do the work",
                  task.empty() ? std::string("the workflow") : fmt::format("the task '{}'", task), fuel_per_task_max));
}

Attempt<Value> Evaluation::evaluate(const definition::Template& part, const Value& input) {
  const expression::SharedFuel::Scope scope(budget_.fuel);
  base::Result<Value> result = part.evaluate(input, *this, context_.now);
  if (!part.is_constant()) budget_.fuel.spend(result ? assembly_fuel(*result) : assembly_fuel_max);
  watch_fuel();
  if (!result) return std::unexpected(expression_error(result.error()));
  return *std::move(result);
}

Attempt<Value> Evaluation::evaluate(const definition::Expression& part, const Value& input) {
  const expression::SharedFuel::Scope scope(budget_.fuel);
  base::Result<Value> result = part.evaluate(input, *this, context_.now);
  watch_fuel();
  if (!result) return std::unexpected(expression_error(result.error()));
  return *std::move(result);
}

std::optional<Value> Evaluation::choose(const definition::Expression& part, const Value& input) {
  expression::SharedFuel fuel(fuel_per_listener_max);
  const expression::SharedFuel::Scope scope(fuel);
  base::Result<Value> result = part.evaluate(input, *this, context_.now);
  budget_.chosen_with += fuel.given() - fuel.left();
  if (!result || fuel.used_up()) return std::nullopt;
  return *std::move(result);
}

Attempt<Value> Evaluation::secrets_of(const definition::Template& part, const Value& at, const Value& input,
                                      Value out) {
  const expression::SharedFuel::Scope scope(budget_.fuel);
  const base::Status found = part.secrets(at, input, *this, context_.now, out);
  watch_fuel();
  if (!found) return std::unexpected(expression_error(found.error()));
  return out;
}

Attempt<base::Duration> Evaluation::evaluate_duration(const definition::Template& part, const Value& input) {
  const Attempt<Value> value = evaluate(part, input);
  if (!value) return std::unexpected(value.error());
  const base::Result<definition::CalendarDuration> duration = definition::duration_of(*value);
  if (!duration) return std::unexpected(expression_error(duration.error()));
  const base::Result<base::Duration> length = duration->from(context_.now);
  if (!length) return std::unexpected(expression_error(length.error()));
  return *length;
}

Attempt<std::string> Evaluation::checked_json(const Value& value, std::string_view what) const {
  std::string json;
  json.reserve(256);
  if (json::append(json, value, {.bytes_max = data_bytes_max, .depth_max = 500})) return json;
  return std::unexpected(
      Raised{make_error(StandardError::runtime, reference(),
                        fmt::format("{} has more than {} bytes; store large data elsewhere and pass its address", what,
                                    data_bytes_max))});
}

Value Evaluation::variable(const definition::VariableReference& reference) {
  switch (reference.variable) {
    case Variable::context: return context_value();
    case Variable::input: return scope_.input == nullptr ? Value() : *scope_.input;
    case Variable::output: return scope_.output == nullptr ? Value() : *scope_.output;
    case Variable::task: return reference.owner == no_task ? task_value() : extended_value(reference.owner);
    case Variable::workflow: return workflow_value();
    case Variable::runtime: return {{"name", "travertine"}, {"version", "0.1.0"}, {"metadata", Value::object()}};
    case Variable::authorization: return authorization_value();
    case Variable::local: return local_value(reference);
  }
  return {};
}

const Value& Evaluation::context_value() {
  if (at_->joined_context) return *at_->joined_context;
  // A branch sees what was exported before the fork until it exports something itself.
  BranchId id = branch_;
  Branch* owner = at_;
  while (!owner->context && !owner->has_context && id != root_branch) {
    id = owner->parent;
    owner = &state_.branches.at(id);
  }
  if (!owner->context) {
    base::Result<Value> context = data_.context(id);
    if (!context) fail(context.error());
    owner->context = context ? *std::move(context) : Value::object();
  }
  return *owner->context;
}

Value Evaluation::workflow_value() {
  if (workflow_) return *workflow_;
  if (!input_) input_ = read(data_.input());
  workflow_ = Value{{"id", instance_.to_string()},
                    {"definition", definition_.document},
                    {"input", *input_},
                    {"startedAt", time_value(data_.started_ns())}};
  return *workflow_;
}

Value Evaluation::task_value() const {
  if (scope_.task == no_task) return {};
  const TaskIndex index = definition_.inner(scope_.task);
  const definition::Task& task = definition_.task(index);
  return {{"name", task.name},
          {"reference", task.reference},
          {"definition", definition_.task_definition(index)},
          {"input", scope_.raw_input == nullptr ? Value() : *scope_.raw_input},
          {"output", scope_.raw_output == nullptr ? Value() : *scope_.raw_output},
          {"startedAt", time_value(scope_.started_ns)}};
}

Value Evaluation::extended_value(TaskIndex extension) {
  const auto& body = std::get<definition::DoTask>(definition_.task(extension).body);
  const TaskIndex index = definition_.inner(extension);
  Value definition = definition_.task_definition(index);
  // The specification's example reads the task's properties here.
  Value out = definition.is_object() ? definition : Value::object();
  out.set("name", Value(definition_.task(index).name));
  out.set("reference", Value(definition_.task(index).reference));
  out.set("definition", std::move(definition));
  const auto with = [&](const Value& input, const Value& output, std::int64_t started_ns) {
    out.set("input", input);
    out.set("output", output);
    out.set("startedAt", time_value(started_ns));
    return out;
  };
  const auto kept = [&](BranchId id, std::size_t depth) -> Value {
    const Frame& frame = state_.branches.at(id).frames[depth];
    if (!frame.has_input) return {};
    return frame.input ? *frame.input : read(data_.frame_input(id, depth));
  };
  if (scope_.task == extension) {
    return with(scope_.raw_input == nullptr ? Value() : *scope_.raw_input, {}, scope_.started_ns);
  }
  BranchId id = branch_;
  for (const Branch* branch = at_;; branch = &state_.branches.at(id)) {
    const std::vector<Frame>& frames = branch->frames;
    for (std::size_t depth = frames.size(); depth-- > 0;) {
      if (frames[depth].task != extension) continue;
      // The task's output is what the list after it was given.
      const TaskIndex after = definition_.task(body.extended).next;
      const bool is_after = after != no_task && depth + 1 < frames.size() && frames[depth + 1].task == after;
      return with(kept(id, depth), is_after ? kept(id, depth + 1) : Value(), frames[depth].started_ns);
    }
    if (id == root_branch) return out;
    id = branch->parent;
  }
}

Value Evaluation::authorization_value() const {
  if (scope_.task == no_task) return {};
  const auto* call = std::get_if<definition::HttpCall>(&definition_.task(scope_.task).body);
  if (call == nullptr || !call->authentication) return {};
  const std::string& scheme = call->authentication->scheme;
  return {{"scheme", scheme == "basic"    ? "Basic"
                     : scheme == "digest" ? "Digest"
                                          : "Bearer"},
          {"parameter", "[redacted]"}};
}

Value Evaluation::local_value(const definition::VariableReference& reference) {
  BranchId id = branch_;
  for (Branch* branch = at_;; branch = &state_.branches.at(id)) {
    for (std::size_t depth = branch->frames.size(); depth-- > 0;) {
      const Frame& frame = branch->frames[depth];
      if (frame.task != reference.owner) continue;
      if (frame.items_count > 0) return reference.slot == 1 ? Value(frame.index) : item_of(id, depth);
      if (frame.error) return *frame.error;
      const auto* list = std::get_if<definition::DoTask>(&definition_.task(frame.task).body);
      if (list != nullptr && list->compensates != no_task) {
        return frame.input ? *frame.input : read(data_.frame_input(id, depth));
      }
    }
    if (id == root_branch) return {};
    id = branch->parent;
  }
}

const Value* Evaluation::input_of(Frame& frame) {
  if (!frame.has_input) return nullptr;
  if (!frame.input) frame.input = read(data_.frame_input(branch_, at_->depth_of(frame)));
  return &*frame.input;
}

Value Evaluation::item_of(BranchId branch, std::size_t depth) {
  Frame& frame = state_.branches.at(branch).frames.at(depth);
  if (frame.index >= frame.items_count) return {};
  if (const auto fresh = frame.fresh.find(frame.index); fresh != frame.fresh.end()) return fresh->second;
  const bool is_here =
      frame.items && frame.index >= frame.items_first && frame.index - frame.items_first < frame.items->size();
  if (!is_here) {
    const std::size_t row = frame.index / items_per_row;
    base::Result<Value> items = data_.loop_items(branch, depth, row);
    frame.items_first = static_cast<std::uint32_t>(row * items_per_row);
    const bool fits = items && items->is_array() && frame.index - frame.items_first < items->size();
    if (!fits) {
      fail(items ? base::Error(base::ErrorCode::corrupt, "a loop lacks an item; rebuild the projection")
                 : items.error());
      return {};
    }
    frame.items = *std::move(items);
  }
  return frame.items->at(frame.index - frame.items_first);
}

}  // namespace trv::instance
