// trav cluster: what several travd share: the topic of the log on Kafka, and the cluster key. travd is not asked.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "events/kafka/topic.hpp"
#include "events/keys/key_file.hpp"
#include "events/lmdb/folder_lock.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/config/config.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/json/value.hpp"

namespace trv::cli {
namespace {

constexpr const char* key_files[] = {"keys/audit.pem", "secrets/master.key"};

struct ClusterArguments {
  std::string config;
  std::string partitions;
  std::string replication = "3";
  std::string in_sync;
  std::string key_file;
  std::string from;
  std::string folder;
};

/// What travd would read.
base::Result<config::Config> configuration(Session& session, const std::string& file) {
  for (const std::string& line : config::unknown_variables(session.world().environment)) session.warn(line);
  const auto named = file.empty() ? std::nullopt : std::optional<std::filesystem::path>(file);
  TRV_TRY_ASSIGN(config::Config config, config::load_config(named, session.world().environment));
  if (config.kafka_brokers.empty()) {
    return base::fail(base::ErrorCode::invalid,
                      "kafka.brokers is not set; name the configuration of travd with --config, or set "
                      "TRAV_KAFKA_BROKERS");
  }
  return config;
}

base::Result<std::int16_t> number(std::string_view option, const std::string& text, std::int16_t max) {
  const auto value = whole_number(text);
  if (value && *value >= 1 && *value <= static_cast<std::uint64_t>(max)) return static_cast<std::int16_t>(*value);
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("{}: '{}' is not a whole number from 1 to {}", option, text, max));
}

/// A node does not make it: where it is not mounted, that would be another one.
base::Status make_shared_folder(Session& session, const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return {};
  std::filesystem::create_directories(folder, error);
  if (!error) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (error) {
    return base::fail(base::ErrorCode::unavailable,
                      fmt::format("node.shared_folder: {} cannot be made: {}; make it before the first node starts",
                                  folder.string(), error.message()));
  }
  session.print(fmt::format("Folder {} is made: node.shared_folder, which every node must reach.", folder.string()));
  return {};
}

base::Result<ExitCode> init(Session& session, const ClusterArguments& arguments) {
  TRV_TRY_ASSIGN(const config::Config config, configuration(session, arguments.config));
  TRV_TRY_ASSIGN(const kafka::Settings settings, config::kafka_settings(config));
  kafka::TopicShape shape;
  shape.partitions = static_cast<std::int32_t>(config.shards);
  if (!arguments.partitions.empty()) {
    TRV_TRY_ASSIGN(shape.partitions, number("--partitions", arguments.partitions, 256));
  }
  TRV_TRY_ASSIGN(shape.replication, number("--replication", arguments.replication, 100));
  shape.in_sync_min = std::min<std::int16_t>(2, shape.replication);
  if (!arguments.in_sync.empty()) {
    TRV_TRY_ASSIGN(shape.in_sync_min, number("--in-sync", arguments.in_sync, shape.replication));
  }
  if (static_cast<std::uint64_t>(shape.partitions) < config.shards) {
    session.warn(
        fmt::format("--partitions is {}, but shards is {}: travd does not start on a topic with fewer "
                    "partitions than shards",
                    shape.partitions, config.shards));
  }
  TRV_TRY(kafka::create_topic(settings, shape));
  session.print(
      fmt::format("Topic {} is created at {}: partitions {}, copies of each {}, copies that must have an append {}.",
                  settings.topic, settings.brokers, shape.partitions, shape.replication, shape.in_sync_min));
  if (config.shares_shards()) TRV_TRY(make_shared_folder(session, config.node_shared_folder));
  return ExitCode::ok;
}

base::Result<ExitCode> check(Session& session, const ClusterArguments& arguments) {
  TRV_TRY_ASSIGN(const config::Config config, configuration(session, arguments.config));
  TRV_TRY_ASSIGN(const kafka::Settings settings, config::kafka_settings(config));
  TRV_TRY_ASSIGN(const kafka::Comparison comparison,
                 kafka::check_cluster(settings, static_cast<std::int32_t>(config.shards)));
  const std::vector<kafka::Deviation>& deviations = comparison.deviations;
  if (!comparison.not_compared.empty()) {
    session.warn(fmt::format("the settings of the brokers are not compared: {}", comparison.not_compared));
  }
  if (session.as_json()) {
    json::Value list = json::Value::array();
    for (const kafka::Deviation& one : deviations) {
      list.push_back({{"setting", one.setting},
                      {"found", one.found},
                      {"needed", one.needed},
                      {"consequence", one.consequence},
                      {"refused", one.loses}});
    }
    session.print_json(json::serialize(list));
  } else if (deviations.empty()) {
    session.print(fmt::format("Topic {} at {} is as travd needs it, and the brokers are as recommended.",
                              settings.topic, settings.brokers));
  } else {
    for (const kafka::Deviation& one : deviations) {
      session.print(fmt::format("{} {} is {}, better {}: {}", one.loses ? "refused " : "accepted", one.setting,
                                one.found, one.needed, one.consequence));
    }
  }
  const bool loses = std::ranges::any_of(deviations, &kafka::Deviation::loses);
  return loses ? ExitCode::refused : ExitCode::ok;
}

base::Result<ExitCode> make_key(Session& session, const ClusterArguments& arguments) {
  base::SystemRandom random;
  TRV_TRY_ASSIGN(const keys::ClusterKey made, keys::ClusterKey::create(arguments.key_file, random));
  session.print(fmt::format(
      "{} is made. Copy it to the same place on every node, for the user of travd alone, set node.cluster_key_file to "
      "it, and keep a copy apart from the backups of node.shared_folder: without it nobody opens what it seals.",
      made.name()));
  return ExitCode::ok;
}

base::Result<ExitCode> seal(Session& session, const ClusterArguments& arguments) {
  TRV_TRY_ASSIGN(const config::Config config, configuration(session, arguments.config));
  if (!config.shares_shards()) {
    return base::fail(base::ErrorCode::invalid,
                      "node.address is not set: the keys of a node that is alone are not sealed");
  }
  TRV_TRY_ASSIGN(const keys::ClusterKey to, keys::ClusterKey::load(config.node_cluster_key_file));
  std::optional<keys::ClusterKey> from;
  if (!arguments.from.empty()) {
    TRV_TRY_ASSIGN(keys::ClusterKey before, keys::ClusterKey::load(arguments.from));
    from.emplace(std::move(before));
  }
  const std::filesystem::path folder = config.node_shared_folder;
  TRV_TRY_ASSIGN(const auto others_wait, lmdb::FolderLock::await(folder));
  base::SystemRandom random;
  for (const char* name : key_files) {
    TRV_TRY_ASSIGN(const keys::Resealed done, keys::reseal(folder / name, &to, from ? &*from : nullptr, random));
    session.print(fmt::format("{} is {}sealed under {}.", (folder / name).string(),
                              done == keys::Resealed::already ? "already " : "", to.name()));
  }
  return ExitCode::ok;
}

base::Result<ExitCode> unseal(Session& session, const ClusterArguments& arguments) {
  const std::filesystem::path folder = arguments.folder;
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("{} is not a folder; name the data folder that has the copy of keys and secrets from "
                                  "node.shared_folder",
                                  folder.string()));
  }
  TRV_TRY_ASSIGN(const keys::ClusterKey from, keys::ClusterKey::load(arguments.key_file));
  TRV_TRY_ASSIGN(const auto lock, lmdb::FolderLock::acquire(folder));
  base::SystemRandom random;
  for (const char* name : key_files) {
    TRV_TRY_ASSIGN(const keys::Resealed done, keys::reseal(folder / name, nullptr, &from, random));
    session.print(fmt::format("{} is {}in the clear.", (folder / name).string(),
                              done == keys::Resealed::already ? "already " : ""));
  }
  return ExitCode::ok;
}

}  // namespace

