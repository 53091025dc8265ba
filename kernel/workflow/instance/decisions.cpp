#include "kernel/workflow/instance/decisions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/workflow/instance/error.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/listeners.hpp"
#include "kernel/workflow/instance/opened.hpp"
#include "kernel/workflow/instance/projector.hpp"
#include "kernel/workflow/instance/runs.hpp"
#include "kernel/workflow/instance/schedule_rows.hpp"
#include "kernel/workflow/instance/schedules.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::instance {

using base::ErrorCode;
using json::Value;

namespace {

/// What is kept of a failed outcome.
constexpr std::size_t message_bytes_max = 2'000;
constexpr std::size_t detail_bytes_max = 16 * 1024;

base::Result<shard::Decision> go_on(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                    const InstanceId& instance, Opened&& opened) {
  if (opened.loaded.state.status != Status::running) return shard::Decision{};
  DecisionBudget budget;
  const StoredData data(txn, context, workflows, instance, opened.loaded);
  Execution execution(context, *opened.definition, instance, std::move(opened.loaded.state), data, budget);
  TRV_TRY(execution.run());
  shard::Decision decision;
  TRV_TRY(conclude(txn, context, workflows, instance, opened.loaded.trigger, execution, decision));
  return decision;
}

/// Several instances each end their task in a decision of their own, so that none pays for another.
base::Status wake(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                  const Listeners& listeners, const Value& event, DecisionBudget& budget, bool runs_here,
                  StartedByEvent& out) {
  std::uint64_t chosen_with = 0;
  for (const auto& [id, tasks] : listeners) {
    TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, id));
    if (opened.loaded.state.status != Status::running) continue;
    DecisionBudget own;
    const StoredData data(txn, context, workflows, id, opened.loaded);
    Execution execution(context, *opened.definition, id, std::move(opened.loaded.state), data,
                        runs_here ? budget : own);
    bool has_heard = false;
    for (const auto& [place, filters] : tasks) {
      if (execution.state().status != Status::running || !execution.state().branches.contains(place.branch)) continue;
      TRV_TRY_ASSIGN(const bool heard,
                     execution.hear(place.branch, place.task, filters, event, runs_here ? When::now : When::next));
      has_heard = has_heard || heard;
    }
    chosen_with += std::exchange((runs_here ? budget : own).chosen_with, 0);
    if (chosen_with > fuel_per_listeners_max) {
      return base::fail(
          ErrorCode::too_large,
          fmt::format("whether the {} instances that listen for the event are meant by it needs more than {} units of "
                      "fuel; let them say by 'correlate' with 'expect' which events are theirs",
                      listeners.size(), fuel_per_listeners_max));
    }
    if (!has_heard) continue;
    out.heard.push_back(id);
    budget.heard.insert(id);
    if (runs_here) TRV_TRY(execution.run());
    budget.event_bytes += own.event_bytes;
    TRV_TRY(conclude(txn, context, workflows, id, opened.loaded.trigger, execution, out.decision));
  }
  return {};
}

std::string too_long_a_chain() {
  return fmt::format(
      "workflows have started each other by their events {} times, each within a minute, and so this event "
      "starts nothing more; look for a workflow that emits the event which starts it",
      event_chain_max);
}

std::string out_of_fuel(std::uint64_t fuel) {
  return fmt::format("the filter of schedule.on needs more than {} units of fuel", fuel);
}

base::Result<Value> parse_data(std::string_view what, std::string_view json) {
  auto value = json::parse(json, {.bytes_max = data_bytes_max, .depth_max = 256});
  if (!value) return base::fail(std::move(value).error().in(what));
  return *std::move(value);
}

}  // namespace

base::Result<Value> event_object(const ReceivedEvent& event) {
  Value object = {{"specversion", "1.0"}, {"id", event.id}, {"source", event.source}, {"type", event.type}};
  if (!event.subject.empty()) object.set("subject", Value(event.subject));
  if (event.time) object.set("time", Value(event.time->to_rfc3339()));
  if (!event.datacontenttype.empty()) object.set("datacontenttype", Value(event.datacontenttype));
  if (!event.dataschema.empty()) object.set("dataschema", Value(event.dataschema));
  if (!event.extensions.empty()) {
    TRV_TRY_ASSIGN(const Value extensions, parse_data("the event's extensions", event.extensions));
    for (const auto& entry : extensions.entries()) object.set(entry.key, entry.value);
  }
  if (!event.data.empty()) {
    TRV_TRY_ASSIGN(Value data, parse_data("the event's data", event.data));
    object.set("data", std::move(data));
  }
  if (event.data_base64.size() > data_bytes_max) {
    return base::fail(ErrorCode::too_large, fmt::format("the event's data has {} bytes as base64; at most {} are taken",
                                                        event.data_base64.size(), data_bytes_max));
  }
  if (!event.data_base64.empty()) object.set("data_base64", Value(event.data_base64));
  return object;
}

