#pragma once
// Watches over the process while it runs: takes samples of its figures, says how well it is, and warns of what will run
// out and of a clock that was set.

#include <spdlog/fwd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/projection/snapshots.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/gateway/metrics.hpp"
#include "kernel/gateway/status.hpp"
#include "kernel/node/node.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/recovery/figures.hpp"
#include "kernel/telemetry/health.hpp"
#include "kernel/telemetry/past.hpp"
#include "kernel/telemetry/request_counts.hpp"
#include "sdk/base/clock.hpp"

namespace trv::daemon {

/// All of it outlives the watch.
struct Watched {
  const node::Node& node;
  const egress::Broker& broker;
  const plugin_host::PluginHost& plugins;
  gateway::Dispatchers dispatchers;
  const projection::Snapshots& snapshots;
  std::filesystem::path data_folder;
  std::string name;                                                  ///< of the node
  std::function<base::Result<lmdb::EnvStats>()> log_stats;           ///< nullptr: the log has no map
  std::function<std::string()> why_not_ready;                        ///< as gateway::add_system_routes
  std::function<std::optional<base::Timestamp>()> certificate_ends;  ///< nullopt: there is none
  std::function<std::optional<recovery::Figures>()> backups;         ///< nullopt: this process takes none
  base::Duration backup_interval{};
  const base::Clock& clock;
  std::shared_ptr<spdlog::logger> logger;
};

class Watch {
 public:
  explicit Watch(Watched watched) : watched_(std::move(watched)) {}

  /// Looks every ten seconds, on a thread of its own.
  void start();
  void stop() { thread_ = {}; }
  /// One look. One thread.
  void look();

  /// Called for each request of the API that was answered; `sampled` is its place in a sampled trace. Any thread; waits
  /// for none.
  void answered(int status, base::Duration took, const std::optional<trace::Context>& sampled) noexcept {
    requests_.answered(status, took);
    if (sampled) requests_.keep_exemplar(*sampled, took, watched_.clock.now());
  }
  /// Of the requests' durations. Any thread.
  [[nodiscard]] telemetry::Exemplars exemplars() const { return requests_.exemplars(); }
  /// What is so now. Any thread.
  [[nodiscard]] telemetry::Sample sample() const;

  [[nodiscard]] std::vector<telemetry::Check> checks() const;
  /// What `GET /health` answers. Any thread.
  [[nodiscard]] gateway::Health health() const;
  /// What `GET /status.json` answers. Any thread.
  [[nodiscard]] json::Value status() const;

 private:
  void compare_clocks(const telemetry::Sample& now);
  void warn_of_what_runs_out();
  void add_shards(std::vector<telemetry::Check>& checks) const;
  void add_room(std::vector<telemetry::Check>& checks) const;
  void add_backups(std::vector<telemetry::Check>& checks) const;
  void add_effects(std::vector<telemetry::Check>& checks) const;
  void add_quarantines(std::vector<telemetry::Check>& checks) const;
  struct Quarantined {
    std::uint64_t tenants = 0;
    base::Timestamp since;  ///< of the first of them
  };
  /// By plugin and version, of the shards that this process owns.
  [[nodiscard]] std::map<std::pair<std::string, std::string>, Quarantined> quarantines() const;

  const Watched watched_;
  telemetry::RequestCounts requests_;
  telemetry::Past past_;
  std::optional<std::pair<base::Timestamp, base::Duration>> looked_;  ///< wall clock and monotonic, at the last look
  std::optional<base::Timestamp> warned_;                             ///< of what runs out
  mutable std::mutex mutex_;
  std::optional<std::pair<base::Timestamp, double>> clock_set_;  // guarded by mutex_: when, and by how many seconds
  std::jthread thread_;
};

}  // namespace trv::daemon
