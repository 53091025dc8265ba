#pragma once
// Says in the log when Kafka is away.

#include <spdlog/fwd.h>

#include <memory>

#include "events/kafka/broker_watch.hpp"
#include "kernel/config/config.hpp"

namespace trv::daemon {

/// Watches the brokers of the configuration until it is destroyed. Precondition: they are set. Errors: as
/// config::kafka_settings.
[[nodiscard]] base::Result<std::unique_ptr<kafka::BrokerWatch>> watch_brokers(const config::Config& config,
                                                                              std::shared_ptr<spdlog::logger> logger);

}  // namespace trv::daemon
