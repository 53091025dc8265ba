#include "events/log/lmdb_shard_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "events/log/lmdb_event_log.hpp"
#include "events/log/lmdb_rows.hpp"
#include "sdk/base/contract.hpp"

namespace trv::log {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;

namespace {

// A run ends with the decision that reaches one of these.
constexpr std::size_t run_records_max = 1024;
constexpr std::size_t run_bytes_max = 1 << 20;
// A long reading leaves no more of the log's file in memory.
constexpr std::size_t resident_bytes_max = std::size_t{64} << 20;
// Owners in other processes cannot notify us.
constexpr std::chrono::milliseconds poll_interval{25};

}  // namespace

LmdbShardReader::LmdbShardReader(LmdbEventLog& log, ShardId shard, Lsn from)
    : log_(log), shard_(shard), from_(from), buffer_(record::VoidRule(shard), from) {}

std::unexpected<base::Error> LmdbShardReader::begins_behind(const ShardEnd& end, ShardId shard, Lsn from) {
  return fail(ErrorCode::not_found, fmt::format("the log of shard {} begins at lsn {}; lsn {} was trimmed",
                                                shard.value(), end.first.value(), from.value()));
}

Status LmdbShardReader::find_start(const lmdb::ReadTxn& txn, const ShardEnd& end) {
  if (from_ < end.first) return begins_behind(end, shard_, from_);
  // Behind the last whole decision a claim may still change what is at a position: start there and skip.
  const Lsn start = std::min(from_, end.next_decision);
  TRV_TRY_ASSIGN(const auto claim, ClaimPlace::before(txn, log_.claims_, shard_, start));
  if (!claim.has_value()) {
    position_ = 1;
    return {};
  }
  TRV_ASSERT(claim->next <= start && claim->position < end.next_position);
  position_ = claim->position + 1 + (start.value() - claim->next.value());
  buffer_ = DecisionBuffer(record::VoidRule(shard_, claim->epoch, start), from_);
  return {};
}

Status LmdbShardReader::fill() {
  TRV_EXPECTS(buffer_.empty());
  TRV_TRY_ASSIGN(const auto entries, log_.entries_of(shard_));
  if (!entries.has_value()) return {};
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, log_.env_.begin_read());
  TRV_TRY_ASSIGN(const ShardEnd end, ShardEnd::read(txn, log_.unnamed_, shard_));
  if (position_ == 0) TRV_TRY(find_start(txn, end));
  if (position_ < end.first_position) return begins_behind(end, shard_, buffer_.wanted());

  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, *entries));
  TRV_TRY_ASSIGN(std::optional<lmdb::Entry> entry, cursor.seek(position_));
  while (entry.has_value()) {
    if (lmdb::number_of(entry->key) != position_) {
      return fail(ErrorCode::corrupt,
                  fmt::format("the log of shard {} is damaged: no entry at position {}", shard_.value(), position_));
    }
    resident_ += entry->value.size();
    TRV_TRY(buffer_.take(entry->value, position_at(position_)));
    ++position_;
    if (!buffer_.empty() && (buffer_.size() >= run_records_max || buffer_.bytes() >= run_bytes_max)) break;
    TRV_TRY_ASSIGN(entry, cursor.next());
  }
  if (resident_ >= resident_bytes_max) {
    log_.env_.release_pages();
    resident_ = 0;
  }
  return {};
}

Result<std::optional<StoredRecord>> LmdbShardReader::next(base::Duration timeout) {
  std::optional<base::Duration> deadline;
  while (buffer_.empty()) {
    if (!deadline.has_value()) deadline = clock_.monotonic() + std::min(timeout, wait_max);
    std::uint64_t version = 0;
    {
      const std::lock_guard lock(log_.version_mutex_);
      version = log_.version_;
    }
    const Status status = fill();
    if (!buffer_.empty()) break;  // what comes before a damage is good
    TRV_TRY(status);

    std::unique_lock lock(log_.version_mutex_);
    const base::Duration left = *deadline - clock_.monotonic();
    if (woken_ || left <= base::Duration::zero()) {
      woken_ = false;
      return std::nullopt;
    }
    log_.grown_.wait_for(lock, std::min<base::Duration>(left, poll_interval),
                         [&] { return woken_ || log_.version_ != version; });
  }
  return buffer_.give();
}

void LmdbShardReader::wake() noexcept {
  {
    const std::lock_guard lock(log_.version_mutex_);
    woken_ = true;
  }
  log_.grown_.notify_all();
}

}  // namespace trv::log
