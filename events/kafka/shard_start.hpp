#pragma once
// Where reading a shard begins in its partition.

#include <memory>

#include "events/kafka/kafka_event_log.hpp"

namespace trv::kafka {

/// At the first entry that may count from there on.
struct ShardStart {
  std::unique_ptr<PartitionReader> reader;
  record::VoidRule rule;  ///< right for the next entry of the reader
  log::Lsn first;         ///< of the log
};

/// A header of an entry: the position of a record that its writer had read back as the end of a whole decision, so that
/// it counts whatever comes behind it. Claims have it, the first record of each batch, and every `counted_every`th.
inline constexpr const char* counted_header = "trv_counted";
inline constexpr std::size_t counted_every = 256;

/// Of a record. Precondition: `head` is what peek() says of the entry.
[[nodiscard]] inline Position position_of(const Entry& entry, const record::EntryHead& head) noexcept {
  return {.offset = static_cast<std::uint64_t>(entry.offset), .lsn = head.lsn, .event_id = head.event_id};
}

/// Error: corrupt where the log begins within; what the brokers answer.
[[nodiscard]] base::Result<ShardStart> beginning_of(const std::shared_ptr<Consumers>& consumers, log::ShardId shard);

/// Shortly before the record `from`, or before the end where the log ends earlier: from what the hint names, if that is
/// at or before `from`, and what the entries name that lie further on; else the beginning of the log.
/// Errors: not_found if the log begins behind `from`; as beginning_of().
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
