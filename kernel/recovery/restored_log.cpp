#include "kernel/recovery/restored_log.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace trv::recovery {
namespace {

constexpr std::size_t batch_records_max = 16384;
constexpr std::size_t batch_bytes_max = std::size_t{16} << 20;

base::Uuid nonce_of(base::Random& random, base::Timestamp time) {
  return base::Uuid::v7(time, random);
}

}  // namespace

base::Result<RestoredLog> RestoredLog::begin(log::LmdbEventLog& log, log::ShardId shard, log::Lsn first,
                                             base::Random& random) {
  if (first == log::Lsn(1)) return RestoredLog(log, shard, record::ChainVerifier(shard), random);
  TRV_TRY(log.begin_at(shard, first));
  return RestoredLog(log, shard, record::ChainVerifier::from(shard, first), random);
}

base::Status RestoredLog::add(const record::RecordView& record) {
  TRV_TRY(chain_.accept(record));
  if (!claim_ || claim_->epoch != record.epoch()) {
    TRV_TRY(append());
    TRV_TRY_ASSIGN(claim_,
                   log_->claim_as(shard_, record.epoch(), "trav backup restore", nonce_of(*random_, record.time())));
  }
  batch_.add(record);
  const bool is_full = batch_.size() >= batch_records_max || batch_.bytes() >= batch_bytes_max;
  return is_full ? append() : base::Status();
}

base::Status RestoredLog::append() {
  if (batch_.empty()) return {};
  TRV_TRY_ASSIGN(const log::Ticket ticket, log_->append(*claim_, std::exchange(batch_, {})));
  TRV_TRY_ASSIGN(const log::Settled settled, log_->settle(ticket));
  if (settled.outcome == log::Outcome::appended) return {};
  return base::fail(base::ErrorCode::conflict,
                    fmt::format("another process took shard {} of the folder that is restored", shard_.value()));
}

base::Status RestoredLog::finish() {
  return append();
}

}  // namespace trv::recovery
