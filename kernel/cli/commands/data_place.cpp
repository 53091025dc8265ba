#include "kernel/cli/commands/data_place.hpp"

#include "kernel/config/event_log.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;
using base::fail;

// Address space only: the map of the log is at least as large as that of the travd that writes it.
constexpr std::uint64_t map_gib = 16384;

}  // namespace

base::Result<Place> place_of(const World& world, std::string_view option, const std::string& name) {
  std::error_code error;
  Place place{.name = name, .config = {}};
  if (std::filesystem::is_directory(name, error)) {
    place.config.data_folder = name;
    place.config.shards = config::shards_max;
    place.config.data_map_gib = map_gib;
    return place;
  }
  if (!std::filesystem::exists(name, error)) {
    return fail(ErrorCode::invalid,
                fmt::format("{}: {} does not exist; name the configuration of travd, or its data folder where the log "
                            "is embedded{}",
                            option, name,
                            option == "--to" ? fmt::format(". For a new folder, make it first: mkdir {}", name) : ""));
  }
  config::Environment environment;
  for (const char* variable : {"HOME", "XDG_DATA_HOME"}) {
    if (const auto value = world.variable(variable)) environment.emplace(variable, *value);
  }
  for (const std::string_view variable : config::storage_variable_names) {
    if (const auto value = world.variable(std::string(variable))) environment.emplace(variable, *value);
  }
  auto config = config::load_config(name, environment);
  if (!config) return fail(std::move(config).error().in(option));
  place.config = *std::move(config);
  return place;
}

}  // namespace trv::cli
