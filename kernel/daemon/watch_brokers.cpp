#include "kernel/daemon/watch_brokers.hpp"

#include <spdlog/spdlog.h>

#include <chrono>

namespace trv::daemon {

base::Result<std::unique_ptr<kafka::BrokerWatch>> watch_brokers(const config::Config& config,
                                                                std::shared_ptr<spdlog::logger> logger) {
  TRV_TRY_ASSIGN(const kafka::Settings settings, config::kafka_settings(config));
  return kafka::BrokerWatch::start(
      settings, {.gone =
                     [logger](const base::Error& last) {
                       logger->error("Kafka does not answer: {}; requests that write are answered 503 until it does",
                                     last.message());
                     },
                 .back =
                     [logger](base::Duration silent_for) {
                       logger->info("Kafka answers again, after {} s",
                                    std::chrono::duration_cast<std::chrono::seconds>(silent_for).count());
                     }});
}

}  // namespace trv::daemon
