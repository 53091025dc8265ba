// An instance's steps, read from the log by the positions that the projection keeps.

#include "kernel/workflow/instance/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "events/schema/workflow_generated.h"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/positions.hpp"
#include "kernel/workflow/instance/task_event.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

namespace wf = schema::workflow;
using record::payload_of;
using record::text_of;

namespace {

template <typename Table>
void about_effect(InstanceStep& out, std::string_view outcome, const Table& event) {
  out.reference = text_of(event.task());
  out.task = name_in(out.reference);
  out.kind = call_kind;
  out.outcome = outcome;
}

/// Who and why, and what it was about.
base::Status about_action(InstanceStep& out, const record::RecordView& event) {
  const auto did = [&](const flatbuffers::String* reason) {
    out.reason = text_of(reason);
    out.actor = event.actor();
  };
  if (out.type == instance_cancelled_type) {
    TRV_TRY_ASSIGN(const auto* cancelled, payload_of<wf::InstanceCancelled>(event));
    did(cancelled->reason());
    if (cancelled->not_compensated() != nullptr) {
      json::Value tasks = json::Value::array();
      for (const auto* one : *cancelled->not_compensated()) tasks.push_back(json::Value(text_of(one)));
      out.error = json::serialize({{"notCompensated", std::move(tasks)}});
    }
  } else if (out.type == instance_compensating_type) {
    TRV_TRY_ASSIGN(const auto* compensating, payload_of<wf::InstanceCompensating>(event));
    out.error = text_of(compensating->error());
    if (compensating->cancelled()) did(compensating->reason());
  } else if (out.type == instance_suspended_type) {
    TRV_TRY_ASSIGN(const auto* suspended, payload_of<wf::InstanceSuspended>(event));
    did(suspended->reason());
  } else if (out.type == instance_resumed_type) {
    TRV_TRY_ASSIGN(const auto* resumed, payload_of<wf::InstanceResumed>(event));
    did(resumed->reason());
    out.input = text_of(resumed->data());
  } else if (out.type == instance_restored_type) {
    TRV_TRY_ASSIGN(const auto* restored, payload_of<wf::InstanceRestored>(event));
    did(restored->reason());
    out.reference = text_of(restored->task());
    out.task = name_in(out.reference);
    out.operation = text_of(restored->action());
    if (restored->origin() != nullptr) {
      out.input = fmt::format(R"({{"instance":"{}","event":"{}"}})", text_of(restored->origin()),
                              text_of(restored->origin_event()));
    }
  } else if (out.type == instance_signalled_type) {
    TRV_TRY_ASSIGN(const auto* signalled, payload_of<wf::InstanceSignalled>(event));
    did(signalled->reason());
    out.operation = text_of(signalled->type());
    out.input = text_of(signalled->event());
  } else if (out.type == instance_migrated_type) {
    TRV_TRY_ASSIGN(const auto* migrated, payload_of<wf::InstanceMigrated>(event));
    did(migrated->reason());
    out.operation = fmt::format("{} to {}", text_of(migrated->from()), text_of(migrated->version()));
  } else if (out.type == instance_forked_type) {
    TRV_TRY_ASSIGN(const auto* forked, payload_of<wf::InstanceForked>(event));
    did(forked->reason());
    out.output =
        fmt::format(R"({{"instance":"{}","event":"{}"}})", text_of(forked->instance()), text_of(forked->event()));
  }
  return {};
}

/// The runs that hold positions from `from` on: the first of them may begin before it.
base::Result<std::vector<Run>> runs_from(const lmdb::Txn& txn, const Tables& tables, const std::string& key,
                                         std::string_view latest, std::uint64_t from, std::size_t count_max) {
  std::vector<Run> runs;
  std::uint64_t count = 0;
  const auto take = [&](base::BytesView bytes) -> base::Status {
    TRV_TRY_ASSIGN(const std::vector<Run> some, decode_runs(bytes));
    for (const Run& run : some) {
      if (run.first + run.count <= from || count > count_max) continue;
      runs.push_back(run);
      count += run.first + run.count - std::max(run.first, from);
    }
    return {};
  };
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, tables.positions));
  // The last row that begins at or before the position.
  TRV_TRY_ASSIGN(auto entry, cursor.seek_back(positions_key(key, record::Lsn(from))));
  if (!entry || !lmdb::begins_with(entry->key, base::as_bytes(key))) {
    TRV_TRY_ASSIGN(entry, cursor.seek(positions_key(key, record::Lsn(from))));
  }
  while (entry && lmdb::begins_with(entry->key, base::as_bytes(key)) && count <= count_max) {
    TRV_TRY(take(entry->value));
    TRV_TRY_ASSIGN(entry, cursor.next());
  }
  TRV_TRY(take(base::as_bytes(latest)));
  return runs;
}

}  // namespace

