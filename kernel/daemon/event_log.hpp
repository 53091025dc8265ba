#pragma once
// The log that the configuration names.

#include <memory>
#include <string>
#include <vector>

#include "events/log/event_log.hpp"
#include "kernel/config/config.hpp"
#include "kernel/daemon/room.hpp"

namespace trv::daemon {

struct OpenedLog {
  std::unique_ptr<log::EventLog> log;
  std::string name;                 ///< for people: "embedded", or where Kafka is
  std::vector<Room::Store> stores;  ///< what of it has a map on this machine; as long as `log`
};

/// Kafka where `kafka.brokers` is set, else the log in the data folder. Waits up to 20 s for what Kafka says of the
/// topic. Errors: as LmdbEventLog::open, config::kafka_settings and kafka::check_topic; invalid where the topic can
/// lose or refuse records, and where the data folder has a log of its own.
[[nodiscard]] base::Result<OpenedLog> open_log(const config::Config& config);

}  // namespace trv::daemon
