#include "kernel/node/event_history.hpp"

#include <fmt/format.h>

#include "audit/trail/trail.hpp"
#include "events/consumer/cloud_event.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/node/position.hpp"
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
    TRV_TRY_ASSIGN(std::string text, to_cloud_event(catalog_, record.view(), position));
    bytes += text.size();
    page.events.push_back({lsn, std::move(position), std::string(record->type()), std::move(text)});
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
