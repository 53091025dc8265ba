#pragma once
// The log that a configuration names.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "events/lmdb/env.hpp"
#include "events/log/event_log.hpp"
#include "kernel/config/config.hpp"
#include "sdk/base/result.hpp"

namespace trv::config {

struct OpenedLog {
  std::unique_ptr<log::EventLog> log;
  std::string name;                                     ///< for people: "embedded", or where Kafka is
  std::function<base::Result<lmdb::EnvStats>()> stats;  ///< of its map on this machine; empty: none. As long as `log`
};

/// The shards that an embedded log has room for; more than the configuration allows cannot be asked for.
inline constexpr std::uint32_t shards_max = 256;

/// Kafka where `kafka.brokers` is set, else the log in the data folder, which is made where it is missing. Waits for
/// Kafka's answer about every shard. Errors: as LmdbEventLog::open and kafka_settings; what the brokers answer; invalid
/// where the topic can lose or refuse records.
[[nodiscard]] base::Result<OpenedLog> open_log(const Config& config);

/// Whether the data folder has an embedded log.
[[nodiscard]] bool has_embedded_log(const Config& config);

/// Two logs of one data folder would be two truths. Error: invalid, where `kafka.brokers` is set and the folder has a
/// log, with what to do.
[[nodiscard]] base::Status refuse_two_logs(const Config& config);

}  // namespace trv::config
