#pragma once
// Where reading a shard begins in its partition.

#include <memory>

#include "events/kafka/kafka_event_log.hpp"

namespace trv::kafka {

/// At the first entry that may count from there on.
struct ShardStart {
  std::unique_ptr<PartitionReader> reader;
  record::VoidRule rule;  ///< right for the next entry of the reader
  log::Lsn first;         ///< of the log; where a hint was followed: of the record that it names
};

/// At the record that the hint names, if that is at or before `from`, else at the beginning of the log.
/// Errors: not_found if the log begins behind `from`; corrupt where it begins within; what the brokers answer.
[[nodiscard]] base::Result<ShardStart> start_of(const std::shared_ptr<Consumers>& consumers, log::ShardId shard,
                                                log::Lsn from, const log::EnginePosition& hint);

[[nodiscard]] inline std::int32_t partition_of(log::ShardId shard) noexcept {
  return static_cast<std::int32_t>(shard.value());
}

/// Entries that are there take their time to come, and no longer.
inline constexpr base::Duration entry_within = std::chrono::seconds(20);

/// The next of the entries that are known to be there. Error: unavailable where it does not come.
[[nodiscard]] base::Result<Entry> stored_entry(PartitionReader& reader, log::ShardId shard);

[[nodiscard]] std::unexpected<base::Error> begins_behind(log::ShardId shard, log::Lsn first, log::Lsn from);

}  // namespace trv::kafka
