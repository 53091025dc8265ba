#include "kernel/workflow/instance/schedule_rows.hpp"

#include <fmt/format.h>

#include "events/record/payload.hpp"
#include "events/schema/workflow_generated.h"
#include "sdk/base/contract.hpp"

namespace trv::instance {

namespace wf = schema::workflow;
using record::payload_of;
using record::text_of;

namespace {

constexpr std::string_view owner_prefix = "schedule/";

std::string_view correlation_in(const flatbuffers::Vector<std::uint8_t>* bytes) {
  return bytes == nullptr ? std::string_view()
                          : std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

base::Error misshapen(const record::RecordView& event) {
  return {base::ErrorCode::corrupt,
          fmt::format("{} at lsn {} does not say what events have to agree in", event.type(), event.lsn().value())};
}

}  // namespace

std::string schedule_timer_owner(std::string_view stream) {
  return std::string(owner_prefix) + std::string(stream);
}

std::optional<std::string_view> workflow_of_timer(std::string_view owner) {
  if (!owner.starts_with(owner_prefix)) return std::nullopt;
  return owner.substr(owner_prefix.size());
}

base::Result<std::string> workflow_key(std::string_view tenant, std::string_view stream) {
  const std::size_t slash = stream.find('/');
  if (slash == std::string_view::npos) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("the stream '{}' does not name a workflow", stream));
  }
  return latest_key(tenant, stream.substr(0, slash), stream.substr(slash + 1));
}

base::Result<std::optional<ScheduleRow>> ScheduleRows::find(lmdb::WriteTxn& txn, const std::string& key) const {
  TRV_TRY_ASSIGN(const auto bytes, tables_.schedules.get(txn, key));
  if (!bytes) return std::nullopt;
  TRV_TRY_ASSIGN(ScheduleRow row, decode_schedule(*bytes));
  return row;
}

base::Status ScheduleRows::put(lmdb::WriteTxn& txn, const std::string& key, const ScheduleRow& row) const {
  std::string encoded;
  encode(row, encoded);
  return tables_.schedules.put(txn, key, base::as_bytes(encoded));
}

base::Status ScheduleRows::set_timer(lmdb::WriteTxn& txn, const record::RecordView& event, std::int64_t before_ns,
                                     std::int64_t now_ns) const {
  if (before_ns == now_ns) return {};
  const base::TenantId tenant(std::string(event.tenant()));
  const std::string owner = schedule_timer_owner(event.stream_id());
  if (before_ns != 0) TRV_TRY(timers_.cancel(txn, {base::Timestamp(before_ns), tenant, owner}));
  if (now_ns != 0) TRV_TRY(timers_.set(txn, {base::Timestamp(now_ns), tenant, owner}));
  return {};
}

base::Status ScheduleRows::erase_gathered(lmdb::WriteTxn& txn, const std::string& key) const {
  const std::string prefix = key + '\0';
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, tables_.gathered));
  TRV_TRY_ASSIGN(auto entry, cursor.seek(prefix));
  while (entry && lmdb::begins_with(entry->key, base::as_bytes(prefix))) {
    TRV_TRY(cursor.erase());
    TRV_TRY_ASSIGN(entry, cursor.seek(prefix));
  }
  return {};
}

base::Status ScheduleRows::erase(lmdb::WriteTxn& txn, const record::RecordView& event, const std::string& key) const {
  TRV_TRY_ASSIGN(const auto row, find(txn, key));
  if (!row) return {};
  if (row->gathered > 0) TRV_TRY(erase_gathered(txn, key));
  TRV_TRY(set_timer(txn, event, row->due_ns, 0));
  TRV_TRY(tables_.schedules.erase(txn, key));
  return {};
}

base::Status ScheduleRows::set_due(lmdb::WriteTxn& txn, const record::RecordView& event, const std::string& key,
                                   std::int64_t due_ns) const {
  TRV_TRY_ASSIGN(auto row, find(txn, key));
  if (!row || row->due_ns == due_ns) return {};
  TRV_TRY(set_timer(txn, event, row->due_ns, due_ns));
  row->due_ns = due_ns;
  return put(txn, key, *row);
}

