#include "kernel/daemon/backups.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "kernel/config/backup_target.hpp"
#include "kernel/recovery/drill.hpp"
#include "kernel/recovery/open_target.hpp"
#include "kernel/recovery/signing.hpp"

namespace trv::daemon {
base::Result<std::unique_ptr<recovery::Schedule>> make_backups(const config::Config& config, BackedUp backed_up) {
  if (config.backup_target.empty()) return nullptr;
  TRV_TRY(config::check_backup_target(config));
  TRV_TRY_ASSIGN(note::SigningKey key,
                 recovery::open_signing_key(config.folder_beside_log(), backed_up.cluster_key, backed_up.random));
  const auto open = [config, &clock = backed_up.clock, &random = backed_up.random](const std::stop_token& stop) {
    return recovery::open_target(config.backup_target, config, clock, random, stop);
  };
  // A place that does not answer is a warning later; one that is none is refused now.
  if (const auto target = open({}); !target && target.error().code() == base::ErrorCode::invalid) {
    return base::fail(base::Error(target.error()).in("backup.target"));
  }
  recovery::Policy policy{.interval = std::chrono::seconds(config.backup_interval_seconds),
                          .drill_interval = std::chrono::minutes(config.backup_drill_interval_minutes),
                          .data = config.data_folder,
                          .beside = config.folder_beside_log(),
                          .scratch = config.data_folder,
                          .shards = config.shards};
  const auto states = [&node = backed_up.node]() -> base::Result<std::vector<recovery::StateDigest>> {
    std::vector<recovery::StateDigest> all;
    for (const auto& shard : node.shards()) {
      TRV_TRY_ASSIGN(recovery::StateDigest one, recovery::state_of(shard->projection()));
      all.push_back(std::move(one));
    }
    return all;
  };
  backed_up.logger->info("backups go to {} every {} s; their key is {}", config.backup_target,
                         config.backup_interval_seconds, key.verifier().format());
  return std::make_unique<recovery::Schedule>(
      std::move(policy),
      recovery::SchedulePorts{
          .open = open,
          .log = backed_up.log,
          .clock = backed_up.clock,
          .random = backed_up.random,
          .is_ours = backed_up.is_ours,
          .states = states,
          .note = [logger = backed_up.logger](const std::string& line) { logger->info("{}", line); },
          .warn = [logger = backed_up.logger](const std::string& line) { logger->warn("{}", line); }},
      std::move(key));
}

}  // namespace trv::daemon
