#include "events/kafka/kafka_shard_reader.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::kafka {

using base::Duration;
using base::Result;
using log::StoredRecord;

namespace {

/// A wait is cut into pieces: a wake-up that came a moment too early costs no more than this.
constexpr Duration longest_wait = std::chrono::seconds(1);

}  // namespace

KafkaShardReader::KafkaShardReader(std::shared_ptr<Consumers> consumers, log::ShardId shard, log::Lsn from,
                                   ShardStart start, std::shared_ptr<const std::atomic<std::uint64_t>> trimmed)
    : consumers_(std::move(consumers)),
      shard_(shard),
      trimmed_(std::move(trimmed)),
      reader_(std::move(start.reader)),
      buffer_(start.rule, from) {
  TRV_EXPECTS(reader_ != nullptr && trimmed_ != nullptr);
}

Result<std::optional<StoredRecord>> KafkaShardReader::next(Duration timeout) {
  std::optional<Duration> start;
  while (buffer_.empty()) {
    if (failed_) return base::fail(*failed_);
    Duration rest = Duration::zero();
    // Most entries were fetched with others: no clock and no lock of librdkafka is asked for them.
    if (!reader_->has_fetched()) {
      const Duration now = clock_.monotonic();
      if (!start) start = now;
      const Duration deadline = *start + std::clamp(timeout, Duration::zero(), log::wait_max);
      // What is there already is waited for, even by a call that does not wait for more.
      const bool is_behind = reader_->place() < reader_->high() && now < *start + entry_within;
      if (!is_behind && (woken_.exchange(false) || now >= deadline)) return std::nullopt;
      rest = is_behind ? Duration(std::chrono::milliseconds(100)) : deadline - now;
    }
    if (const auto taken = take(std::min(rest, longest_wait)); !taken) {
      if (taken.error().code() == base::ErrorCode::corrupt) failed_ = taken.error();
      return base::fail(taken.error());
    }
  }
  return buffer_.give();
}

base::Status KafkaShardReader::take(Duration within) {
  const log::Lsn first(trimmed_->load());
  if (buffer_.wanted() < first) return begins_behind(shard_, first, buffer_.wanted());
  const auto entry = reader_->next(within);
  if (!entry) {
    if (entry.error().code() == base::ErrorCode::not_found) return start_again();
    return base::fail(entry.error());
  }
  if (!*entry) return {};
  TRV_TRY_ASSIGN(const record::EntryHead head, record::peek((*entry)->bytes));
  return buffer_.take((*entry)->bytes, head, position_of(**entry, head).encoded());
}

base::Status KafkaShardReader::start_again() {
  TRV_TRY_ASSIGN(ShardStart start, start_of(consumers_, shard_, buffer_.wanted(), {}));
  buffer_ = log::DecisionBuffer(start.rule, buffer_.wanted());
  reader_ = std::move(start.reader);
  return {};
}

void KafkaShardReader::wake() noexcept {
  woken_ = true;
  reader_->wake();
}

}  // namespace trv::kafka
