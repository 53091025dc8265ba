#include "kernel/workflow/instance/schedules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/listeners.hpp"
#include "kernel/workflow/instance/opened.hpp"
#include "kernel/workflow/instance/runs.hpp"
#include "kernel/workflow/instance/schedule_rows.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/version.hpp"

namespace trv::instance {

using base::ErrorCode;
using json::Value;

namespace {

constexpr std::string_view after_text = "after ";

base::Result<std::optional<ScheduleRow>> find_row(const lmdb::Txn& txn, Workflows workflows, const std::string& key) {
  TRV_TRY_ASSIGN(const auto bytes, workflows.tables.schedules.get(txn, key));
  if (!bytes) return std::nullopt;
  TRV_TRY_ASSIGN(ScheduleRow row, decode_schedule(*bytes));
  return row;
}

std::int64_t ns_of(const std::optional<base::Timestamp>& time) {
  return time ? time->ns() : 0;
}

/// What the event has to agree in with others; nullopt where it lacks a value.
std::optional<std::string> agreement(const definition::ListenFilter& filter, const Value& event, base::Timestamp now) {
  std::string all;
  for (const definition::Correlation& correlation : filter.correlations) {
    const base::Result<Value> value = correlation.value_in(event, now);
    if (!value || value->is_null()) return std::nullopt;
    const std::string text = correlation_text(*value);
    all += fmt::format("{}:{}", text.size(), text);
  }
  const base::Digest digest = base::sha256(base::as_bytes(all));
  return std::string(reinterpret_cast<const char*>(digest.data()), gathered_correlation_bytes);
}

base::Result<std::optional<Value>> oldest(const lmdb::Txn& txn, Workflows workflows, const std::string& prefix) {
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, workflows.tables.gathered));
  TRV_TRY_ASSIGN(const auto entry, cursor.seek(prefix));
  if (!entry || !lmdb::begins_with(entry->key, base::as_bytes(prefix))) return std::nullopt;
  auto event = json::parse(base::as_text(entry->value));
  if (!event)
    return base::fail(ErrorCode::corrupt, "an event that waits for others is not JSON; rebuild the projection");
  return *std::move(event);
}

}  // namespace

base::Result<std::int64_t> first_due(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                     const definition::Definition& definition) {
  if (!definition.schedule) return 0;
  const std::string key = latest_key(context.tenant.value(), definition.name.space, definition.name.name);
  TRV_TRY_ASSIGN(const auto row, find_row(txn, workflows, key));
  const bool awaits = definition.schedule->kind == definition::Schedule::Kind::after && row && !row->running.empty();
  return awaits ? 0 : ns_of(definition.schedule->first(context.now));
}

base::Result<shard::Decision> fire_schedule(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                            Workflows workflows, std::string_view workflow) {
  TRV_TRY_ASSIGN(const std::string key, workflow_key(context.tenant.value(), workflow));
  TRV_TRY_ASSIGN(const auto row, find_row(txn, workflows, key));
  const std::int64_t now_ns = context.now.ns();
  if (!row || row->due_ns == 0 || row->due_ns > now_ns) return shard::Decision{};
  const std::size_t slash = workflow.find('/');
  TRV_TRY_ASSIGN(
      const DefinitionPointer definition,
      find_definition(txn, context, workflows,
                      {std::string(workflow.substr(0, slash)), std::string(workflow.substr(slash + 1)), row->version}));
  if (!definition->schedule) {
    return base::fail(ErrorCode::corrupt, fmt::format("the workflow {}:{} has no schedule; rebuild the projection",
                                                      workflow, row->version));
  }
  const definition::Firing firing = definition::fire(*definition->schedule, base::Timestamp(row->due_ns), context.now);
  const bool counts_from_end = definition->schedule->kind == definition::Schedule::Kind::after;
  TRV_ASSERT(!counts_from_end || firing.starts.size() == 1);
  ScheduleStep step{.due_ns = std::max(row->due_ns, firing.starts.empty() ? 0 : firing.starts.back().ns()),
                    .next_ns = ns_of(firing.next),
                    .missed = firing.missed};
  shard::Decision decision;
  std::vector<InstanceId> instances;
  for (std::size_t i = 0; i < firing.starts.size(); ++i) instances.push_back(context.ids.next(context.now));
  if (counts_from_end) step.instance = instances.front().to_string();
  decision.events.push_back(workflow_scheduled(context, workflow, row->version, step));
  const std::uint64_t own_fuel = std::clamp<std::uint64_t>(
      fuel_per_decision_max / std::max<std::size_t>(instances.size(), 1), fuel_per_filter_min, fuel_per_filter_max);
  for (std::size_t i = 0; i < instances.size(); ++i) {
    const std::string time = firing.starts[i].to_rfc3339();
    const std::string trigger = std::string(schedule_trigger) + time;
    const NewData data(txn, context, workflows, trigger);
    DecisionBudget own(own_fuel);
    // Each runs in a decision of its own: none pays for another, and none ends before its start is known.
    Execution execution(context, *definition, instances[i], State{}, data, own);
    Value input = {{"due", time}, {"missed", std::uint64_t{firing.missed}}};
    TRV_TRY(execution.begin(trigger, {.whole = input, .kept = input}, When::next));
    TRV_TRY(conclude(txn, context, workflows, instances[i], trigger, execution, decision));
  }
  TRV_ENSURES(decision.events.size() >= 1 + instances.size());
  return decision;
}

