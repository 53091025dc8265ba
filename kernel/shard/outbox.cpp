#include "kernel/shard/outbox.hpp"

#include <utility>

#include "events/record/payload.hpp"
#include "events/record/row.hpp"
#include "events/schema/effect_generated.h"
#include "sdk/base/big_endian.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

namespace trv::shard {
namespace {

constexpr std::size_t digest_bytes = 16;
constexpr std::size_t number_bytes = 8;

/// What a row begins with; what follows is the effect.
struct RowHead {
  std::int64_t since_ns = 0;  ///< when it was requested, released or parked
  std::uint64_t deaths = 0;
};

std::string tenant_prefix(std::string_view tenant) {
  TRV_EXPECTS(!tenant.empty());
  std::string key(tenant);
  key += '\0';
  return key;
}

std::string position_key(std::string_view tenant, record::Lsn position) {
  std::string key = tenant_prefix(tenant);
  base::append_big_endian(key, position.value());
  return key;
}

/// Keys of effects may be longer than keys of LMDB.
std::string digest_of_key(std::string_view key) {
  const base::Digest digest = base::sha256(base::as_bytes(key));
  return {reinterpret_cast<const char*>(digest.data()), digest_bytes};
}

std::string parked_key(std::string_view tenant, std::string_view key) {
  return tenant_prefix(tenant) + digest_of_key(key);
}

std::string row_of(const RowHead& head, base::BytesView rest) {
  std::string row;
  record::RowWriter(row) << head.since_ns << head.deaths;
  row += base::as_text(rest);
  return row;
}

/// What the record says, without what its key in the table says.
base::Result<std::string> row_of(const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* requested, record::payload_of<schema::effect::EffectRequested>(event));
  std::string row;
  row.reserve(256);
  record::RowWriter writer(row);
  writer << event.time().ns() << std::uint64_t{0} << event.stream_kind() << event.stream_id() << event.traceparent()
         << requested->attempt() << requested->timeout_ms();
  for (const auto* text : {requested->key(), requested->task(), requested->kind(), requested->plugin(),
                           requested->version(), requested->operation(), requested->connection(), requested->input()}) {
    writer << record::text_of(text);
  }
  if (requested->tried_once()) writer << std::uint64_t{1};
  return row;
}

/// The head of a row, and what follows it.
base::Result<std::pair<RowHead, base::BytesView>> split(base::BytesView row) {
  RowHead head;
  record::RowReader reader(row);
  reader >> head.since_ns >> head.deaths;
  if (reader.rest().empty()) {
    return base::fail(base::ErrorCode::corrupt, "a row of the outbox is too short; rebuild the projection");
  }
  return std::pair(head, reader.rest());
}

/// The tenant is what the key begins with; `id_bytes` follow a zero behind it.
base::Result<Effect> effect_of(base::BytesView key, std::size_t id_bytes, base::BytesView rest) {
  TRV_EXPECTS(key.size() > id_bytes + 1);
  Effect effect;
  effect.tenant = base::TenantId(std::string(base::as_text(key.first(key.size() - id_bytes - 1))));
  std::uint64_t timeout_ms = 0;
  record::RowReader reader(rest);
  reader >> effect.stream_kind >> effect.owner >> effect.traceparent >> effect.attempt >> timeout_ms >> effect.key >>
      effect.task >> effect.kind >> effect.plugin >> effect.version >> effect.operation >> effect.connection >>
      effect.input;
  if (!reader.rest().empty()) {
    std::uint64_t once = 0;
    reader >> once;
    effect.is_tried_once = once == 1;
  }
  TRV_TRY(reader.finish("an effect of the outbox"));
  effect.timeout = std::chrono::milliseconds(timeout_ms);
  return effect;
}

base::Result<Effect> pending_effect(base::BytesView key, base::BytesView value) {
  TRV_TRY_ASSIGN(const auto row, split(value));
  TRV_TRY_ASSIGN(Effect effect, effect_of(key, number_bytes, row.second));
  effect.requested = base::Timestamp(row.first.since_ns);
  effect.position = record::Lsn(base::big_endian(key.last(number_bytes)));
  return effect;
}

base::Result<ParkedEffect> parked_effect(base::BytesView key, base::BytesView value) {
  TRV_TRY_ASSIGN(const auto row, split(value));
  ParkedEffect parked;
  TRV_TRY_ASSIGN(parked.effect, effect_of(key, digest_bytes, row.second));
  parked.id = base::to_hex(key.last(digest_bytes));
  parked.deaths = static_cast<std::uint32_t>(row.first.deaths);
  parked.parked = base::Timestamp(row.first.since_ns);
  return parked;
}

}  // namespace

base::Status Outbox::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(pending_, txn.create_table("outbox"));
  TRV_TRY_ASSIGN(parked_, txn.create_table("outbox_parked"));
  return {};
}

base::Status Outbox::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const std::string_view type = event.type();
  if (!type.starts_with(effect_types)) return {};
  if (type == effect_requested_type) {
    TRV_TRY_ASSIGN(const std::string row, row_of(event));
    return pending_.put(txn, position_key(event.tenant(), event.lsn()), base::as_bytes(row));
  }
  if (type == effect_succeeded_type) return end<schema::effect::EffectSucceeded>(txn, event);
  if (type == effect_failed_type) return end<schema::effect::EffectFailed>(txn, event);
  if (type == effect_cancelled_type) return end<schema::effect::EffectCancelled>(txn, event);
  return type == effect_parked_type ? park(txn, event) : release(txn, event);
}

