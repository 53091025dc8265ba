#pragma once
// Follows a log from outside of its owner: other programs, exports, live views.

#include <cstdint>
#include <memory>
#include <optional>

#include "events/log/event_log.hpp"
#include "events/record/chain.hpp"
#include "events/record/record.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::consumer {

/// How far a consumer is; keep it together with what was made of the records, and start from it again.
struct Checkpoint {
  record::Lsn lsn;  ///< of the last record taken; 0: none
  record::Epoch epoch;
  base::Timestamp time{INT64_MIN};  ///< of this record; the default is before every other
  base::Digest last_hash{};         ///< of this record as stored
  log::EnginePosition position;     ///< of this record; a hint, may be empty

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

/// Gives every valid record of one shard once, in order, and checks the chain from one to the next. next() by one
/// thread at a time; wake() by any. The log outlives it.
class EventConsumer {
 public:
  /// Starts behind the checkpoint; the first record must continue its hash. Default: from the beginning.
  /// Error: not_found if the log begins later.
  [[nodiscard]] static base::Result<EventConsumer> open(log::EventLog& log, record::ShardId shard,
                                                        const Checkpoint& checkpoint = {});
  /// Starts at `from`, at least 1, without knowledge of what comes before: only from the first record on is the chain
  /// checked.
  [[nodiscard]] static base::Result<EventConsumer> open_at(log::EventLog& log, record::ShardId shard, record::Lsn from);

  /// The next record, valid until the next call; nullopt if none came within `timeout` or wake() was called.
  /// Error: corrupt where a record does not verify or does not continue the chain: then nothing more comes.
  [[nodiscard]] base::Result<std::optional<record::RecordView>> next(base::Duration timeout);
  void wake() noexcept { reader_->wake(); }

  /// Behind the record that next() gave last.
  [[nodiscard]] Checkpoint checkpoint() const noexcept;

 private:
  EventConsumer(std::unique_ptr<log::Reader> reader, record::ChainVerifier chain,
                const log::EnginePosition& position) noexcept;

  std::unique_ptr<log::Reader> reader_;
  record::ChainVerifier chain_;
  log::EnginePosition position_;
  std::optional<base::Error> stopped_;
};

}  // namespace trv::consumer