base::Status ScheduleRows::replace(lmdb::WriteTxn& txn, const record::RecordView& event) const {
  TRV_TRY_ASSIGN(const auto* applied, payload_of<wf::WorkflowApplied>(event));
  const std::string key = latest_key(event.tenant(), text_of(applied->space()), text_of(applied->name()));
  TRV_TRY_ASSIGN(const auto before, find(txn, key));
  if (before && before->gathered > 0) TRV_TRY(erase_gathered(txn, key));
  TRV_TRY(set_timer(txn, event, before ? before->due_ns : 0, applied->due_ns()));
  const std::string_view text = text_of(applied->schedule());
  if (text.empty()) {
    if (before) TRV_TRY(tables_.schedules.erase(txn, key));
    return {};
  }
  ScheduleRow row{.version = std::string(text_of(applied->version())),
                  .text = std::string(text),
                  .due_ns = applied->due_ns(),
                  .running = {}};
  // The run of the version before goes on, and the next one comes after it.
  if (before && row.due_ns == 0) row.running = before->running;
  return put(txn, key, row);
}

base::Status ScheduleRows::apply_scheduled(lmdb::WriteTxn& txn, const record::RecordView& event) const {
  TRV_TRY_ASSIGN(const auto* scheduled, payload_of<wf::WorkflowScheduled>(event));
  TRV_TRY_ASSIGN(const std::string key, workflow_key(event.tenant(), event.stream_id()));
  TRV_TRY_ASSIGN(auto row, find(txn, key));
  if (!row) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{} at lsn {} is about a workflow without a schedule",
                                                            event.type(), event.lsn().value()));
  }
  TRV_TRY(set_timer(txn, event, row->due_ns, scheduled->next_ns()));
  row->due_ns = scheduled->next_ns();
  if (scheduled->due_ns() != 0) row->last_ns = scheduled->due_ns();
  row->missed += scheduled->missed();
  row->running = text_of(scheduled->instance());
  return put(txn, key, *row);
}

base::Status ScheduleRows::apply_gathered(lmdb::WriteTxn& txn, const record::RecordView& event,
                                          record::Lsn place) const {
  TRV_TRY_ASSIGN(const auto* gathered, payload_of<wf::WorkflowGathered>(event));
  const std::string_view correlation = correlation_in(gathered->correlation());
  if (correlation.size() != gathered_correlation_bytes) return std::unexpected(misshapen(event));
  TRV_TRY_ASSIGN(const std::string key, workflow_key(event.tenant(), event.stream_id()));
  const std::string_view json = text_of(gathered->event());
  TRV_TRY(tables_.gathered.put(txn, gathered_key(gathered_prefix(key, correlation, gathered->filter()), place),
                               base::as_bytes(json)));
  TRV_TRY_ASSIGN(const auto before, find(txn, key));
  ScheduleRow row = before.value_or(ScheduleRow{.version = std::string(text_of(gathered->version()))});
  ++row.gathered;
  row.gathered_bytes += json.size();
  return put(txn, key, row);
}

base::Status ScheduleRows::apply_joined(lmdb::WriteTxn& txn, const record::RecordView& event) const {
  TRV_TRY_ASSIGN(const auto* joined, payload_of<wf::WorkflowJoined>(event));
  const std::string_view correlation = correlation_in(joined->correlation());
  if (correlation.size() != gathered_correlation_bytes) return std::unexpected(misshapen(event));
  TRV_TRY_ASSIGN(const std::string key, workflow_key(event.tenant(), event.stream_id()));
  TRV_TRY_ASSIGN(auto row, find(txn, key));
  if (!row) return base::fail(base::ErrorCode::corrupt, "events were joined that nothing has gathered");
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, tables_.gathered));
  for (std::uint32_t filter = 0; filter < definition::listen_filters_max; ++filter) {
    if (filter == joined->filter() && !joined->uses_all()) continue;
    const std::string prefix = gathered_prefix(key, correlation, filter);
    do {
      TRV_TRY_ASSIGN(const auto oldest, cursor.seek(prefix));
      if (!oldest || !lmdb::begins_with(oldest->key, base::as_bytes(prefix))) break;
      TRV_ASSERT(row->gathered >= 1 && row->gathered_bytes >= oldest->value.size());
      --row->gathered;
      row->gathered_bytes -= oldest->value.size();
      TRV_TRY(cursor.erase());
    } while (joined->uses_all());
  }
  return put(txn, key, *row);
}

}  // namespace trv::instance
