#include "kernel/gateway/instance_state.hpp"

#include <string>

#include "kernel/shard/effect.hpp"

namespace trv::gateway {

using instance::Branch;
using instance::Frame;
using instance::no_task;
using json::Value;

namespace {

Value time_object(std::int64_t ns) {
  return ns == 0 ? Value() : Value(base::Timestamp(ns).to_rfc3339());
}

Value scope_object(const Frame& frame, const definition::Definition& definition) {
  Value scope = task_object(definition, frame.task);
  scope.set("attempt", Value(frame.attempt));
  scope.set("started", time_object(frame.started_ns));
  scope.set("times_out", time_object(frame.deadline_ns));
  if (frame.input) scope.set("input", *frame.input);
  const auto& body = definition.task(frame.task).body;
  if (std::holds_alternative<definition::ForTask>(body)) {
    scope.set("index", Value(frame.index));
    scope.set("items", frame.items.value_or(Value::array()));
  } else if (std::holds_alternative<definition::ListenTask>(body)) {
    scope.set("heard", frame.items.value_or(Value::array()));
  }
  if (frame.error) scope.set("caught", *frame.error);
  return scope;
}

/// What it cannot go on without; empty where it can.
std::string_view waits_for(const Branch& branch, const definition::Definition& definition) {
  if (branch.error) return "";
  if (!branch.frames.empty()) {
    const auto& body = definition.task(branch.frames.back().task).body;
    if (branch.waits_for) return "outcome";
    if (std::holds_alternative<definition::ListenTask>(body)) return "event";
    if (std::holds_alternative<definition::RunTask>(body)) return "workflow";
    if (std::holds_alternative<definition::ForkTask>(body)) return "branches";
  }
  return branch.due_ns != 0 ? "time" : "";
}

}  // namespace

Value task_object(const definition::Definition& definition, instance::TaskIndex task) {
  if (task == no_task || task >= definition.tasks.size()) return {};
  const definition::Task& one = definition.task(task);
  return {{"task", one.name}, {"reference", one.reference}, {"kind", definition::kind_name(one)}};
}

Value branches_object(const instance::State& state, const definition::Definition& definition) {
  Value branches = Value::array();
  for (const auto& [id, branch] : state.branches) {
    const bool is_root = branch.fork == no_task;
    Value scopes = Value::array();
    for (const Frame& frame : branch.frames) scopes.push_back(scope_object(frame, definition));
    Value one = {{"branch", id},
                 {"parent", is_root ? Value() : Value(branch.parent)},
                 {"ended", branch.has_ended()},
                 {"inside_of", std::move(scopes)},
                 {"next", task_object(definition, branch.next)},
                 {"waits_for", waits_for(branch, definition)},
                 {"due", time_object(branch.due_ns)},
                 {"data", branch.data},
                 {"error", branch.error.value_or(Value())}};
    if (branch.waits_for) {
      one.set("effect", Value{{"id", shard::effect_id(branch.waits_for->key)}, {"key", branch.waits_for->key}});
    }
    if (!branch.frames.empty() && !branch.frames.back().child.empty()) {
      one.set("instance", Value(branch.frames.back().child));
    }
    if (!is_root && branch.context) one.set("context", *branch.context);
    branches.push_back(std::move(one));
  }
  return branches;
}

}  // namespace trv::gateway
