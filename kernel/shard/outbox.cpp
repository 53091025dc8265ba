#include "kernel/shard/outbox.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

namespace trv::shard {
namespace {

constexpr std::size_t digest_bytes = 16;
constexpr std::size_t number_bytes = 8;

/// What precedes the record in a row.
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

void append_number(std::string& to, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) to += static_cast<char>(number >> shift & 0xff);
}

std::uint64_t number_at_end(base::BytesView bytes) {
  TRV_EXPECTS(bytes.size() >= number_bytes);
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes.last(number_bytes)) number = number << 8 | byte;
  return number;
}

std::string position_key(std::string_view tenant, record::Lsn position) {
  std::string key = tenant_prefix(tenant);
  append_number(key, position.value());
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

std::string row_of(const RowHead& head, base::BytesView stored) {
  std::string row(sizeof head, '\0');
  std::memcpy(row.data(), &head, sizeof head);
  row += base::as_text(stored);
  return row;
}

struct Row {
  RowHead head;
  base::BytesView stored;
};

base::Result<Row> read_row(base::BytesView bytes) {
  Row row;
  if (bytes.size() <= sizeof row.head) {
    return base::fail(base::ErrorCode::corrupt, "a row of the outbox is too short; rebuild the projection");
  }
  std::memcpy(&row.head, bytes.data(), sizeof row.head);
  row.stored = bytes.subspan(sizeof row.head);
  return row;
}

base::Result<Effect> effect_of(base::BytesView stored) {
  TRV_TRY_ASSIGN(const record::Record record, record::Record::decode(stored));
  const record::RecordView& event = record.view();
  TRV_TRY_ASSIGN(const auto* requested, record::payload_of<schema::effect::EffectRequested>(event));
  Effect effect;
  effect.tenant = base::TenantId(event.tenant());
  effect.key = record::text_of(requested->key());
  effect.stream_kind = event.stream_kind();
  effect.owner = event.stream_id();
  effect.task = record::text_of(requested->task());
  effect.attempt = requested->attempt();
  effect.kind = record::text_of(requested->kind());
  effect.plugin = record::text_of(requested->plugin());
  effect.version = record::text_of(requested->version());
  effect.operation = record::text_of(requested->operation());
  effect.connection = record::text_of(requested->connection());
  effect.input = record::text_of(requested->input());
  effect.timeout = std::chrono::milliseconds(requested->timeout_ms());
  effect.traceparent = event.traceparent();
  return effect;
}

base::Result<Effect> pending_effect(base::BytesView key, base::BytesView value) {
  TRV_TRY_ASSIGN(const Row row, read_row(value));
  TRV_TRY_ASSIGN(Effect effect, effect_of(row.stored));
  effect.requested = base::Timestamp(row.head.since_ns);
  effect.position = record::Lsn(number_at_end(key));
  return effect;
}

base::Result<ParkedEffect> parked_effect(base::BytesView key, base::BytesView value) {
  TRV_EXPECTS(key.size() > digest_bytes);
  TRV_TRY_ASSIGN(const Row row, read_row(value));
  ParkedEffect parked;
  TRV_TRY_ASSIGN(parked.effect, effect_of(row.stored));
  parked.id = base::to_hex(key.last(digest_bytes));
  parked.deaths = static_cast<std::uint32_t>(row.head.deaths);
  parked.parked = base::Timestamp(row.head.since_ns);
  return parked;
}

template <typename Event>
base::Result<EffectPlace> place_in(const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* payload, record::payload_of<Event>(event));
  return EffectPlace{std::string(record::text_of(payload->key())), record::Lsn(payload->position())};
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
    return pending_.put(txn, position_key(event.tenant(), event.lsn()),
                        base::as_bytes(row_of({.since_ns = event.time().ns()}, event.stored())));
  }
  if (type == effect_succeeded_type) return end<schema::effect::EffectSucceeded>(txn, event);
  if (type == effect_failed_type) return end<schema::effect::EffectFailed>(txn, event);
  if (type == effect_cancelled_type) return end<schema::effect::EffectCancelled>(txn, event);
  return type == effect_parked_type ? park(txn, event) : release(txn, event);
}

template <typename Event>
base::Status Outbox::end(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const EffectPlace place, place_in<Event>(event));
  const bool was_parked = place.position.value() == 0;
  TRV_TRY(was_parked ? parked_.erase(txn, parked_key(event.tenant(), place.key))
                     : pending_.erase(txn, position_key(event.tenant(), place.position)));
  return {};
}

base::Status Outbox::park(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* parked, record::payload_of<schema::effect::EffectParked>(event));
  const std::string before = position_key(event.tenant(), record::Lsn(parked->position()));
  TRV_TRY_ASSIGN(const auto value, pending_.get(txn, before));
  if (!value) return {};
  TRV_TRY_ASSIGN(const Row row, read_row(*value));
  const std::string moved = row_of({.since_ns = event.time().ns(), .deaths = parked->deaths()}, row.stored);
  TRV_TRY(pending_.erase(txn, before));
  return parked_.put(txn, parked_key(event.tenant(), record::text_of(parked->key())), base::as_bytes(moved));
}

base::Status Outbox::release(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_EXPECTS(event.type() == effect_released_type);
  TRV_TRY_ASSIGN(const auto* released, record::payload_of<schema::effect::EffectReleased>(event));
  const std::string before = parked_key(event.tenant(), record::text_of(released->key()));
  TRV_TRY_ASSIGN(const auto value, parked_.get(txn, before));
  if (!value) return {};
  TRV_TRY_ASSIGN(const Row row, read_row(*value));
  const std::string moved = row_of({.since_ns = event.time().ns()}, row.stored);
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
