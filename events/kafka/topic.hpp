#pragma once
// Administration of the topic, and what is to be said of its brokers.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

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

/// A setting that is not as the log needs it.
struct Deviation {
  std::string setting;
  std::string found;
  std::string needed;
  std::string consequence;  ///< a sentence's beginning: "Kafka deletes …"
  bool loses = false;       ///< the log cannot be trusted with it
};

/// Compares the topic with what the log of so many shards needs. Waits up to 20 s for the brokers. Errors: invalid
/// where the topic does not exist; what the brokers answer.
[[nodiscard]] base::Result<std::vector<Deviation>> check_topic(const Settings& settings, std::int32_t shards);

/// Settings of a broker by their names.
using BrokerSettings = std::map<std::string, std::string>;

/// What the brokers are set to that makes appends or nodes wait longer than they need to, for the broker that is set
/// worst. Errors: not allowed, or what the brokers answer.
[[nodiscard]] base::Result<std::vector<Deviation>> check_brokers(const Settings& settings);
[[nodiscard]] std::vector<Deviation> slower_than_recommended(const std::vector<BrokerSettings>& brokers);

/// What check_topic() and check_brokers() say of the whole cluster.
struct Comparison {
  std::vector<Deviation> deviations;
  std::string not_compared;  ///< why the brokers' settings are not among them; empty: they are
};

/// Errors: those of check_topic(); where only the brokers' settings cannot be read, that is `not_compared`.
[[nodiscard]] base::Result<Comparison> check_cluster(const Settings& settings, std::int32_t shards);

/// Deletes the entries of a partition before `offset`. Error: what the brokers answer.
[[nodiscard]] base::Status delete_before(const Settings& settings, std::int32_t partition, std::int64_t offset);

}  // namespace trv::kafka
