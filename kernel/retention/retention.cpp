#include "kernel/retention/retention.hpp"

#include <algorithm>
#include <charconv>

#include "events/record/payload.hpp"
#include "events/schema/tenancy_generated.h"
#include "kernel/workflow/instance/events.hpp"
#include "sdk/base/contract.hpp"

namespace trv::retention {
namespace {

using base::Duration;
using base::Timestamp;

/// What expires within an hour is forgotten together.
constexpr Duration pause = std::chrono::hours(1);
constexpr Duration first_look = std::chrono::hours(24);

/// When a kind's next row expires; nullopt where it has none, or all are kept for ever.
struct Expiring {
  std::vector<base::Bytes> keys;
  std::optional<Timestamp> next;
};

/// `oldest` gives the oldest rows: their times, and what names each in the event.
template <typename Oldest>
base::Result<Expiring> expiring(std::uint32_t days, Timestamp now, Oldest oldest) {
  Expiring out;
  if (days == 0) return out;
  const Duration kept = std::chrono::hours(24) * days;
  TRV_TRY(oldest([&](Timestamp time, base::BytesView key) {
    const Timestamp expires = time + kept;
    if (expires > now || out.keys.size() == forgotten_at_once_max) {
      out.next = expires;
      return lmdb::Visit::stop;
    }
    out.keys.emplace_back(key.begin(), key.end());
    return lmdb::Visit::go_on;
  }));
  return out;
}

flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> joined(flatbuffers::FlatBufferBuilder& builder,
                                                              const std::vector<base::Bytes>& keys) {
  base::Bytes all;
  for (const base::Bytes& key : keys) all.insert(all.end(), key.begin(), key.end());
  return keys.empty() ? flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>>() : builder.CreateVector(all);
}

}  // namespace

base::Status RetentionProjector::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(due_, txn.create_table("retention_due"));
  return {};
}

base::Status RetentionProjector::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const std::string_view type = event.type();
  if (type == tenancy::retention_applied_type) {
    TRV_TRY_ASSIGN(const auto* applied, record::payload_of<schema::tenancy::RetentionApplied>(event));
    return set(txn, event.tenant(), applied->next_ns());
  }
  // Another setting counts at once.
  if (type == tenancy::retention_set_type) return set(txn, event.tenant(), event.time().ns());
  const bool begins = type == instance::instance_completed_type || type == instance::instance_faulted_type ||
                      type == instance::instance_cancelled_type || type == ingest::received_type;
  if (!begins) return {};
  TRV_TRY_ASSIGN(const bool is_set, due_.contains(txn, event.tenant()));
  return is_set ? base::Status() : set(txn, event.tenant(), (event.time() + first_look).ns());
}

base::Status RetentionProjector::set(lmdb::WriteTxn& txn, std::string_view tenant, std::int64_t due_ns) {
  const base::TenantId id(tenant);
  TRV_TRY_ASSIGN(const auto row, due_.get(txn, tenant));
  if (row) {
    std::int64_t before_ns = 0;
    const std::string_view text = base::as_text(*row);
    std::from_chars(text.data(), text.data() + text.size(), before_ns);
    TRV_TRY(timers_.cancel(txn, {Timestamp(before_ns), id, std::string(timer_owner)}));
  }
  if (due_ns <= 0) {
    TRV_TRY(due_.erase(txn, tenant));
    return {};
  }
  TRV_TRY(timers_.set(txn, {Timestamp(due_ns), id, std::string(timer_owner)}));
  return due_.put(txn, tenant, base::as_bytes(std::to_string(due_ns)));
}

base::Result<shard::Decision> forget(const lmdb::Txn& state, const shard::DecisionContext& context,
                                     const tenancy::TenancyStore& tenancy, const instance::Tables& workflows,
                                     const ingest::IngestStore& ingest) {
  TRV_TRY_ASSIGN(const tenancy::Retention days, tenancy.retention(state, context.tenant));
  TRV_TRY_ASSIGN(const Expiring instances, expiring(days.instances_days, context.now, [&](const auto& visit) {
                   return instance::InstanceStore(workflows).oldest_ended(state, context.tenant, visit);
                 }));
  TRV_TRY_ASSIGN(const Expiring events, expiring(days.events_days, context.now, [&](const auto& visit) {
                   return ingest.oldest_taken(state, context.tenant, visit);
                 }));
  std::optional<Timestamp> next = instances.next;
  if (events.next && (!next || *events.next < *next)) next = events.next;
  // More than one decision forgets goes on at once.
  if (next && *next > context.now) next = std::max(*next, context.now + pause);
  const std::int64_t next_ns = next ? std::max(*next, context.now).ns() : 0;
  flatbuffers::FlatBufferBuilder builder;
  const auto instance_ids = joined(builder, instances.keys);
  const auto event_keys = joined(builder, events.keys);
  shard::Decision decision;
  decision.events.push_back(shard::draft(
      context, "tenant", context.tenant.value(), tenancy::retention_applied_type,
      record::finish(builder, schema::tenancy::CreateRetentionApplied(builder, instance_ids, event_keys, next_ns))));
  TRV_ENSURES(instances.keys.size() <= forgotten_at_once_max && events.keys.size() <= forgotten_at_once_max);
  return decision;
}

shard::Command timer_command(const shard::Timer& timer, const tenancy::TenancyStore& tenancy,
                             const instance::Tables& workflows, const ingest::IngestStore& ingest) {
  TRV_EXPECTS(timer.owner == timer_owner);
  shard::Command command;
  command.tenant = timer.tenant;
  command.actor = "kernel";
  command.decide = [&tenancy, &workflows, &ingest](const lmdb::Txn& state, shard::DecisionContext& context) {
    return forget(state, context, tenancy, workflows, ingest);
  };
  return command;
}

}  // namespace trv::retention