std::optional<InstanceId> instance_of_effect(const base::TenantId& tenant, std::string_view key) {
  const std::string& name = tenant.value();
  constexpr std::size_t id_bytes = 36;
  if (!key.starts_with(name) || key.size() < name.size() + 1 + id_bytes || key[name.size()] != '/') return std::nullopt;
  return base::Uuid::parse(key.substr(name.size() + 1, id_bytes));
}

base::Result<ApplyDefinition> ApplyDefinition::compile(std::string text, definition::Format format) {
  TRV_TRY_ASSIGN(definition::Definition compiled, definition::compile(text, format));
  return ApplyDefinition{std::make_shared<const definition::Definition>(std::move(compiled)), std::move(text), format};
}

base::Result<AppliedDefinition> apply_definition(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                 Workflows workflows, const ApplyDefinition& command) {
  TRV_EXPECTS(command.definition != nullptr);
  const DefinitionPointer& definition = command.definition;
  const definition::Name& name = definition->name;
  AppliedDefinition out{{}, name, definition->digest, false};
  TRV_TRY_ASSIGN(const auto stored,
                 DefinitionStore(workflows.tables).find(txn, context.tenant, name.space, name.name, name.version));
  if (stored) {
    if (stored->sha256 != definition->digest) {
      return base::fail(
          ErrorCode::conflict,
          fmt::format("{}/{} has a version {} with another text; a version never changes, so give the new "
                      "text a new version",
                      name.space, name.name, name.version));
    }
    out.existed = true;
  }
  TRV_TRY_ASSIGN(const auto disabled,
                 DefinitionStore(workflows.tables).disabled(txn, context.tenant, name.space, name.name));
  out.is_disabled = disabled.has_value();
  if (out.existed) return out;
  std::int64_t due_ns = 0;
  if (!disabled) {
    TRV_TRY_ASSIGN(due_ns, first_due(txn, context, workflows, *definition));
  }
  out.decision.events.push_back(workflow_applied(context, *definition, command.format, command.text, due_ns));
  workflows.cache.put(context.tenant, definition);
  return out;
}

base::Result<Started> start(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                            const Start& command) {
  Started out;
  if (command.trigger.starts_with(start_key_trigger)) {
    TRV_TRY_ASSIGN(const auto row,
                   workflows.tables.start_keys.get(txn, start_key(context.tenant.value(), command.trigger)));
    if (row) {
      out.instance = instance_of(*row);
      TRV_TRY_ASSIGN(auto known, InstanceStore(workflows.tables).load(txn, context.tenant, out.instance));
      TRV_ASSERT(known.has_value());
      out.existed = true;
      out.definition = std::move(known->definition);
      out.key = std::move(known->names.key);
      out.status = known->state.status;
      return out;
    }
  }
  out.instance = context.ids.next(context.now);
  TRV_TRY_ASSIGN(const DefinitionPointer definition,
                 find_startable(txn, context, workflows, {command.space, command.name, command.version}));
  Value input = Value::object();
  if (!command.input.empty()) {
    TRV_TRY_ASSIGN(input, parse_data("the input", command.input));
  }
  DecisionBudget budget;
  const NewData data(txn, context, workflows, command.trigger);
  Execution execution(context, *definition, out.instance, {}, data, budget);
  TRV_TRY(execution.begin(command.trigger, {.whole = input, .kept = input, .names = {.key = command.key}}));
  TRV_TRY(execution.run());
  out.key = command.key;
  out.definition = definition->name;
  out.status = execution.state().status;
  TRV_TRY(conclude(txn, context, workflows, out.instance, command.trigger, execution, out.decision));
  TRV_ENSURES(!out.decision.events.empty());
  return out;
}