void add_cluster(CommandTree& tree) {
  const auto arguments = std::make_shared<ClusterArguments>();
  Noun noun = tree.noun("cluster", "Cluster: what several travd share");
  noun.verb("init", "Create the topic of the log, as travd needs it, and node.shared_folder")
      .option("--config", "FILE", arguments->config,
              "The configuration of travd, or of one of the nodes; its keys kafka.* say where and how")
      .option("--partitions", "N", arguments->partitions, "One for each shard (default the key shards)")
      .option("--replication", "N", arguments->replication, "Copies of each partition (default 3)")
      .option("--in-sync", "N", arguments->in_sync,
              "Copies that must have an append before it counts (default 2, or 1 of one copy)")
      .does([arguments](Session& session) { return init(session, *arguments); });
  noun.verb("check",
            "Compare the topic of the log and its brokers with what travd needs, and say what each difference costs")
      .option("--config", "FILE", arguments->config, "The configuration of travd")
      .does([arguments](Session& session) { return check(session, *arguments); });
  noun.verb("key", "Make the key of a cluster, which every node has a copy of")
      .argument("FILE", arguments->key_file, "The file to write; there must be none")
      .does([arguments](Session& session) { return make_key(session, *arguments); });
  noun.verb("seal", "Seal the keys in node.shared_folder under the cluster key, while no node runs")
      .option("--config", "FILE", arguments->config, "The configuration of a node")
      .option("--from", "FILE", arguments->from,
              "The cluster key before this one; without it the keys are in the clear")
      .does([arguments](Session& session) { return seal(session, *arguments); });
  noun.verb("unseal", "Put a copy of the sealed keys in the clear, for a travd that is alone")
      .argument("FOLDER", arguments->folder, "Its data folder, with the copy; not node.shared_folder itself")
      .option("--key", "FILE", arguments->key_file, "The cluster key", Need::required)
      .does([arguments](Session& session) { return unseal(session, *arguments); });
  noun.example("trav cluster init --config travd.toml")
      .example("TRAV_KAFKA_BROKERS=127.0.0.1:19092 trav cluster init --replication 1");
}

}  // namespace trv::cli
