#pragma once
// The backups that this process takes by itself.

#include <spdlog/fwd.h>

#include <functional>
#include <memory>

#include "events/keys/cluster_key.hpp"
#include "events/log/event_log.hpp"
#include "kernel/config/config.hpp"
#include "kernel/node/node.hpp"
#include "kernel/recovery/restore.hpp"
#include "kernel/recovery/schedule.hpp"

namespace trv::daemon {

/// All of it outlives the backups.
struct BackedUp {
  log::EventLog& log;
  const node::Node& node;
  const keys::ClusterKey* cluster_key;  ///< null: the keys are in the clear
  std::function<bool()> is_ours;        ///< as recovery::SchedulePorts
  const base::Clock& clock;
  base::Random& random;
  std::shared_ptr<spdlog::logger> logger;
};

/// As the configuration says; null where it names no target. Errors: of the signing key; invalid where backup.target is
/// none, or in the data folder.
[[nodiscard]] base::Result<std::unique_ptr<recovery::Schedule>> make_backups(const config::Config& config,
                                                                             BackedUp backed_up);

}  // namespace trv::daemon