base::Result<std::optional<InstanceStep>> step_in(const record::RecordView& event) {
  InstanceStep out;
  out.shard = event.shard();
  out.lsn = event.lsn();
  out.time = event.time();
  out.type = event.type();
  out.id = event.event_id();
  TRV_TRY_ASSIGN(auto task, task_event_in(event));
  if (task) {
    out.task = name_in(compensated_by(task->reference));
    out.reference = task->reference;
    out.kind = task->kind;
    out.operation = std::move(task->operation);
    out.outcome = task->outcome;
    out.attempt = task->attempt;
    out.tries = task->tries;
    if (task->started_ns != 0) out.duration = out.time - base::Timestamp(task->started_ns);
    out.input = task->input ? *task->input : task->heard.value_or("");
    out.output = task->output.value_or(task->processed.value_or(""));
    if (!task->child.empty()) out.output = fmt::format(R"({{"instance":"{}"}})", task->child);
    out.error = task->error.value_or("");
  } else if (out.type == shard::effect_parked_type) {
    TRV_TRY_ASSIGN(const auto* parked, payload_of<schema::effect::EffectParked>(event));
    about_effect(out, "parked", *parked);
  } else if (out.type == shard::effect_released_type) {
    TRV_TRY_ASSIGN(const auto* released, payload_of<schema::effect::EffectReleased>(event));
    about_effect(out, "released", *released);
  } else if (out.type.starts_with(shard::effect_types)) {
    return std::nullopt;
  } else {
    out.outcome = out.type.substr(out.type.rfind('.') + 1);
    TRV_TRY(about_action(out, event));
    if (out.type == instance_started_type) {
      TRV_TRY_ASSIGN(out.input, input_in(event));
    } else if (out.type == instance_completed_type) {
      TRV_TRY_ASSIGN(const auto* completed, payload_of<wf::InstanceCompleted>(event));
      out.output = text_of(completed->output());
    } else if (out.type == instance_faulted_type) {
      TRV_TRY_ASSIGN(const auto* faulted, payload_of<wf::InstanceFaulted>(event));
      out.error = text_of(faulted->error());
    }
  }
  return out;
}

base::Result<std::string> input_in(const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* started, payload_of<wf::InstanceStarted>(event));
  return std::string(text_of(started->input()));
}

base::Result<std::string> context_in(const record::RecordView& event) {
  if (event.type() == instance_restored_type) {
    TRV_TRY_ASSIGN(const auto* restored, payload_of<wf::InstanceRestored>(event));
    const bool has_root = restored->branches() != nullptr && restored->branches()->size() > 0;
    return std::string(has_root ? text_of(restored->branches()->Get(0)->context()) : "");
  }
  TRV_TRY_ASSIGN(const auto task, task_event_in(event));
  return std::string(task && task->context ? *task->context : "");
}

base::Result<Page<InstanceStep>> InstanceStore::timeline(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         const InstanceId& id, std::string_view cursor,
                                                         std::size_t count_max, const RecordAt& record_at) const {
  TRV_EXPECTS(count_max > 0);
  std::uint64_t from = 0;
  if (!cursor.empty()) {
    const bool digits = cursor.size() <= 19 && cursor.find_first_not_of("0123456789") == std::string_view::npos;
    if (!digits) return base::fail(base::ErrorCode::invalid, "the cursor is not one that a timeline has given");
    from = std::stoull(std::string(cursor));
  }
  // At most one record without a step comes for each, and one more says whether there is a next page.
  const std::size_t records_max = 2 * count_max + 2;
  Page<InstanceStep> page;
  TRV_TRY(each_record(txn, tenant, id, from, records_max, record_at,
                      [&](std::uint64_t place, const record::RecordView& event) -> base::Result<lmdb::Visit> {
                        TRV_TRY_ASSIGN(auto step, step_in(event));
                        if (!step) return lmdb::Visit::go_on;
                        if (page.items.size() == count_max) {
                          page.next = std::to_string(place);
                          return lmdb::Visit::stop;
                        }
                        page.items.push_back(*std::move(step));
                        return lmdb::Visit::go_on;
                      }));
  TRV_ENSURES(page.items.size() <= count_max);
  return page;
}

base::Status InstanceStore::each_record(
    const lmdb::Txn& txn, const base::TenantId& tenant, const InstanceId& id, std::uint64_t from, std::size_t count,
    const RecordAt& record_at,
    const std::function<base::Result<lmdb::Visit>(std::uint64_t, const record::RecordView&)>& visit) const {
  const std::string key = instance_key(tenant.value(), id);
  TRV_TRY_ASSIGN(const auto bytes, tables_.instances.get(txn, key));
  if (!bytes) return base::fail(base::ErrorCode::not_found, "instance '" + id.to_string() + "' not found");
  TRV_TRY_ASSIGN(const InstanceRow row, decode_instance(*bytes));
  TRV_TRY_ASSIGN(const auto runs, runs_from(txn, tables_, key, row.positions, from, count));
  for (const Run& run : runs) {
    for (std::uint64_t place = std::max(run.first, from); place < run.first + run.count; ++place) {
      TRV_TRY_ASSIGN(const record::Record event, record_at(record::Lsn(place)));
      TRV_TRY_ASSIGN(const lmdb::Visit next, visit(place, event.view()));
      if (next == lmdb::Visit::stop) return {};
    }
  }
  return {};
}

}  // namespace trv::instance
