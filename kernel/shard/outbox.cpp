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
/// Of an effect's key within a row's key, which LMDB limits to 511.
constexpr std::size_t key_bytes_max = 200;

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

/// Keys of effects may be longer than LMDB allows.
std::string digest_of_key(std::string_view key) {
  const base::Digest digest = base::sha256(base::as_bytes(key));
  return {reinterpret_cast<const char*>(digest.data()), digest_bytes};
}

std::string owner_prefix(std::string_view tenant, std::string_view owner) {
  std::string key = tenant_prefix(tenant);
  key += owner;
  key += '\0';
  return key;
}

/// Most keys are short enough for a row's key: '=' and the key itself, which saves a digest for each event. A longer
/// one is '#' and its digest.
std::string owner_key(std::string_view tenant, std::string_view owner, std::string_view key) {
  std::string row = owner_prefix(tenant, owner);
  const bool is_short = key.size() <= key_bytes_max;
  row += is_short ? '=' : '#';
  return row += is_short ? std::string(key) : digest_of_key(key);
}

/// The digest of the key at the end of an owner_key().
std::string digest_at(base::BytesView owner_key, std::size_t prefix_bytes) {
  TRV_EXPECTS(owner_key.size() > prefix_bytes + 1);
  const std::string_view key = base::as_text(owner_key.subspan(prefix_bytes));
  return key.front() == '#' ? std::string(key.substr(1)) : digest_of_key(key.substr(1));
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
base::Result<std::string> key_in(const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* payload, record::payload_of<Event>(event));
  return std::string(record::text_of(payload->key()));
}

/// The key of the effect that an event other than the request is about.
base::Result<std::string> key_of(const record::RecordView& event) {
  const std::string_view type = event.type();
  if (type == effect_succeeded_type) return key_in<schema::effect::EffectSucceeded>(event);
  if (type == effect_failed_type) return key_in<schema::effect::EffectFailed>(event);
  if (type == effect_cancelled_type) return key_in<schema::effect::EffectCancelled>(event);
  if (type == effect_parked_type) return key_in<schema::effect::EffectParked>(event);
  TRV_EXPECTS(type == effect_released_type);
  return key_in<schema::effect::EffectReleased>(event);
}

}  // namespace

base::Status Outbox::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(pending_, txn.create_table("outbox"));
  TRV_TRY_ASSIGN(owners_, txn.create_table("outbox_owners"));
  TRV_TRY_ASSIGN(parked_, txn.create_table("outbox_parked"));
  return {};
}

base::Status Outbox::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const std::string_view type = event.type();
  if (!type.starts_with(effect_types)) return {};
  std::string position;
  append_number(position, event.lsn().value());
  if (type == effect_requested_type) {
    TRV_TRY_ASSIGN(const auto* requested, record::payload_of<schema::effect::EffectRequested>(event));
    const std::string_view key = record::text_of(requested->key());
    TRV_TRY(owners_.put(txn, owner_key(event.tenant(), event.stream_id(), key), base::as_bytes(position)));
    return pending_.put(txn, position_key(event.tenant(), event.lsn()),
                        base::as_bytes(row_of({.since_ns = event.time().ns()}, event.stored())));
  }
  TRV_TRY_ASSIGN(const std::string effect_key, key_of(event));
  const std::string row_key = owner_key(event.tenant(), event.stream_id(), effect_key);
  TRV_TRY_ASSIGN(const auto known, owners_.get(txn, row_key));
  if (!known) return {};
  const record::Lsn before(number_at_end(*known));
  const bool was_parked = before.value() == 0;
  const std::string pending_key = position_key(event.tenant(), before);
  if (type == effect_parked_type && !was_parked) {
    TRV_TRY_ASSIGN(const auto* parked, record::payload_of<schema::effect::EffectParked>(event));
    TRV_TRY_ASSIGN(const auto value, pending_.get(txn, pending_key));
    TRV_ASSERT(value.has_value());
    TRV_TRY_ASSIGN(const Row row, read_row(*value));
    const std::string moved = row_of({.since_ns = event.time().ns(), .deaths = parked->deaths()}, row.stored);
    TRV_TRY(pending_.erase(txn, pending_key));
    TRV_TRY(parked_.put(txn, parked_key(event.tenant(), effect_key), base::as_bytes(moved)));
    return owners_.put(txn, row_key, base::Bytes(number_bytes, 0));
  }
  if (type == effect_released_type && was_parked) {
    const std::string before_key = parked_key(event.tenant(), effect_key);
    TRV_TRY_ASSIGN(const auto value, parked_.get(txn, before_key));
    TRV_ASSERT(value.has_value());
    TRV_TRY_ASSIGN(const Row row, read_row(*value));
    const std::string moved = row_of({.since_ns = event.time().ns()}, row.stored);
    TRV_TRY(parked_.erase(txn, before_key));
    TRV_TRY(pending_.put(txn, position_key(event.tenant(), event.lsn()), base::as_bytes(moved)));
    return owners_.put(txn, row_key, base::as_bytes(position));
  }
  if (type == effect_parked_type || type == effect_released_type) return {};
  TRV_TRY(owners_.erase(txn, row_key));
  TRV_TRY(was_parked ? parked_.erase(txn, parked_key(event.tenant(), effect_key)) : pending_.erase(txn, pending_key));
  return {};
}

base::Result<bool> Outbox::is_open(const lmdb::Txn& txn, const base::TenantId& tenant, std::string_view owner,
                                   std::string_view key) const {
  return owners_.contains(txn, owner_key(tenant.value(), owner, key));
}

base::Result<std::vector<Effect>> Outbox::of_owner(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                   std::string_view owner) const {
  std::vector<Effect> effects;
  const std::string prefix = owner_prefix(tenant.value(), owner);
  TRV_TRY(lmdb::scan(txn, owners_, base::as_bytes(prefix), {}, lmdb::Direction::forward,
                     [&](base::BytesView, base::BytesView value) -> base::Result<lmdb::Visit> {
                       const record::Lsn position(number_at_end(value));
                       if (position.value() == 0) return lmdb::Visit::go_on;
                       const std::string at = position_key(tenant.value(), position);
                       TRV_TRY_ASSIGN(const auto row, pending_.get(txn, at));
                       TRV_ASSERT(row.has_value());
                       TRV_TRY_ASSIGN(Effect effect, pending_effect(base::as_bytes(at), *row));
                       effects.push_back(std::move(effect));
                       return lmdb::Visit::go_on;
                     }));
  TRV_TRY_ASSIGN(auto parked, parked_of(txn, tenant, owner));
  for (ParkedEffect& one : parked) effects.push_back(std::move(one.effect));
  return effects;
}

base::Result<std::vector<ParkedEffect>> Outbox::parked_of(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                          std::string_view owner) const {
  std::vector<ParkedEffect> parked;
  const std::string prefix = owner_prefix(tenant.value(), owner);
  TRV_TRY(lmdb::scan(
      txn, owners_, base::as_bytes(prefix), {}, lmdb::Direction::forward,
      [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
        if (number_at_end(value) != 0) return lmdb::Visit::go_on;
        TRV_TRY_ASSIGN(auto one, find_parked(txn, tenant, base::to_hex(base::as_bytes(digest_at(key, prefix.size())))));
        TRV_ASSERT(one.has_value());
        parked.push_back(*std::move(one));
        return lmdb::Visit::go_on;
      }));
  return parked;
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
