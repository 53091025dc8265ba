#pragma once
// Administration of the topic.

#include <cstdint>

#include "events/kafka/client.hpp"

namespace trv::kafka {

struct TopicShape {
  std::int32_t partitions = 1;   ///< one for each shard
  std::int16_t replication = 1;  ///< copies of each partition
  std::int16_t in_sync_min = 1;  ///< copies that must have a record before it is acknowledged
};

/// Creates the topic as the log needs it: kept for ever, never compacted, entries of up to 1,048,588 bytes, times of
/// the writer. Errors: conflict where it exists; what the brokers answer.
[[nodiscard]] base::Status create_topic(const Settings& settings, const TopicShape& shape);

/// Deletes the entries of a partition before `offset`. Error: what the brokers answer.
[[nodiscard]] base::Status delete_before(const Settings& settings, std::int32_t partition, std::int64_t offset);

}  // namespace trv::kafka
