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

struct GatheredPlace {
  std::uint32_t filter = 0;
  std::string agreed;
};

/// Events that wait, in the order in which they came.
struct Line {
  std::vector<Value> events;
  std::size_t bytes = 0;
};

base::Result<Line> waiting_in(const lmdb::Txn& txn, Workflows workflows, const std::string& prefix) {
  Line line;
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, workflows.tables.gathered));
  TRV_TRY_ASSIGN(auto entry, cursor.seek(prefix));
  while (entry && lmdb::begins_with(entry->key, base::as_bytes(prefix))) {
    auto event = json::parse(base::as_text(entry->value));
    if (!event) {
      return base::fail(ErrorCode::corrupt, "an event that waits for others is not JSON; rebuild the projection");
    }
    line.bytes += entry->value.size();
    line.events.push_back(*std::move(event));
    TRV_TRY_ASSIGN(entry, cursor.next());
  }
  return line;
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

namespace {

/// The event waits for others, or it is too large for that, or too many wait already. At most `bytes_max` of it.
base::Status let_wait(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                      const definition::Definition& definition, const GatheredPlace& place, const Value& kept,
                      std::size_t bytes_max, Gathered& out) {
  const std::string key = latest_key(context.tenant.value(), definition.name.space, definition.name.name);
  const std::string json = json::serialize(kept);
  TRV_TRY_ASSIGN(const auto row, find_row(txn, workflows, key));
  if (kept.find("datablob") != nullptr || json.size() > bytes_max) {
    out.failure = fmt::format("it is larger than {} bytes, and so it cannot wait for the other events of '{}'",
                              bytes_max, definition.starts_with_all ? "all" : "any");
  } else if (row && (row->gathered >= gathered_max || row->gathered_bytes + json.size() > gathered_bytes_max)) {
    out.failure = fmt::format("{} events of {} bytes wait already for the other events of '{}', and no more may",
                              row->gathered, row->gathered_bytes, definition.starts_with_all ? "all" : "any");
  } else {
    const Value* id = kept.find("id");
    out.events.push_back(workflow_gathered(context, definition, place.filter, place.agreed,
                                           id != nullptr && id->is_string() ? id->as_string() : std::string_view(),
                                           json));
  }
  return {};
}

}  // namespace

namespace {

/// Events of `any` wait in one line, in the order in which they came; those that end it in a line for each filter.
base::Result<Gathered> gather_until(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                    const definition::Definition& definition, const Value& object, const Value& kept,
                                    const InstanceId& instance) {
  const definition::StartsUntil& until = *definition.starts_until;
  const std::string key = latest_key(context.tenant.value(), definition.name.space, definition.name.name);
  Gathered out;
  std::optional<std::size_t> filter;
  std::string agreed;
  for (std::size_t i = 0; i < definition.starts.size(); ++i) {
    const auto passed = passes(definition.starts[i], object, context.now);
    if (!passed) out.failure = passed.error().message();
    const auto values = passed && *passed ? agreement(definition.starts[i], object, context.now) : std::nullopt;
    if (!values) continue;
    // What ends it is not consumed.
    if (filter && !definition.starts[i].ends) continue;
    filter = i;
    agreed = *values;
    if (definition.starts[i].ends) break;
  }
  if (!filter) return out;
  out.failure.clear();
  const bool ends = definition.starts[*filter].ends;
  const std::uint32_t line = ends ? static_cast<std::uint32_t>(*filter) : 0;
  TRV_TRY_ASSIGN(Line waiting, waiting_in(txn, workflows, gathered_prefix(key, agreed, 0)));
  // Without an event there is nothing to start with.
  if (ends && waiting.events.empty()) return out;
  bool is_over = ends && !until.all;
  if (ends && until.all) {
    is_over = true;
    bool is_known = false;
    for (std::size_t i = 0; i < definition.starts.size(); ++i) {
      if (!definition.starts[i].ends) continue;
      TRV_TRY_ASSIGN(const auto other,
                     oldest(txn, workflows, gathered_prefix(key, agreed, static_cast<std::uint32_t>(i))));
      if (i == *filter) is_known = other.has_value();
      if (i != *filter && !other) is_over = false;
    }
    if (is_known) return out;
  }
  if (!ends) {
    waiting.bytes += json::serialize(kept).size();
    waiting.events.push_back(kept);
    std::vector<Value> seen;
    for (const Value& one : waiting.events) seen.push_back(read_as(definition.starts_read, one));
    const auto holds = until.holds(Value::array(std::move(seen)), context.now);
    if (!holds) {
      out.failure = base::Error(holds.error()).in("the condition of 'until'").message();
      return out;
    }
    is_over = *holds;
  }
  const bool is_too_large = kept.find("datablob") != nullptr || waiting.bytes > data_bytes_max;
  if (is_over && !is_too_large) {
    out.events.push_back(workflow_joined(context, definition, line, agreed, instance, true));
    out.joined = std::move(waiting.events);
    out.correlation = correlation_names(definition.starts[*filter], object, context.now);
    return out;
  }
  if (!ends && is_too_large) {
    out.failure = fmt::format("with it more than {} bytes of events would wait for their 'until', and no more may",
                              data_bytes_max);
    return out;
  }
  const Value noted = ends ? Value{{"id", object.find("id") == nullptr ? Value() : *object.find("id")}} : kept;
  TRV_TRY(let_wait(txn, context, workflows, definition, {line, agreed}, noted, data_bytes_max, out));
  return out;
}

}  // namespace

base::Result<Gathered> gather(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                              const definition::Definition& definition, const Value& object, const Value& kept,
                              const InstanceId& instance) {
  if (definition.starts_until) return gather_until(txn, context, workflows, definition, object, kept, instance);
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
  TRV_TRY(let_wait(txn, context, workflows, definition, {place, agreed}, kept,
                   data_bytes_max / definition.starts.size(), out));
  return out;
}

}  // namespace trv::instance
