#include "kernel/workflow/instance/listeners.hpp"

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/opened.hpp"
#include "sdk/base/big_endian.hpp"

namespace trv::instance {

using json::Value;

namespace {

const definition::ListenFilter* filter_at(const definition::Definition& definition, const ListenEnd& end) {
  if (end.task >= definition.tasks.size()) return nullptr;
  const auto* task = std::get_if<definition::ListenTask>(&definition.task(end.task).body);
  return task == nullptr || end.filter >= task->filters.size() ? nullptr : &task->filters[end.filter];
}

/// What listeners that know what they expect are found by; 0 where the event lacks a value, or the instance is asked.
std::uint64_t correlation_in(const definition::ListenFilter& filter, const Value& event, base::Timestamp now) {
  if (!filter.correlates_alone()) return 0;
  std::vector<std::string> values;
  for (const definition::Correlation& correlation : filter.correlations) {
    const base::Result<Value> value = correlation.value_in(event, now);
    if (!value || value->is_null()) return 0;
    values.push_back(correlation_text(*value));
  }
  return correlation_of(values);
}

}  // namespace

std::string correlation_text(const Value& value) {
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}

Value read_as(definition::ReadAs read, const Value& event) {
  if (read == definition::ReadAs::envelope) return event;
  const Value* octets = event.find("data_base64");
  const Value* data = event.find("data");
  if (read == definition::ReadAs::data) return data != nullptr ? *data : octets != nullptr ? *octets : Value();
  if (octets != nullptr) return *octets;
  return Value(base::to_base64(base::as_bytes(data == nullptr ? std::string() : correlation_text(*data))));
}

std::uint64_t correlation_of(const std::vector<std::string>& expected) {
  if (expected.empty()) return 0;
  std::string all;
  for (const std::string& one : expected) all += fmt::format("{}:{}", one.size(), one);
  const base::Digest digest = base::sha256(base::as_bytes(all));
  return std::max<std::uint64_t>(base::big_endian(base::BytesView(digest).first(8)), 1);
}

base::Result<Listeners> listeners_of(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows,
                                     std::string_view event_type, const Value& event) {
  Listeners found;
  std::size_t count = 0;
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, workflows.tables.listens));
  const auto add_all = [&](const std::string& of, std::size_t prefix_bytes) -> base::Status {
    TRV_TRY_ASSIGN(auto entry, cursor.seek(of));
    while (entry && lmdb::begins_with(entry->key, base::as_bytes(of))) {
      const ListenEnd end = listen_end_in(entry->key.subspan(prefix_bytes));
      found[end.instance][{end.branch, end.task}].push_back(end.filter);
      if (++count > listeners_max) {
        return base::fail(base::ErrorCode::too_large,
                          fmt::format("more than {} instances listen for the event; let them say by 'correlate' which "
                                      "events are theirs",
                                      listeners_max));
      }
      TRV_TRY_ASSIGN(entry, cursor.next());
    }
    return {};
  };
  for (const std::string_view type : {event_type, std::string_view()}) {
    const std::string prefix = listen_prefix(context.tenant.value(), type);
    TRV_TRY_ASSIGN(auto entry, cursor.seek(prefix));
    while (entry && lmdb::begins_with(entry->key, base::as_bytes(prefix)) &&
           entry->key.size() == prefix.size() + listen_end_bytes) {
      // All that follows until the group's end listens with the same filter.
      const std::string group(base::as_text(entry->key.first(prefix.size() + listen_group_bytes)));
      const ListenEnd end = listen_end_in(entry->key.subspan(prefix.size()));
      TRV_TRY_ASSIGN(const DefinitionPointer definition,
                     definition_of(txn, context, workflows, end.definition, end.instance));
      if (const definition::ListenFilter* filter = filter_at(*definition, end)) {
        expression::SharedFuel fuel(fuel_per_listener_max);
        const expression::SharedFuel::Scope scope(fuel);
        const auto matches = filter->event.matches(event, context.now);
        if (matches && *matches && !fuel.used_up()) {
          std::string exact = group;
          TRV_TRY(add_all(exact + std::string(8, '\0'), prefix.size()));
          const std::uint64_t correlation = correlation_in(*filter, event, context.now);
          base::append_big_endian(exact, correlation);
          if (correlation != 0) TRV_TRY(add_all(exact, prefix.size()));
        }
      }
      const auto next = lmdb::after_prefix(base::as_bytes(group));
      if (!next) break;
      TRV_TRY_ASSIGN(entry, cursor.seek(*next));
    }
    if (event_type.empty()) break;
  }
  for (auto& [instance, tasks] : found) {
    for (auto& [task, filters] : tasks) std::ranges::sort(filters);
  }
  return found;
}

}  // namespace trv::instance
