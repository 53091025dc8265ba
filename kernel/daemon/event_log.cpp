#include "kernel/daemon/event_log.hpp"

#include <fmt/format.h>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/topic.hpp"
#include "events/log/lmdb_event_log.hpp"

namespace trv::daemon {
namespace {

/// Of the embedded log: as many as the key `shards` may say.
constexpr std::uint32_t shards_max = 256;

}  // namespace

base::Result<OpenedLog> open_log(const config::Config& config) {
  OpenedLog opened;
  const std::filesystem::path folder = std::filesystem::path(config.data_folder) / "log";
  if (config.kafka_brokers.empty()) {
    TRV_TRY_ASSIGN(auto log,
                   log::LmdbEventLog::open(folder, {.map_bytes = config.data_map_gib << 30, .shards_max = shards_max}));
    opened.stores.push_back({.name = "log", .stats = [&log = *log] { return log.stats(); }});
    opened.log = std::move(log);
    opened.name = "embedded";
    return opened;
  }
  // Two logs of one data folder would be two truths.
  if (std::error_code error; std::filesystem::exists(folder / "data.mdb", error)) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("kafka.brokers is set, but {} is a log, from which the state of this data folder was "
                                  "made; unset kafka.brokers, or choose another data folder",
                                  folder.string()));
  }
  TRV_TRY_ASSIGN(const kafka::Settings settings, config::kafka_settings(config));
  TRV_TRY_ASSIGN(const auto deviations, kafka::check_topic(settings, static_cast<std::int32_t>(config.shards)));
  for (const kafka::Deviation& one : deviations) {
    if (!one.loses) continue;
    return base::fail(
        base::ErrorCode::invalid,
        fmt::format("topic {} at {}: {} is {}, but must be {}, else {}; set it, then see `trav cluster "
                    "check`",
                    settings.topic, settings.brokers, one.setting, one.found, one.needed, one.consequence));
  }
  opened.log = std::make_unique<kafka::KafkaEventLog>(settings);
  opened.name = fmt::format("Kafka at {}, topic {}", settings.brokers, settings.topic);
  return opened;
}

}  // namespace trv::daemon
