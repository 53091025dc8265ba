#pragma once
// Reads one shard of the embedded log.

#include <cstdint>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/log/event_log.hpp"
#include "events/record/aligned_bytes.hpp"
#include "events/record/entry.hpp"
#include "sdk/base/clock.hpp"

namespace trv::log {

class LmdbEventLog;

/// Copies a bounded run of entries in one short read transaction and hands them out from its own memory, so that no
/// transaction outlives a call.
class LmdbShardReader final : public Reader {
 public:
  LmdbShardReader(LmdbEventLog& log, ShardId shard, Lsn from);

  [[nodiscard]] base::Result<std::optional<StoredRecord>> next(base::Duration timeout) override;
  void wake() noexcept override;

 private:
  struct Found {
    Lsn lsn;
    std::size_t offset;
    std::size_t size;
  };

  [[nodiscard]] base::Status fill();
  [[nodiscard]] base::Status find_start(const lmdb::ReadTxn& txn);

  base::SystemClock clock_;  // a wait takes real time
  LmdbEventLog& log_;
  ShardId shard_;
  Lsn from_;
  record::VoidRule rule_;
  std::uint64_t position_ = 0;  // of the next entry; 0: not looked up yet
  record::AlignedBytes memory_;
  std::vector<Found> found_;
  std::size_t given_ = 0;
  bool woken_ = false;  // guarded by the log's version_mutex_
};

}  // namespace trv::log
