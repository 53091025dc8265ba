#include "kernel/config/event_log.hpp"

#include <fmt/format.h>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/topic.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "sdk/base/contract.hpp"

namespace trv::config {
namespace {

std::filesystem::path embedded_folder(const Config& config) {
  TRV_EXPECTS(!config.data_folder.empty());
  return std::filesystem::path(config.data_folder) / "log";
}

}  // namespace

base::Result<OpenedLog> open_log(const Config& config) {
  OpenedLog opened;
  if (config.kafka_brokers.empty()) {
    TRV_TRY_ASSIGN(auto log, log::LmdbEventLog::open(embedded_folder(config), {.map_bytes = config.data_map_gib << 30,
                                                                               .shards_max = shards_max}));
    opened.stats = [&log = *log] { return log.stats(); };
    opened.log = std::move(log);
    opened.name = "embedded";
    return opened;
  }
  TRV_TRY_ASSIGN(const kafka::Settings settings, kafka_settings(config));
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

bool has_embedded_log(const Config& config) {
  std::error_code error;
  return std::filesystem::exists(embedded_folder(config) / "data.mdb", error);
}

base::Status refuse_two_logs(const Config& config) {
  if (config.kafka_brokers.empty() || !has_embedded_log(config)) return {};
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("kafka.brokers is set, but {0} is a log, from which the state of this data folder was "
                                "made. To go on with it on Kafka, copy it with `trav log copy`, then move {0} away. "
                                "Otherwise unset kafka.brokers, or choose another data folder",
                                embedded_folder(config).string()));
}

}  // namespace trv::config
