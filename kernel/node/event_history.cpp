#include "kernel/node/event_history.hpp"

#include <fmt/format.h>

#include "audit/trail/trail.hpp"
#include "events/consumer/cloud_event.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/node/position.hpp"
#include "kernel/workflow/instance/lifecycle.hpp"
#include "sdk/base/contract.hpp"

namespace trv::node {
namespace {

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += out.empty() ? "{\"" : ",\"";
  out += name;
  out += "\":";
  json::append_string(out, value);
}

// On one line. Error: corrupt where the payload does not fit its schema.
base::Result<std::string> to_cloud_event(const catalog::EventCatalog& catalog, const record::RecordView& event,
                                         std::string_view position) {
  TRV_TRY_ASSIGN(const std::string data, catalog.to_json(event.type(), event.payload()));
  const consumer::CloudEvent head = consumer::to_cloud_event(event);
  std::string text;
  text.reserve(data.size() + 640);
  append_member(text, "specversion", "1.0");
  append_member(text, "id", head.id);
  append_member(text, "source", head.source);
  append_member(text, "type", head.type);
  append_member(text, "subject", head.subject);
  append_member(text, "time", head.time);
  append_member(text, "position", position);
  append_member(text, "tenant", head.tenant);
  append_member(text, "actor", head.actor);
  if (!head.causation_id.empty()) append_member(text, "causationid", head.causation_id);
  if (!head.correlation_id.empty()) append_member(text, "correlationid", head.correlation_id);
  if (!head.traceparent.empty()) append_member(text, "traceparent", head.traceparent);
  append_member(text, "datacontenttype", "application/json");
  return text.append(",\"data\":").append(data).append("}");
}

// Each has an id of its own that is the same for ever: the record's, and its place.
base::Result<std::vector<PartialEvent>> lifecycle_of(const record::RecordView& event, std::string_view position) {
  TRV_TRY_ASSIGN(const std::vector<instance::LifecycleEvent> lifecycle, instance::lifecycle_in(event));
  std::vector<PartialEvent> parts;
  if (lifecycle.empty()) return parts;
  const consumer::CloudEvent head = consumer::to_cloud_event(event);
  for (std::size_t place = 0; place < lifecycle.size(); ++place) {
    const instance::LifecycleEvent& one = lifecycle[place];
    std::string text;
    text.reserve(one.data.size() + 480);
    append_member(text, "specversion", "1.0");
    append_member(text, "id", fmt::format("{}/{}", head.id, place));
    append_member(text, "source", head.source);
    append_member(text, "type", one.type);
    append_member(text, "subject", head.subject);
    append_member(text, "time", head.time);
    append_member(text, "position", position);
    append_member(text, "tenant", head.tenant);
    append_member(text, "datacontenttype", "application/json");
    parts.push_back({std::string(one.type), text.append(",\"data\":").append(one.data).append("}")});
  }
  return parts;
}

}  // namespace

base::Result<EventPage> EventHistory::read(const lmdb::Txn& txn, const trail::Tables& tables,
                                           const base::TenantId& tenant, const record::Stays& stays,
                                           const EventRange& range) {
  TRV_EXPECTS(range.count > 0);
  TRV_TRY_ASSIGN(const std::vector<log::Lsn> lsns,
                 trail::positions_after(txn, tables, tenant, range.after, range.count + 1));
  EventPage page;
  std::size_t bytes = 0;
  const std::scoped_lock lock(mutex_);
  for (const log::Lsn lsn : lsns) {
    if (range.up_to && lsn > *range.up_to) break;
    if (page.events.size() == range.count || (!page.events.empty() && bytes >= range.bytes_max)) {
      page.more = true;
      break;
    }
    const log::ShardId shard = stays.shard_of(lsn);
    auto& records = records_.try_emplace(shard, log_, shard).first->second;
    const base::Result<record::Record> found = records.at(record::Stays::lsn_of(lsn));
    if (!found) return base::fail(of_trimmed(tenant, shard, found.error()));
    const record::Record& record = *found;
    if (record->tenant() != tenant.value()) {
      return base::fail(base::ErrorCode::corrupt, fmt::format("record {} in the trail of tenant '{}' is of tenant '{}'",
                                                              lsn.value(), tenant.value(), record->tenant()));
    }
    std::string position = position_text(tenant, record->shard(), record->lsn());
    Event event{.lsn = lsn, .position = std::move(position), .type = std::string(record->type()), .text = {}};
    if (range.view == View::lifecycle) {
      TRV_TRY_ASSIGN(event.parts, lifecycle_of(record.view(), event.position));
      for (const PartialEvent& part : event.parts) bytes += part.text.size();
    } else {
      TRV_TRY_ASSIGN(event.text, to_cloud_event(catalog_, record.view(), event.position));
      bytes += event.text.size();
    }
    page.events.push_back(std::move(event));
  }
  TRV_ENSURES(page.events.size() <= range.count);
  return page;
}

base::Error EventHistory::of_trimmed(const base::TenantId& tenant, log::ShardId shard, base::Error error) const {
  const base::Result<log::Bounds> bounds = log_.bounds(shard);
  const bool was_trimmed =
      error.code() == base::ErrorCode::not_found && bounds.has_value() && bounds->first > log::Lsn(1);
  if (!was_trimmed) return error;
  return {
      base::ErrorCode::not_found,
      fmt::format("older events were removed from the log, as its operator has set; ask for those after position {}",
                  position_text(tenant, shard, log::Lsn(bounds->first.value() - 1)))};
}

}  // namespace trv::node
