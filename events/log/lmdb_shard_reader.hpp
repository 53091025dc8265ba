#pragma once
// Reads one shard of the embedded log.

#include <cstdint>

#include "events/lmdb/env.hpp"
#include "events/log/decision_buffer.hpp"
#include "events/log/event_log.hpp"
#include "sdk/base/clock.hpp"

namespace trv::log {

class LmdbEventLog;
struct ShardEnd;

/// Copies a bounded run of whole decisions in one short read transaction and hands their records out from its own
/// memory, so that no transaction outlives a call.
class LmdbShardReader final : public Reader {
 public:
  LmdbShardReader(LmdbEventLog& log, ShardId shard, Lsn from);

  [[nodiscard]] base::Result<std::optional<StoredRecord>> next(base::Duration timeout) override;
  void wake() noexcept override;

  /// What reading from `from` answers where the log begins behind it.
  [[nodiscard]] static std::unexpected<base::Error> begins_behind(const ShardEnd& end, ShardId shard, Lsn from);

 private:
  [[nodiscard]] base::Status fill();
  [[nodiscard]] base::Status find_start(const lmdb::ReadTxn& txn, const ShardEnd& end);

  base::SystemClock clock_;  // a wait takes real time
  LmdbEventLog& log_;
  ShardId shard_;
  Lsn from_;
  std::uint64_t position_ = 0;  // of the next entry; 0: not looked up yet
  DecisionBuffer buffer_;       // right once position_ is
  std::size_t resident_ = 0;    // bytes read since pages were released
  bool woken_ = false;          // guarded by the log's version_mutex_
};

}  // namespace trv::log
