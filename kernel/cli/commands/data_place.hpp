#pragma once
// What a command without a server works on: a data folder, or the configuration that names one.

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "kernel/cli/commands/world.hpp"
#include "kernel/config/config.hpp"
#include "sdk/base/result.hpp"

namespace trv::cli {

/// Before it is opened.
struct Place {
  std::string name;  ///< as it was given
  config::Config config;

  [[nodiscard]] bool is_kafka() const { return !config.kafka_brokers.empty(); }
  [[nodiscard]] std::filesystem::path data() const { return config.data_folder; }
  [[nodiscard]] std::filesystem::path beside_log() const { return config.folder_beside_log(); }
  [[nodiscard]] std::string text() const {
    if (is_kafka()) return fmt::format("Kafka at {}, topic {}", config.kafka_brokers, config.kafka_topic);
    return (data() / "log").string();
  }
};

/// The configuration of travd, or its data folder where the log is embedded. The environment is not asked for keys: it
/// would change every place alike. Error: invalid, with the option.
[[nodiscard]] base::Result<Place> place_of(const World& world, std::string_view option, const std::string& name);

}  // namespace trv::cli