base::Result<StartedByEvent> receive_event(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                           Workflows workflows, const ReceivedEvent& event, DecisionBudget& budget,
                                           std::size_t events_of_request) {
  TRV_EXPECTS(events_of_request >= 1);
  TRV_TRY_ASSIGN(Value object, event_object(event));
  Value kept = object;
  if (event.large) {
    Value blob = {{"sha256", event.large->sha256_hex}, {"bytes", event.large->bytes}};
    if (event.large->is_base64) blob.set("base64", Value(true));
    kept.set("datablob", std::move(blob));
    object = with_data(kept, event.large->value, event.large->is_base64);
  }
  const Input input{.whole = Value::array({object}),
                    .kept = Value::array({kept}),
                    .left_out_bytes = event.large ? event.large->bytes : 0,
                    .chain = event.chain};
  StartedByEvent out;
  TRV_TRY_ASSIGN(const Listeners listeners, listeners_of(txn, context, workflows, event.type, object));
  // The state does not show yet what earlier events of the request have done to an instance.
  out.comes_later = std::ranges::any_of(listeners, [&](const auto& one) { return budget.heard.contains(one.first); });
  if (out.comes_later) return out;
  TRV_TRY_ASSIGN(const auto names, DefinitionStore(workflows.tables).subscribed(txn, context.tenant, event.type));
  const std::uint64_t own_fuel =
      std::clamp<std::uint64_t>(fuel_per_decision_max / (events_of_request * std::max<std::size_t>(names.size(), 1)),
                                fuel_per_filter_min, fuel_per_filter_max);
  struct Beginning {
    DefinitionPointer definition;
    InstanceId instance;
    Input input;
  };
  std::vector<Beginning> starts;
  for (const definition::Name& name : names) {
    TRV_TRY_ASSIGN(const auto disabled,
                   DefinitionStore(workflows.tables).disabled(txn, context.tenant, name.space, name.name));
    if (disabled) continue;
    TRV_TRY_ASSIGN(
        const auto stored,
        DefinitionStore(workflows.tables).find_head(txn, context.tenant, name.space, name.name, name.version));
    if (!stored)
      return base::fail(ErrorCode::corrupt,
                        "a subscription names a definition that is not stored; rebuild the projection");
    TRV_TRY_ASSIGN(DefinitionPointer definition, ready(txn, context, workflows, name, stored->sha256));
    const std::string workflow = definition->name.space + "/" + definition->name.name;
    // Nor does it show which of them wait for others.
    out.comes_later = definition->gathers() && budget.gathered.contains(workflow);
    if (out.comes_later) return out;
    expression::SharedFuel fuel(own_fuel);
    std::string failure;
    if (event.chain > event_chain_max) {
      const expression::SharedFuel::Scope scope(fuel);
      const bool is_meant = std::ranges::any_of(definition->starts, [&](const auto& filter) {
        return instance::passes(filter, object, context.now).value_or(false);
      });
      if (is_meant) out.decision.events.push_back(filter_failed(context, *definition, event.id, too_long_a_chain()));
      continue;
    }
    if (definition->gathers()) {
      const InstanceId instance = context.ids.next(context.now);
      const expression::SharedFuel::Scope scope(fuel);
      TRV_TRY_ASSIGN(Gathered gathered, gather(txn, context, workflows, *definition, object, kept, instance));
      if (fuel.used_up()) gathered = {.failure = out_of_fuel(own_fuel)};
      if (!gathered.failure.empty()) {
        out.decision.events.push_back(filter_failed(context, *definition, event.id, gathered.failure));
      }
      if (!gathered.events.empty()) budget.gathered.insert(workflow);
      for (record::Draft& draft : gathered.events) out.decision.events.push_back(std::move(draft));
      if (gathered.joined.empty()) continue;
      for (Value& one : gathered.joined) one = read_as(definition->starts_read, one);
      const Value joined = Value::array(std::move(gathered.joined));
      starts.push_back({std::move(definition),
                        instance,
                        {.whole = joined,
                         .kept = joined,
                         .chain = event.chain,
                         .names = {.correlation = std::move(gathered.correlation)}}});
      continue;
    }
    Input own_input = input;
    const bool passes = [&] {
      const expression::SharedFuel::Scope scope(fuel);
      const auto passed = std::ranges::find_if(definition->starts, [&](const auto& filter) {
        const auto matched = instance::passes(filter, object, context.now);
        if (!matched) failure = matched.error().message();
        return matched && *matched;
      });
      if (passed == definition->starts.end()) return false;
      own_input.names.correlation = correlation_names(*passed, object, context.now);
      return true;
    }();
    if (fuel.used_up()) failure = out_of_fuel(own_fuel);
    if (fuel.used_up() || (!passes && !failure.empty())) {
      out.decision.events.push_back(filter_failed(context, *definition, event.id, failure));
    } else if (passes && event.large && definition->starts_read != definition::ReadAs::envelope) {
      out.decision.events.push_back(filter_failed(
          context, *definition, event.id,
          fmt::format("its data has {} bytes, and 'schedule.read' keeps at most {} of it: write 'read: envelope', and "
                      "say with 'input.from' what the workflow needs",
                      event.large->bytes, data_bytes_max)));
    } else if (passes) {
      if (definition->starts_read != definition::ReadAs::envelope) {
        own_input.whole = Value::array({read_as(definition->starts_read, object)});
        own_input.kept = own_input.whole;
      }
      starts.push_back({std::move(definition), context.ids.next(context.now), std::move(own_input)});
    }
  }
  // One runs here, with what the request has left. Several each run in a decision of their own, so that none pays for
  // another.
  const bool runs_here = starts.size() + listeners.size() == 1 && budget.fuel.left() >= fuel_per_task_max;
  const std::string trigger = std::string(event_trigger) + event.id;
  const NewData data(txn, context, workflows, trigger);
  for (const Beginning& start : starts) {
    out.instances.push_back(start.instance);
    DecisionBudget own(own_fuel);
    Execution execution(context, *start.definition, start.instance, State{}, data, runs_here ? budget : own);
    TRV_TRY(execution.begin(trigger, start.input, runs_here ? When::now : When::next));
    if (runs_here) TRV_TRY(execution.run());
    budget.event_bytes += own.event_bytes;
    TRV_TRY(conclude(txn, context, workflows, out.instances.back(), trigger, execution, out.decision));
  }
  TRV_TRY(wake(txn, context, workflows, listeners, object, budget, runs_here, out));
  TRV_ENSURES(out.decision.events.size() >= out.instances.size());
  return out;
}

