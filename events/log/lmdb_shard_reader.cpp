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

constexpr std::size_t run_entries_max = 1024;
constexpr std::size_t run_bytes_max = 1 << 20;
// Owners in other processes can not notify us.
constexpr std::chrono::milliseconds poll_interval{25};

}  // namespace

LmdbShardReader::LmdbShardReader(LmdbEventLog& log, ShardId shard, Lsn from)
    : log_(log), shard_(shard), from_(from), rule_(shard) {}

Status LmdbShardReader::find_start(const lmdb::ReadTxn& txn) {
  TRV_TRY_ASSIGN(const ShardEnd end, ShardEnd::read(txn, log_.shards_, shard_));
  TRV_ASSERT(end.next_position > end.last_record_position);
  // Behind the end there are no positions yet: start at the end and skip.
  const Lsn start = std::min(from_, end.next);
  TRV_TRY_ASSIGN(const auto claim, ClaimPlace::before(txn, log_.claims_, shard_, start));
  if (!claim.has_value()) {
    position_ = 1;
    return {};
  }
  TRV_ASSERT(claim->next <= start && claim->position < end.next_position);
  position_ = claim->position + 1 + (start.value() - claim->next.value());
  rule_ = record::VoidRule(shard_, claim->epoch, start);
  return {};
}

Status LmdbShardReader::fill() {
  found_.clear();
  memory_.clear();
  given_ = 0;
  TRV_TRY_ASSIGN(const auto entries, log_.entries_of(shard_));
  if (!entries.has_value()) return {};
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, log_.env_.begin_read());
  if (position_ == 0) TRV_TRY(find_start(txn));

  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, *entries));
  TRV_TRY_ASSIGN(std::optional<lmdb::Entry> entry, cursor.seek(position_));
  while (entry.has_value()) {
    if (lmdb::number_of(entry->key) != position_) {
      return fail(ErrorCode::corrupt,
                  fmt::format("the log of shard {} is damaged: no entry at position {}", shard_.value(), position_));
    }
    TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry->value));
    TRV_ASSERT(found_.empty() || found_.back().lsn < rule_.next());
    TRV_TRY_ASSIGN(const record::VoidRule::Verdict verdict, rule_.judge(head));
    ++position_;
    if (verdict == record::VoidRule::Verdict::valid && head.lsn >= from_) {
      found_.push_back({head.lsn, memory_.append(entry->value), entry->value.size()});
      if (found_.size() >= run_entries_max || memory_.size() >= run_bytes_max) break;
    }
    TRV_TRY_ASSIGN(entry, cursor.next());
  }
  return {};
}

Result<std::optional<StoredRecord>> LmdbShardReader::next(base::Duration timeout) {
  std::optional<base::Duration> deadline;
  while (given_ == found_.size()) {
    if (!deadline.has_value()) deadline = clock_.monotonic() + std::min(timeout, wait_max);
    std::uint64_t version = 0;
    {
      const std::lock_guard lock(log_.version_mutex_);
      version = log_.version_;
    }
    const Status status = fill();
    if (!found_.empty()) break;  // what stands before a damage is good
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
  const Found& found = found_[given_++];
  TRV_ENSURES(found.lsn >= from_ && given_ <= found_.size());
  return StoredRecord{.lsn = found.lsn, .bytes = memory_.view(found.offset, found.size)};
}

void LmdbShardReader::wake() noexcept {
  {
    const std::lock_guard lock(log_.version_mutex_);
    woken_ = true;
  }
  log_.grown_.notify_all();
}

}  // namespace trv::log
