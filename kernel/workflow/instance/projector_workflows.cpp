// What the projection keeps of workflows: their versions, which of them events start, and whether anything does.

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "events/record/payload.hpp"
#include "events/schema/workflow_generated.h"
#include "kernel/workflow/instance/projector.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/version.hpp"

namespace trv::instance {

namespace wf = schema::workflow;
using record::digest_of;
using record::payload_of;
using record::text_of;

namespace {

/// `key`: of the workflow, in Tables::latest.
std::string subscription_key(std::string_view tenant, std::string_view event_type, const std::string& key) {
  TRV_EXPECTS(key.size() > tenant.size());
  return subscription_prefix(tenant, event_type) + key.substr(tenant.size() + 1);
}

}  // namespace

base::Status WorkflowProjector::unsubscribe(lmdb::WriteTxn& txn, std::string_view tenant, const std::string& key,
                                            const DefinitionRow& row) {
  for (const std::string_view type : row.event_types) {
    TRV_TRY(tables_.subscriptions.erase(txn, subscription_key(tenant, type, key)));
  }
  return {};
}

base::Status WorkflowProjector::apply_definition(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* applied, payload_of<wf::WorkflowApplied>(event));
  DefinitionRow row;
  row.sha256 = digest_of(applied->sha256());
  row.format = text_of(applied->format());
  row.title = text_of(applied->title());
  row.applied_ns = event.time().ns();
  row.text = text_of(applied->text());
  if (applied->event_types() != nullptr) {
    for (const auto* type : *applied->event_types()) row.event_types.push_back(text_of(type));
  }
  encode(row, encoded_);
  const std::string_view space = text_of(applied->space());
  const std::string_view name = text_of(applied->name());
  const std::string_view version = text_of(applied->version());
  TRV_TRY(tables_.definitions.put(txn, definition_key(event.tenant(), space, name, version), base::as_bytes(encoded_)));

  const std::string key = latest_key(event.tenant(), space, name);
  TRV_TRY_ASSIGN(const auto latest, tables_.latest.get(txn, key));
  if (latest) {
    const std::string before(base::as_text(*latest));
    const auto old_version = base::Version::parse(before);
    const auto new_version = base::Version::parse(version);
    if (old_version && new_version && *new_version < *old_version) return {};
    // Only the latest version is started by events.
    TRV_TRY_ASSIGN(const auto old_bytes,
                   tables_.definitions.get(txn, definition_key(event.tenant(), space, name, before)));
    if (old_bytes) {
      const std::string copy(base::as_text(*old_bytes));
      TRV_TRY_ASSIGN(const DefinitionRow old_row, decode_definition(base::as_bytes(copy)));
      TRV_TRY(unsubscribe(txn, event.tenant(), key, old_row));
    }
  }
  TRV_TRY(tables_.latest.put(txn, key, base::as_bytes(version)));
  for (const std::string_view type : row.event_types) {
    TRV_TRY(tables_.subscriptions.put(txn, subscription_key(event.tenant(), type, key), base::as_bytes(version)));
  }
  return schedules().replace(txn, event);
}

base::Status WorkflowProjector::apply_filter_failed(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* failed, payload_of<wf::FilterFailed>(event));
  const std::string_view workflow = event.stream_id();
  const std::size_t slash = workflow.find('/');
  if (slash == std::string_view::npos) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("the stream '{}' does not name a workflow", workflow));
  }
  const std::string key =
      definition_key(event.tenant(), workflow.substr(0, slash), workflow.substr(slash + 1), text_of(failed->version()));
  FilterFailuresRow row{
      .count = 1, .time_ns = event.time().ns(), .event = text_of(failed->event()), .reason = text_of(failed->reason())};
  TRV_TRY_ASSIGN(const auto before, tables_.filter_failures.get(txn, key));
  if (before) {
    TRV_TRY_ASSIGN(const FilterFailuresRow earlier, decode_filter_failures(*before));
    row.count += earlier.count;
  }
  encode(row, encoded_);
  return tables_.filter_failures.put(txn, key, base::as_bytes(encoded_));
}

base::Status WorkflowProjector::apply_disabled(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* disabled, payload_of<wf::WorkflowDisabled>(event));
  TRV_TRY_ASSIGN(const std::string key, workflow_key(event.tenant(), event.stream_id()));
  encode(DisabledRow{.since_ns = event.time().ns(), .actor = event.actor(), .reason = text_of(disabled->reason())},
         encoded_);
  TRV_TRY(tables_.disabled.put(txn, key, base::as_bytes(encoded_)));
  return schedules().set_due(txn, event, key, 0);
}

base::Status WorkflowProjector::apply_enabled(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* enabled, payload_of<wf::WorkflowEnabled>(event));
  TRV_TRY_ASSIGN(const std::string key, workflow_key(event.tenant(), event.stream_id()));
  TRV_TRY(tables_.disabled.erase(txn, key));
  return schedules().set_due(txn, event, key, enabled->due_ns());
}

base::Status WorkflowProjector::apply_deleted(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const std::string key, workflow_key(event.tenant(), event.stream_id()));
  std::vector<std::pair<std::string, std::string>> versions;
  const std::string prefix = key + '\0';
  TRV_TRY(lmdb::scan(txn, tables_.definitions, base::as_bytes(prefix), {}, lmdb::Direction::forward,
                     [&](base::BytesView version, base::BytesView row) -> base::Result<lmdb::Visit> {
                       versions.emplace_back(base::as_text(version), base::as_text(row));
                       return lmdb::Visit::go_on;
                     }));
  for (const auto& [version, bytes] : versions) {
    TRV_TRY_ASSIGN(const DefinitionRow row, decode_definition(base::as_bytes(bytes)));
    // Only those of the latest are there.
    TRV_TRY(unsubscribe(txn, event.tenant(), key, row));
    TRV_TRY(tables_.retired.put(txn, retired_key(event.tenant(), row.sha256), base::as_bytes(bytes)));
    TRV_TRY(tables_.filter_failures.erase(txn, version));
    TRV_TRY(tables_.definitions.erase(txn, version));
  }
  TRV_TRY(tables_.latest.erase(txn, key));
  TRV_TRY(tables_.disabled.erase(txn, key));
  return schedules().erase(txn, event, key);
}

}  // namespace trv::instance