base::Result<std::uint32_t> event_chain(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                        Workflows workflows, std::string_view instance) {
  const auto id = InstanceId::parse(instance);
  if (!id) return 0;
  TRV_TRY_ASSIGN(const auto loaded, InstanceStore(workflows.tables).load(txn, context.tenant, *id));
  if (!loaded || context.now.ns() - loaded->started_ns > event_chain_link_max.count()) return 0;
  return loaded->state.chain + 1;
}

base::Result<SettledEffect> outcome(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                    std::string_view key, const shard::Outcome& outcome) {
  const std::optional<InstanceId> instance = instance_of_effect(context.tenant, key);
  if (!instance) return base::fail(ErrorCode::not_found, fmt::format("no instance has an effect '{}'", key));
  TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, *instance));
  SettledEffect out;
  auto& branches = opened.loaded.state.branches;
  const auto waiting = std::ranges::find_if(
      branches, [&](const auto& one) { return one.second.waits_for && one.second.waits_for->key == key; });
  // What no call waits for has an outcome or was cancelled.
  out.already_known = waiting == branches.end();
  if (out.already_known) return out;
  shard::Outcome stored = outcome;
  stored.message = base::utf8_prefix(outcome.message, message_bytes_max);
  if (stored.detail.size() > detail_bytes_max) stored.detail.clear();
  if (stored.ok && stored.output.size() > data_bytes_max) {
    stored.ok = false;
    stored.code = base::to_string(ErrorCode::too_large);
    stored.message =
        fmt::format("the operation's output has {} bytes; at most {} are kept", outcome.output.size(), data_bytes_max);
    stored.output.clear();
  }
  Branch& branch = waiting->second;
  branch.outcome = Arrival{*std::exchange(branch.waits_for, std::nullopt), std::move(stored)};
  TRV_TRY_ASSIGN(out.decision, go_on(txn, context, workflows, *instance, std::move(opened)));
  return out;
}

base::Result<shard::Decision> timer(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                    const InstanceId& instance) {
  TRV_TRY_ASSIGN(Opened && opened, open(txn, context, workflows, instance));
  const auto is_due = [&](std::int64_t due_ns) { return due_ns != 0 && due_ns <= context.now.ns(); };
  const State& state = opened.loaded.state;
  if (state.is_suspended) return shard::Decision{};
  const bool goes_on = is_due(opened.loaded.resumes_ns) || is_due(state.deadline_ns) ||
                       std::ranges::any_of(state.branches, [&](const auto& one) {
                         return is_due(one.second.due_ns) || is_due(one.second.deadline_ns());
                       });
  if (!goes_on) return shard::Decision{};
  return go_on(txn, context, workflows, instance, std::move(opened));
}

base::Result<shard::Decision> timer(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                    std::string_view owner) {
  if (const auto workflow = workflow_of_timer(owner)) return fire_schedule(txn, context, workflows, *workflow);
  const auto id = instance_of_timer(owner);
  if (!id) {
    return base::fail(ErrorCode::internal, fmt::format("the timer '{}' belongs to no instance and no schedule", owner));
  }
  return timer(txn, context, workflows, *id);
}

shard::Command timer_command(Workflows workflows, const shard::Timer& due) {
  TRV_EXPECTS(!due.owner.empty());
  shard::Command command;
  command.tenant = due.tenant;
  command.actor = "kernel";
  command.decide = [workflows, owner = due.owner](const lmdb::Txn& state,
                                                  shard::DecisionContext& context) -> base::Result<shard::Decision> {
    return timer(state, context, workflows, owner);
  };
  return command;
}

}  // namespace trv::instance
