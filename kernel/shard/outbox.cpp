#include "kernel/shard/outbox.hpp"

#include <flatbuffers/flatbuffers.h>

#include "events/record/aligned_bytes.hpp"
#include "events/schema/effect_generated.h"
#include "sdk/base/digest.hpp"

namespace trv::shard {
namespace {

// tenant ‖ 0 ‖ the first 16 bytes of the key's SHA-256: keys may be longer than LMDB allows.
std::string row_key(std::string_view tenant, std::string_view key) {
  const base::Digest digest = base::sha256(base::as_bytes(key));
  std::string row(tenant);
  row += '\0';
  row.append(reinterpret_cast<const char*>(digest.data()), 16);
  return row;
}

std::string text(const flatbuffers::String* value) {
  return value == nullptr ? std::string() : value->str();
}

/// The event's payload as its table, or corrupt.
template <typename Table>
base::Result<const Table*> payload_of(base::BytesView payload) {
  flatbuffers::Verifier verifier(payload.data(), payload.size());
  if (!verifier.VerifyBuffer<Table>(nullptr))
    return base::fail(base::ErrorCode::corrupt, "effect event cannot be read");
  return flatbuffers::GetRoot<Table>(payload.data());
}

base::Result<Effect> effect_of(const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* requested, payload_of<schema::effect::EffectRequested>(event.payload()));
  Effect effect;
  effect.tenant = base::TenantId(event.tenant());
  effect.key = text(requested->key());
  effect.owner = text(requested->owner());
  effect.task = text(requested->task());
  effect.attempt = requested->attempt();
  effect.kind = text(requested->kind());
  effect.plugin = text(requested->plugin());
  effect.version = text(requested->version());
  effect.operation = text(requested->operation());
  effect.connection = text(requested->connection());
  effect.input = text(requested->input());
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
    TRV_TRY_ASSIGN(const auto* succeeded, payload_of<schema::effect::EffectSucceeded>(event.payload()));
    key = succeeded->key()->string_view();
  } else if (type == effect_failed_type) {
    TRV_TRY_ASSIGN(const auto* failed, payload_of<schema::effect::EffectFailed>(event.payload()));
    key = failed->key()->string_view();
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