template <typename Event>
base::Status Outbox::end(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* ended, record::payload_of<Event>(event));
  const record::Lsn position(ended->position());
  const bool was_parked = position.value() == 0;
  TRV_TRY(was_parked ? parked_.erase(txn, parked_key(event.tenant(), record::text_of(ended->key())))
                     : pending_.erase(txn, position_key(event.tenant(), position)));
  return {};
}

base::Status Outbox::park(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* parked, record::payload_of<schema::effect::EffectParked>(event));
  const std::string before = position_key(event.tenant(), record::Lsn(parked->position()));
  TRV_TRY_ASSIGN(const auto value, pending_.get(txn, before));
  if (!value) return {};
  TRV_TRY_ASSIGN(const auto row, split(*value));
  const std::string moved = row_of({.since_ns = event.time().ns(), .deaths = parked->deaths()}, row.second);
  TRV_TRY(pending_.erase(txn, before));
  return parked_.put(txn, parked_key(event.tenant(), record::text_of(parked->key())), base::as_bytes(moved));
}

base::Status Outbox::release(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_EXPECTS(event.type() == effect_released_type);
  TRV_TRY_ASSIGN(const auto* released, record::payload_of<schema::effect::EffectReleased>(event));
  const std::string before = parked_key(event.tenant(), record::text_of(released->key()));
  TRV_TRY_ASSIGN(const auto value, parked_.get(txn, before));
  if (!value) return {};
  TRV_TRY_ASSIGN(const auto row, split(*value));
  const std::string moved = row_of({.since_ns = event.time().ns()}, row.second);
  TRV_TRY(parked_.erase(txn, before));
  return pending_.put(txn, position_key(event.tenant(), event.lsn()), base::as_bytes(moved));
}

base::Result<std::optional<base::TenantId>> Outbox::tenant_behind(const lmdb::Txn& txn, std::string_view after) const {
  std::string from(after);
  from += after.empty() ? '\0' : '\1';
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, pending_));
  TRV_TRY_ASSIGN(const auto entry, cursor.seek(from));
  if (!entry) return std::nullopt;
  TRV_ASSERT(entry->key.size() > number_bytes + 1);
  return base::TenantId(std::string(base::as_text(entry->key.first(entry->key.size() - number_bytes - 1))));
}

base::Result<std::vector<Effect>> Outbox::pending(const lmdb::Txn& txn, const base::TenantId& tenant, record::Lsn after,
                                                  std::size_t count_max) const {
  TRV_EXPECTS(count_max > 0);
  std::vector<Effect> effects;
  const std::string prefix = tenant_prefix(tenant.value());
  const std::string from = position_key(tenant.value(), after.next());
  TRV_TRY(lmdb::scan(txn, pending_, base::as_bytes(prefix), base::as_bytes(from), lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                       TRV_TRY_ASSIGN(Effect effect, pending_effect(key, value));
                       effects.push_back(std::move(effect));
                       return effects.size() == count_max ? lmdb::Visit::stop : lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(effects.empty() || effects.front().position > after);
  return effects;
}

base::Result<bool> Outbox::is_pending(const lmdb::Txn& txn, const base::TenantId& tenant, record::Lsn position) const {
  return pending_.contains(txn, position_key(tenant.value(), position));
}

base::Result<Outbox::Counts> Outbox::counts(const lmdb::Txn& txn) const {
  Counts counts;
  TRV_TRY_ASSIGN(counts.pending, pending_.count(txn));
  TRV_TRY_ASSIGN(counts.parked, parked_.count(txn));
  return counts;
}

base::Result<std::vector<ParkedEffect>> Outbox::parked(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                       std::string_view after, std::size_t count_max) const {
  TRV_EXPECTS(count_max > 0);
  const std::string prefix = tenant_prefix(tenant.value());
  std::string from;
  if (!after.empty()) {
    const auto digest = base::from_hex(after);
    if (!digest || digest->size() != digest_bytes) {
      return base::fail(base::ErrorCode::invalid, "the cursor does not come from a list of parked effects");
    }
    // The least key behind it.
    from = prefix + std::string(base::as_text(*digest)) + '\0';
  }
  std::vector<ParkedEffect> effects;
  TRV_TRY(lmdb::scan(txn, parked_, base::as_bytes(prefix), base::as_bytes(from), lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                       TRV_TRY_ASSIGN(ParkedEffect one, parked_effect(key, value));
                       effects.push_back(std::move(one));
                       return effects.size() == count_max ? lmdb::Visit::stop : lmdb::Visit::go_on;
                     }));
  return effects;
}

base::Result<std::optional<ParkedEffect>> Outbox::find_parked(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                              std::string_view id) const {
  const auto digest = base::from_hex(id);
  if (!digest || digest->size() != digest_bytes) return std::nullopt;
  const std::string key = tenant_prefix(tenant.value()) + std::string(base::as_text(*digest));
  TRV_TRY_ASSIGN(const auto row, parked_.get(txn, key));
  if (!row) return std::nullopt;
  TRV_TRY_ASSIGN(ParkedEffect parked, parked_effect(base::as_bytes(key), *row));
  return parked;
}

}  // namespace trv::shard
