#pragma once
// Writes the records of a target into a new log. Private to restoring.

#include <memory>
#include <optional>

#include "events/log/lmdb_event_log.hpp"
#include "events/record/chain.hpp"
#include "sdk/base/random.hpp"

namespace trv::recovery {

/// One shard of the log; the records keep lsns, epochs and hashes. One thread.
class RestoredLog {
 public:
  /// `first`: the lsn with which the log begins. Error: those of the log.
  [[nodiscard]] static base::Result<RestoredLog> begin(log::LmdbEventLog& log, log::ShardId shard, log::Lsn first,
                                                       base::Random& random);

  /// Errors: corrupt where the record does not follow; those of the log.
  [[nodiscard]] base::Status add(const record::RecordView& record);
  /// Makes it durable. What was added ends with a decision.
  [[nodiscard]] base::Status finish();

  /// Of those that were added.
  [[nodiscard]] const record::ChainVerifier& chain() const noexcept { return chain_; }

 private:
  RestoredLog(log::LmdbEventLog& log, log::ShardId shard, record::ChainVerifier chain, base::Random& random)
      : log_(&log), shard_(shard), chain_(chain), random_(&random) {}
  [[nodiscard]] base::Status append();

  log::LmdbEventLog* log_;
  log::ShardId shard_;
  record::ChainVerifier chain_;
  base::Random* random_;
  std::optional<log::Claim> claim_;
  log::Batch batch_;
};

}  // namespace trv::recovery
