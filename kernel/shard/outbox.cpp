#include "kernel/shard/outbox.hpp"

#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

namespace trv::shard {
namespace {

// tenant ‖ 0 ‖ the first 16 bytes of the key's SHA-256: keys may be longer than LMDB allows.
std::string row_key(std::string_view tenant, std::string_view key) {
  TRV_EXPECTS(!tenant.empty());
  const base::Digest digest = base::sha256(base::as_bytes(key));
  std::string row(tenant);
  row += '\0';
  row.append(reinterpret_cast<const char*>(digest.data()), 16);
  return row;
}

base::Result<Effect> effect_of(const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* requested, record::payload_of<schema::effect::EffectRequested>(event));
  Effect effect;
  effect.tenant = base::TenantId(event.tenant());
  effect.key = record::text_of(requested->key());
  effect.owner = record::text_of(requested->owner());
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
  effect.requested = event.time();
  return effect;
}

}  // namespace

base::Status Outbox::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(pending_, txn.create_table("outbox"));
  TRV_TRY_ASSIGN(settled_, txn.create_table("outbox_settled"));
  return {};
}

base::Status Outbox::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const std::string_view type = event.type();
  if (!type.starts_with("trv.effect.")) return {};
  if (type == effect_requested_type) {
    TRV_TRY_ASSIGN(Effect effect, effect_of(event));
    TRV_TRY(pending_.put(txn, row_key(event.tenant(), effect.key), event.stored()));
    new_.push_back(std::move(effect));
    return {};
  }
  std::string_view key;
  if (type == effect_succeeded_type) {
    TRV_TRY_ASSIGN(const auto* succeeded, record::payload_of<schema::effect::EffectSucceeded>(event));
    key = record::text_of(succeeded->key());
  } else if (type == effect_failed_type) {
    TRV_TRY_ASSIGN(const auto* failed, record::payload_of<schema::effect::EffectFailed>(event));
    key = record::text_of(failed->key());
  } else {
    return {};
  }
  const std::string row = row_key(event.tenant(), key);
  TRV_TRY(pending_.erase(txn, row));
  return settled_.put(txn, row, {});
}

base::Result<EffectState> Outbox::state_of(const lmdb::Txn& txn, const base::TenantId& tenant,
                                           std::string_view key) const {
  const std::string row = row_key(tenant.value(), key);
  TRV_TRY_ASSIGN(const bool is_pending, pending_.contains(txn, row));
  if (is_pending) return EffectState::pending;
  TRV_TRY_ASSIGN(const bool is_settled, settled_.contains(txn, row));
  return is_settled ? EffectState::settled : EffectState::unknown;
}

base::Status Outbox::for_each_pending(const lmdb::Txn& txn, const std::function<void(Effect)>& visit) const {
  return lmdb::scan(txn, pending_, {}, {}, lmdb::Direction::forward,
                    [&](base::BytesView, base::BytesView value) -> base::Result<lmdb::Visit> {
                      TRV_TRY_ASSIGN(const record::Record event, record::Record::decode(value));
                      TRV_TRY_ASSIGN(Effect effect, effect_of(event.view()));
                      visit(std::move(effect));
                      return lmdb::Visit::go_on;
                    });
}

}  // namespace trv::shard
