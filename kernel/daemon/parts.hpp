#pragma once
// What the kernel consists of, and how those parts that need several others are made.

#include <memory>
#include <optional>
#include <vector>

#include "events/keys/cluster_key.hpp"
#include "events/lmdb/folder_lock.hpp"
#include "events/projection/snapshot_keeper.hpp"
#include "kernel/config/event_log.hpp"
#include "kernel/daemon/backups.hpp"
#include "kernel/daemon/cluster.hpp"
#include "kernel/daemon/hosting.hpp"
#include "kernel/daemon/kernel.hpp"
#include "kernel/daemon/left_over.hpp"
#include "kernel/daemon/process.hpp"
#include "kernel/daemon/room.hpp"
#include "kernel/daemon/served_certificate.hpp"
#include "kernel/daemon/sources.hpp"
#include "kernel/daemon/tracing.hpp"
#include "kernel/daemon/watch.hpp"
#include "kernel/daemon/watch_brokers.hpp"
#include "kernel/effects/outcome_recorder.hpp"
#include "kernel/effects/performers.hpp"
#include "kernel/effects/process_calls.hpp"
#include "kernel/egress/traced_sender.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/http/server.hpp"
#include "kernel/http/workers.hpp"
#include "kernel/node/mover.hpp"
#include "kernel/node/node.hpp"

namespace trv::daemon {

[[nodiscard]] projection::SnapshotPolicy snapshot_policy(const config::Config& config);

/// Members are in the order in which they are built; they go in the other.
struct Kernel::Parts {
  Parts(const base::Clock& its_clock, const logging::Log& its_log) : clock(its_clock), log_lines(its_log) {}

  const base::Clock& clock;
  const logging::Log& log_lines;
  std::optional<lmdb::FolderLock> lock;
  Hosting hosting;
  std::optional<keys::ClusterKey> cluster_key;  ///< where several nodes share the shards
  config::OpenedLog log;
  std::unique_ptr<kafka::BrokerWatch> broker_watch;  ///< null where the log is embedded
  std::unique_ptr<projection::Snapshots> snapshots;
  std::unique_ptr<blob::FolderBlobStore> blobs;
  catalog::EventCatalog catalog = catalog::EventCatalog::make();
  std::unique_ptr<Cluster> cluster;  ///< null where this node owns every shard
  std::unique_ptr<CrashNote> crash_note;
  std::unique_ptr<node::Node> node;
  std::unique_ptr<Room> room;
  gateway::TrailSigner signer;
  std::unique_ptr<egress::SecretStore> secrets;
  std::unique_ptr<http::Workers> secret_follower;
  std::unique_ptr<http::Workers> blob_workers;  ///< for the files of plugins' blobs
  std::unique_ptr<ProjectedConnections> connections;
  std::unique_ptr<Tracing> tracing;                     ///< null where nothing is exported
  std::unique_ptr<egress::TracedSender> traced_sender;  ///< of the broker; null where nothing is exported
  std::unique_ptr<effects::HttpCalls> http_calls;       ///< of the broker; its requests end first
  std::unique_ptr<egress::Broker> broker;
  std::unique_ptr<effects::ProcessCalls> process_calls;
  std::unique_ptr<blob::FolderBlobStore> archives;  ///< of packages
  std::unique_ptr<plugin_host::PluginStore> packages;
  base::Replaceable<trust::Policy> package_policy{trust::Policy{}};  ///< what a package needs to be installed
  std::unique_ptr<ProjectedConsents> consents;
  std::unique_ptr<plugin_host::PluginHost> plugins;
  std::unique_ptr<plugin_host::PackageFollower> follower;
  // One of each for each shard.
  std::vector<std::unique_ptr<effects::TryJournal>> tries;
  std::vector<std::unique_ptr<effects::OutcomeRecorder>> recorders;
  std::vector<std::unique_ptr<effects::EffectDispatcher>> dispatchers;
  std::unique_ptr<node::Mover> mover;
  std::unique_ptr<projection::SnapshotKeeper> snapshot_keeper;
  std::unique_ptr<LeftOver> left_over;
  std::unique_ptr<recovery::Schedule> backups;  ///< null where none are taken
  gateway::Nodes nodes;
  std::unique_ptr<ServedCertificate> certificate;  ///< null where the API is served without TLS
  std::unique_ptr<Watch> watch;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<http::Server> node_server;  ///< for the other nodes; null where there are none

  [[nodiscard]] node::ShardObserver observer_of(const node::Shard& shard);
  [[nodiscard]] gateway::Nodes make_nodes(const config::Config& config);
  void begin_owning(node::Shard& shard);
  [[nodiscard]] base::Status make_dispatcher(node::Shard& shard, const effects::DispatcherOptions& options,
                                             const std::filesystem::path& tries_folder, base::Random& random);
  /// Why this process takes no requests whatever its shards say; empty: it does.
  [[nodiscard]] std::string why_not_ready() const;
  [[nodiscard]] std::optional<base::Timestamp> certificate_ends() const;
  void make_tracing(const config::Config& config, base::Random& random, otlp::Exporter* exporter);
  /// The broker, or what makes its requests parts of traces.
  [[nodiscard]] egress::HttpSender& sender() const;
  void make_mover();
  void make_snapshot_keeper(const config::Config& config);
  void make_watch(const config::Config& config);
  void make_left_over(const std::filesystem::path& data_folder);
  [[nodiscard]] base::Status make_backups(const config::Config& config, base::Random& random);
  [[nodiscard]] effects::DispatcherPorts effect_ports(node::Shard& shard, effects::OutcomeRecorder& recorder);
};

}  // namespace trv::daemon
