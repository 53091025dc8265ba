#include "events/consumer/event_consumer.hpp"

#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::consumer {

using base::fail;
using base::Result;

EventConsumer::EventConsumer(std::unique_ptr<log::Reader> reader, record::ChainVerifier chain,
                             const log::EnginePosition& position) noexcept
    : reader_(std::move(reader)), chain_(chain), position_(position) {
  TRV_EXPECTS(reader_ != nullptr);
}

Result<EventConsumer> EventConsumer::open(log::EventLog& log, record::ShardId shard, const Checkpoint& checkpoint) {
  TRV_TRY_ASSIGN(std::unique_ptr<log::Reader> reader, log.read(shard, checkpoint.lsn.next(), checkpoint.position));
  return EventConsumer(
      std::move(reader),
      record::ChainVerifier(shard, checkpoint.lsn, checkpoint.epoch, checkpoint.time, checkpoint.last_hash),
      checkpoint.position);
}

Result<EventConsumer> EventConsumer::open_at(log::EventLog& log, record::ShardId shard, record::Lsn from) {
  TRV_EXPECTS(from >= record::Lsn(1));
  TRV_TRY_ASSIGN(std::unique_ptr<log::Reader> reader, log.read(shard, from));
  return EventConsumer(std::move(reader), record::ChainVerifier::from(shard, from), {});
}

Result<std::optional<record::RecordView>> EventConsumer::next(base::Duration timeout) {
  if (stopped_.has_value()) return fail(*stopped_);
  TRV_TRY_ASSIGN(const auto stored, reader_->next(timeout));
  if (!stored.has_value()) return std::nullopt;
  const Result<record::RecordView> record = record::RecordView::over(stored->bytes);
  if (!record) {
    stopped_ = record.error();
    return fail(*stopped_);
  }
  if (const base::Status status = chain_.accept(*record); !status) {
    stopped_ = status.error();
    return fail(*stopped_);
  }
  position_ = stored->position;
  TRV_ENSURES(chain_.last() == record->lsn() && record->lsn() == stored->lsn);
  return *record;
}

Checkpoint EventConsumer::checkpoint() const noexcept {
  return {.lsn = chain_.last(),
          .epoch = chain_.epoch(),
          .time = chain_.time(),
          .last_hash = chain_.last_hash(),
          .position = position_};
}

}  // namespace trv::consumer
