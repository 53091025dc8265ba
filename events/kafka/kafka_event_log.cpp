#include "events/kafka/kafka_event_log.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "events/kafka/kafka_shard_reader.hpp"
#include "events/kafka/owner.hpp"
#include "events/kafka/topic.hpp"
#include "sdk/base/contract.hpp"

namespace trv::kafka {

using base::Result;
using base::Status;
using log::Lsn;
using record::VoidRule;

KafkaEventLog::KafkaEventLog(Settings settings) : consumers_(std::make_shared<Consumers>(std::move(settings))) {}
KafkaEventLog::~KafkaEventLog() = default;

KafkaEventLog::Owner& KafkaEventLog::owner_of(log::ShardId shard) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Owner>& slot = owners_[shard];
  if (slot == nullptr) slot = std::make_unique<Owner>(consumers_, shard);
  return *slot;
}

Result<log::Claim> KafkaEventLog::claim(log::ShardId shard, std::string_view node, const base::Uuid& nonce,
                                        const log::EnginePosition& hint) {
  return owner_of(shard).claim(node, nonce, hint);
}

Result<log::Claim> KafkaEventLog::claim_as(log::ShardId shard, log::Epoch epoch, std::string_view node,
                                           const base::Uuid& nonce) {
  return owner_of(shard).claim_as(epoch, node, nonce);
}

Result<log::Ticket> KafkaEventLog::append(const log::Claim& claim, log::Batch batch) {
  return owner_of(claim.shard).append(claim, std::move(batch));
}

Result<log::Settled> KafkaEventLog::settle(const log::Ticket& ticket) {
  return owner_of(ticket.shard).settle(ticket);
}

Result<std::unique_ptr<log::Reader>> KafkaEventLog::read(log::ShardId shard, Lsn from,
                                                         const log::EnginePosition& hint) {
  TRV_EXPECTS(from >= Lsn(1));
  const auto trimmed = owner_of(shard).trimmed();
  if (from < Lsn(trimmed->load())) return begins_behind(shard, Lsn(trimmed->load()), from);
  TRV_TRY_ASSIGN(ShardStart start, start_of(consumers_, shard, from, hint));
  return std::make_unique<KafkaShardReader>(consumers_, shard, from, std::move(start), trimmed);
}

Result<log::Bounds> KafkaEventLog::bounds(log::ShardId shard) {
  TRV_TRY_ASSIGN(ShardStart start, start_of(consumers_, shard, Lsn(UINT64_MAX), {}));
  while (start.reader->place() < start.reader->high()) {
    TRV_TRY_ASSIGN(const Entry entry, stored_entry(*start.reader, shard));
    TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry.bytes));
    TRV_TRY(start.rule.judge(head));
  }
  if (start.rule.next_decision() == Lsn(1)) return log::Bounds{};
  return log::Bounds{.first = start.first, .last = Lsn(start.rule.next_decision().value() - 1)};
}

Status KafkaEventLog::trim(log::ShardId shard, Lsn below) {
  struct Decision {
    std::int64_t offset;
    Lsn first;
  };
  TRV_TRY_ASSIGN(ShardStart start, beginning_of(consumers_, shard));
  std::optional<Decision> open;
  std::optional<Decision> kept;  // the last whole one that begins at or before `below`
  while (start.reader->place() < start.reader->high() && start.rule.next_decision() <= below) {
    TRV_TRY_ASSIGN(const Entry entry, stored_entry(*start.reader, shard));
    TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry.bytes));
    TRV_TRY_ASSIGN(const VoidRule::Verdict verdict, start.rule.judge(head));
    if (verdict == VoidRule::Verdict::claim_won) open.reset();
    if (verdict != VoidRule::Verdict::next) continue;
    if (!open) open = Decision{entry.offset, head.lsn};
    if (head.decision_end) kept = std::exchange(open, std::nullopt);
  }
  if (!kept || kept->first <= start.first) return {};
  TRV_TRY(delete_before(consumers_->settings(), partition_of(shard), kept->offset));
  const auto trimmed = owner_of(shard).trimmed();
  std::uint64_t known = trimmed->load();
  while (known < kept->first.value() && !trimmed->compare_exchange_weak(known, kept->first.value())) continue;
  return {};
}

}  // namespace trv::kafka