base::Status schedule_after(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                            const definition::Name& definition, const InstanceId& instance, std::string_view trigger,
                            shard::Decision& decision) {
  if (!trigger.starts_with(schedule_trigger)) return {};
  const std::string key = latest_key(context.tenant.value(), definition.space, definition.name);
  TRV_TRY_ASSIGN(const auto row, find_row(txn, workflows, key));
  if (!row || row->running != instance.to_string() || !row->text.starts_with(after_text)) return {};
  TRV_TRY_ASSIGN(const definition::CalendarDuration length,
                 definition::duration_of(Value(row->text.substr(after_text.size()))));
  TRV_TRY_ASSIGN(const auto disabled,
                 DefinitionStore(workflows.tables).disabled(txn, context.tenant, definition.space, definition.name));
  const auto next = length.after(context.now);
  decision.events.push_back(workflow_scheduled(context, definition.space + "/" + definition.name, row->version,
                                               {.next_ns = next && !disabled ? next->ns() : 0}));
  return {};
}

base::Result<bool> passes(const definition::ListenFilter& filter, const Value& event, base::Timestamp now) {
  TRV_TRY_ASSIGN(const bool matches, filter.event.matches(event, now));
  if (!matches) return false;
  for (const definition::Correlation& correlation : filter.correlations) {
    if (!correlation.expect) continue;
    TRV_EXPECTS(correlation.expect->is_constant());
    TRV_TRY_ASSIGN(const Value value, correlation.value_in(event, now));
    if (correlation_text(value) != correlation_text(correlation.expect->constant_value())) return false;
  }
  return true;
}

std::vector<std::string> correlation_names(const definition::ListenFilter& filter, const Value& event,
                                           base::Timestamp now) {
  std::vector<std::string> names;
  for (const definition::Correlation& correlation : filter.correlations) {
    const base::Result<Value> value = correlation.value_in(event, now);
    if (!value || value->is_null()) continue;
    std::string name = correlation.name + "=" + correlation_text(*value);
    if (name.size() <= name_bytes_max) names.push_back(std::move(name));
  }
  return names;
}

base::Result<Gathered> gather(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                              const definition::Definition& definition, const Value& object, const Value& kept,
                              const InstanceId& instance) {
  TRV_EXPECTS(definition.starts_with_all && definition.starts.size() >= 2);
  const std::string key = latest_key(context.tenant.value(), definition.name.space, definition.name.name);
  const auto prefix = [&](const std::string& agreed, std::size_t filter) {
    return gathered_prefix(key, agreed, static_cast<std::uint32_t>(filter));
  };
  Gathered out;
  std::optional<std::size_t> filter;
  std::string agreed;
  for (std::size_t i = 0; i < definition.starts.size(); ++i) {
    const auto passed = passes(definition.starts[i], object, context.now);
    if (!passed) out.failure = passed.error().message();
    const auto values = passed && *passed ? agreement(definition.starts[i], object, context.now) : std::nullopt;
    if (!values) continue;
    TRV_TRY_ASSIGN(const auto waiting, oldest(txn, workflows, prefix(*values, i)));
    // Of the filters that let it pass, the first that still wants one.
    if (filter && waiting) continue;
    filter = i;
    agreed = *values;
    if (!waiting) break;
  }
  if (!filter) return out;
  out.failure.clear();
  std::vector<Value> events;
  for (std::size_t i = 0; i < definition.starts.size(); ++i) {
    TRV_TRY_ASSIGN(auto other,
                   i == *filter ? base::Result<std::optional<Value>>(kept) : oldest(txn, workflows, prefix(agreed, i)));
    if (!other) break;
    events.push_back(*std::move(other));
  }
  const auto place = static_cast<std::uint32_t>(*filter);
  if (events.size() == definition.starts.size()) {
    out.events.push_back(workflow_joined(context, definition, place, agreed, instance));
    out.joined = std::move(events);
    out.correlation = correlation_names(definition.starts[*filter], object, context.now);
    return out;
  }
  const std::string json = json::serialize(kept);
  TRV_TRY_ASSIGN(const auto row, find_row(txn, workflows, key));
  if (kept.find("datablob") != nullptr || json.size() > data_bytes_max / definition.starts.size()) {
    out.failure = fmt::format("it is larger than {} bytes, and so it cannot wait for the other events of 'all'",
                              data_bytes_max / definition.starts.size());
  } else if (row && (row->gathered >= gathered_max || row->gathered_bytes + json.size() > gathered_bytes_max)) {
    out.failure = fmt::format("{} events of {} bytes wait already for the other events of 'all', and no more may",
                              row->gathered, row->gathered_bytes);
  } else {
    const Value* id = object.find("id");
    out.events.push_back(workflow_gathered(context, definition, place, agreed,
                                           id != nullptr && id->is_string() ? id->as_string() : std::string_view(),
                                           json));
  }
  return out;
}

}  // namespace trv::instance
