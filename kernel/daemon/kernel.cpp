#include "kernel/daemon/kernel.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <set>

#include "events/backup/backup.hpp"
#include "events/keys/cluster_key.hpp"
#include "events/lmdb/folder_lock.hpp"
#include "events/projection/snapshot_keeper.hpp"
#include "kernel/config/event_log.hpp"
#include "kernel/daemon/begin_platform.hpp"
#include "kernel/daemon/cluster.hpp"
#include "kernel/daemon/data_folder.hpp"
#include "kernel/daemon/hosting.hpp"
#include "kernel/daemon/left_over.hpp"
#include "kernel/daemon/plugin_services.hpp"
#include "kernel/daemon/process.hpp"
#include "kernel/daemon/room.hpp"
#include "kernel/daemon/served_certificate.hpp"
#include "kernel/daemon/sources.hpp"
#include "kernel/daemon/version.hpp"
#include "kernel/daemon/watch_brokers.hpp"
#include "kernel/effects/outcome_recorder.hpp"
#include "kernel/effects/performers.hpp"
#include "kernel/effects/process_calls.hpp"
#include "kernel/gateway/access.hpp"
#include "kernel/gateway/receive.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/http/server.hpp"
#include "kernel/http/workers.hpp"
#include "kernel/node/mover.hpp"
#include "kernel/node/node.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file_age.hpp"

namespace trv::daemon {
namespace {

constexpr auto stop_grace = std::chrono::seconds(10);
constexpr std::size_t packages_named_max = 10'000;   ///< of those that words of the configuration may mean
constexpr std::size_t secrets_followed_max = 65536;  ///< commands whose secrets wait to be removed

}  // namespace

/// Members are in the order in which they are built; they go in the other.
struct Kernel::Parts {
  Parts(const base::Clock& its_clock, std::shared_ptr<spdlog::logger> its_logger)
      : clock(its_clock), logger(std::move(its_logger)) {}

  const base::Clock& clock;
  std::shared_ptr<spdlog::logger> logger;
  std::optional<lmdb::FolderLock> lock;
  Hosting hosting;
  std::optional<keys::ClusterKey> cluster_key;  ///< where several nodes share the shards
  config::OpenedLog log;
  std::unique_ptr<kafka::BrokerWatch> broker_watch;  ///< null where the log is embedded
  std::unique_ptr<projection::Snapshots> snapshots;
  std::unique_ptr<blob::FolderBlobStore> blobs;
  catalog::EventCatalog catalog = catalog::EventCatalog::make();
  std::unique_ptr<Cluster> cluster;  ///< null where this node owns every shard
  std::unique_ptr<node::Node> node;
  std::unique_ptr<Room> room;
  gateway::TrailSigner signer;
  std::unique_ptr<egress::SecretStore> secrets;
  std::unique_ptr<http::Workers> secret_follower;
  std::unique_ptr<http::Workers> blob_workers;  ///< for the files of plugins' blobs
  std::unique_ptr<ProjectedConnections> connections;
  std::unique_ptr<effects::HttpCalls> http_calls;  ///< of the broker; its requests end first
  std::unique_ptr<egress::Broker> broker;
  std::unique_ptr<effects::ProcessCalls> process_calls;
  std::unique_ptr<blob::FolderBlobStore> archives;  ///< of packages
  std::unique_ptr<plugin_host::PluginStore> packages;
  trust::Policy package_policy;  ///< what a package needs to be installed
  std::unique_ptr<ProjectedConsents> consents;
  std::unique_ptr<plugin_host::PluginHost> plugins;
  std::unique_ptr<plugin_host::PackageFollower> follower;
  // One of each for each shard.
  std::unique_ptr<CrashNote> crash_note;
  std::vector<std::unique_ptr<effects::TryJournal>> tries;
  std::vector<std::unique_ptr<effects::OutcomeRecorder>> recorders;
  std::vector<std::unique_ptr<effects::EffectDispatcher>> dispatchers;
  std::unique_ptr<node::Mover> mover;
  std::unique_ptr<projection::SnapshotKeeper> snapshot_keeper;
  std::unique_ptr<LeftOver> left_over;
  gateway::Nodes nodes;
  std::unique_ptr<ServedCertificate> certificate;  ///< null where the API is served without TLS
  std::unique_ptr<http::Server> server;
  std::unique_ptr<http::Server> node_server;  ///< for the other nodes; null where there are none

  [[nodiscard]] node::ShardObserver observer_of(const node::Shard& shard);
  [[nodiscard]] gateway::Nodes make_nodes(const config::Config& config);
  void begin_owning(node::Shard& shard);
  [[nodiscard]] base::Status make_dispatcher(node::Shard& shard, const effects::DispatcherOptions& options,
                                             const std::filesystem::path& tries_folder, base::Random& random);
  void make_mover();
  void make_snapshot_keeper(const config::Config& config);
  void make_left_over(const std::filesystem::path& data_folder);
  [[nodiscard]] effects::DispatcherPorts effect_ports(node::Shard& shard, effects::OutcomeRecorder& recorder);
};

node::ShardObserver Kernel::Parts::observer_of(const node::Shard& shard) {
  // Effects are handed out from start() of the shard on.
  effects::EffectDispatcher& dispatcher = *dispatchers.at(shard.id().value());
  node::ShardObserver observer;
  observer.effects = [&dispatcher](shard::EffectChanges changes) { dispatcher.dispatch(std::move(changes)); };
  observer.taken_over = [&dispatcher] { dispatcher.look_again(); };
  observer.ceded = [&dispatcher] { dispatcher.begin_pause(); };
  observer.failed = [this, last = base::Duration::min()](const base::Error& error) mutable {
    // The first of many says enough for a while.
    const base::Duration now = clock.monotonic();
    if (last != base::Duration::min() && now - last < std::chrono::seconds(10)) return;
    last = now;
    logger->error("commands fail: {}", error.message());
  };
  observer.room = [this] { return room->check(); };
  observer.claimed = [this](const log::Claim& claim) {
    logger->debug("shard {}: claimed with epoch {}; the next record is {}", claim.shard.value(), claim.epoch.value(),
                  claim.next.value());
    if (cluster) begin_owning(*node->shards()[claim.shard.value()]);
  };
  observer.committed = [this](log::ShardId id, log::Lsn last) {
    if (cluster && id == node->platform().id()) follower->wake();
    mover->wake(id);
    if (!logger->should_log(spdlog::level::debug)) return;
    const shard::ShardMetrics metrics = node->shards()[id.value()]->metrics();
    logger->debug("shard {}: batch {} is durable up to record {}; {} records so far, {} commands wait", id.value(),
                  metrics.batches, last.value(), metrics.records, metrics.queue_length);
  };
  return observer;
}

gateway::Nodes Kernel::Parts::make_nodes(const config::Config& config) {
  if (cluster) {
    return {.self = cluster->self().node,
            .list = [this] { return cluster->peers(); },
            .take_part = [this](bool takes_part) -> base::Status {
              if (!takes_part) TRV_TRY(cluster->refuse_last());
              return cluster->take_part(takes_part);
            },
            .forward_to = [this](const std::string& address,
                                 http::Responder responder) { cluster->forward_to(address, std::move(responder)); }};
  }
  const auto itself = [this, name = node_name(config), address = config.http_address] {
    node::Peer peer{.node = name,
                    .address = fmt::format("{}:{}", address, server->port()),
                    .version = std::string(version()),
                    .shards = {}};
    for (const auto& shard : node->shards()) peer.shards.insert(shard->id());
    return std::vector{std::move(peer)};
  };
  return {.self = node_name(config),
          .list = itself,
          .take_part = [](bool) -> base::Status {
            return base::fail(base::ErrorCode::conflict,
                              "this node owns every shard: node.address is not set, so there "
                              "is nobody to hand them to");
          },
          .forward_to = nullptr};
}

// On the shard's thread. What the last owner left undone.
void Kernel::Parts::begin_owning(node::Shard& shard) {
  if (&shard == &node->platform()) follower->wake();
  const bool is_begun = shard.run_aside([this, &shard] {
    if (const auto created = node->create_placed(shard); !created) logger->warn("{}", created.error().message());
  });
  if (!is_begun) logger->warn("shard {}: tenants that were placed and not created wait", shard.id().value());
}

base::Status Kernel::Parts::make_dispatcher(node::Shard& shard, const effects::DispatcherOptions& options,
                                            const std::filesystem::path& tries_folder, base::Random& random) {
  TRV_EXPECTS(crash_note != nullptr);
  TRV_EXPECTS(dispatchers.size() == shard.id().value());
  // A note for each effect in memory, and for as many of an earlier run.
  TRV_TRY_ASSIGN(auto journal, effects::TryJournal::open(tries_folder / std::to_string(shard.id().value()),
                                                         2 * options.window.effects_max, crash_note->last_end()));
  tries.push_back(std::move(journal));
  recorders.push_back(std::make_unique<effects::OutcomeRecorder>(
      shard.decision_state(), [&shard](shard::Command command) { shard.submit(std::move(command)); }));
  dispatchers.push_back(std::make_unique<effects::EffectDispatcher>(options, shard.projection(), shard.outbox(),
                                                                    *tries.back(), clock, random,
                                                                    effect_ports(shard, *recorders.back())));
  return {};
}

effects::DispatcherPorts Kernel::Parts::effect_ports(node::Shard& shard, effects::OutcomeRecorder& recorder) {
  effects::DispatcherPorts ports;
  ports.perform = [this, &shard](const shard::Effect& effect, std::uint32_t try_number, base::Duration left,
                                 effects::TryDone done) {
    if (effect.kind == "event") return gateway::emit_event(shard, effect, std::move(done));
    if (effect.kind == "process") return process_calls->perform(effect, left, std::move(done));
    return effect.kind == "plugin" ? effects::perform_plugin_call(*plugins, shard.projection(), shard.tenancy(), effect,
                                                                  left, std::move(done))
                                   : http_calls->perform(effect, try_number, left, std::move(done));
  };
  ports.settle = [&recorder](const shard::Effect& effect, std::shared_ptr<const shard::Outcome> outcome, auto done) {
    recorder.settle(effect, std::move(outcome), std::move(done));
  };
  ports.park = [&recorder](const shard::Effect& effect, std::uint32_t deaths, auto done) {
    recorder.park(effect, deaths, std::move(done));
  };
  ports.report = [this](const std::string& line) { logger->error("{}", line); };
  return ports;
}

void Kernel::Parts::make_mover() {
  mover = std::make_unique<node::Mover>(
      *node, clock,
      node::MoverPorts{
          .hold = [this](log::ShardId shard,
                         const base::TenantId& tenant) { return dispatchers[shard.value()]->hold(tenant); },
          .let_go = [this](log::ShardId shard,
                           const base::TenantId& tenant) { dispatchers[shard.value()]->let_go(tenant); },
          .report = [this](const std::string& line) { logger->warn("{}", line); }});
}

void Kernel::Parts::make_snapshot_keeper(const config::Config& config) {
  const projection::SnapshotPolicy policy{.interval = std::chrono::minutes(config.snapshots_interval_minutes),
                                          .records = config.snapshots_records,
                                          .keep = config.snapshots_keep,
                                          .log_kept = std::chrono::hours(24 * config.log_keep_days)};
  std::vector<projection::KeptShard> shards;
  for (const auto& shard : node->shards()) {
    shards.push_back(
        {.projection = &shard->projection(),
         .is_ready = [this, &shard] { return shard->is_serving() && (!cluster || shard->is_owned()); },
         .first_needed = [this, id = shard->id()](const lmdb::Txn&) -> base::Result<std::optional<log::Lsn>> {
           // A tenant may be on its way from this shard to one that is only followed here.
           if (cluster) TRV_TRY(await_log_ends(*node, {}));
           return node->first_needed(id);
         }});
  }
  snapshot_keeper = std::make_unique<projection::SnapshotKeeper>(
      policy,
      projection::KeeperPorts{.snapshots = *snapshots,
                              .log = *log.log,
                              .clock = clock,
                              .keeps_all = [folder = config.data_folder] { return backup::is_running(folder); },
                              .note = [this](const std::string& line) { logger->info("{}", line); },
                              .failed = [this](const std::string& line) { logger->error("{}", line); }},
      std::move(shards));
}

void Kernel::Parts::make_left_over(const std::filesystem::path& data_folder) {
  left_over = std::make_unique<LeftOver>(
      SweptStores{.node = *node,
                  .blobs = *blobs,
                  .archives = *archives,
                  .secrets = *secrets,
                  .snapshots = *snapshots,
                  .clock = clock,
                  // The log that a backup copies may still name what this one names no longer.
                  .may_sweep =
                      [this, data_folder] {
                        return node->platform().is_serving() && (!cluster || node->platform().is_owned()) &&
                               !backup::is_running(data_folder);
                      },
                  .report = [this](const std::string& line) { logger->warn("{}", line); }});
}

Kernel::Kernel(config::Config config, const base::Clock& clock, base::Random& random,
               std::shared_ptr<spdlog::logger> logger)
    : config_(std::move(config)), clock_(clock), random_(random), logger_(std::move(logger)) {}

Kernel::~Kernel() {
  stop();
}

base::Result<StartReport> Kernel::start() {
  TRV_EXPECTS(parts_ == nullptr);
  StartReport report;
  parts_ = std::make_unique<Parts>(clock_, logger_);
  base::Status status = compose(report);
  if (!status) {
    stop();
    return base::fail(std::move(status).error());
  }
  return report;
}

base::Status Kernel::compose(StartReport& report) {
  Parts& parts = *parts_;
  const std::filesystem::path folder = config_.data_folder;
  const std::filesystem::path beside = config_.folder_beside_log();
  const std::uint64_t map_bytes = config_.data_map_gib << 30;
  TRV_TRY_ASSIGN(parts.lock, lmdb::FolderLock::acquire(folder));
  logger_->debug("start: {} is locked", folder.string());
  TRV_TRY_ASSIGN(parts.hosting, begin_hosting(config_, folder / "plugins", clock_, logger_));
  TRV_TRY(backup::take_over(folder));
  TRV_TRY(refuse_unfinished_copy(folder));
  TRV_TRY(config::refuse_two_logs(config_));
  if (config_.shares_shards()) {
    TRV_TRY_ASSIGN(keys::ClusterKey key, keys::ClusterKey::load(config_.node_cluster_key_file));
    parts.cluster_key.emplace(std::move(key));
    TRV_TRY(require_shared_folder(beside));
    TRV_TRY(check_cluster_key(beside, *parts.cluster_key, random_));
  }
  const keys::ClusterKey* const cluster_key = parts.cluster_key ? &*parts.cluster_key : nullptr;
  TRV_TRY_ASSIGN(parts.log, config::open_log(config_));
  report.log = parts.log.name;
  if (!config_.kafka_brokers.empty()) {
    TRV_TRY_ASSIGN(parts.broker_watch, watch_brokers(config_, logger_));
  }
  if (config_.shares_shards()) {
    parts.cluster = std::make_unique<Cluster>(config_, *cluster_key, clock_, logger_);
  }
  const auto has_room = [beside](std::uint64_t bytes) { return disk_has_room(beside, bytes); };
  projection::SnapshotPorts snapshots{.log = *parts.log.log,
                                      .clock = clock_,
                                      .random = random_,
                                      .report = [&parts](const std::string& line) { parts.logger->warn("{}", line); },
                                      .has_room = has_room};
  if (cluster_key != nullptr) {
    snapshots.taker = node_name(config_);
    snapshots.key = cluster_key->derive("snapshots");
  }
  TRV_TRY_ASSIGN(parts.snapshots, projection::Snapshots::open(beside / "snapshots", std::move(snapshots)));
  const node::NodeOptions node{.name = node_name(config_),
                               .folder = folder / "projection",
                               .map_bytes = map_bytes,
                               .shards = static_cast<std::uint32_t>(config_.shards),
                               .snapshots = parts.snapshots.get(),
                               .forward = parts.cluster ? parts.cluster->forward() : node::Forward()};
  const auto open_blobs = [&](const char* name, std::size_t bytes_max, base::Duration stays_for) {
    return blob::FolderBlobStore::open(
        beside / name, {.bytes_max = bytes_max, .stays_for = stays_for, .has_room = has_room}, clock_, random_);
  };
  TRV_TRY_ASSIGN(parts.blobs, open_blobs("blobs", plugin_host::blob_bytes_max, base::left_over_after));
  TRV_TRY_ASSIGN(parts.node, node::Node::open(node, *parts.log.log, *parts.blobs, parts.catalog, clock_, random_));
  const std::uint64_t last = parts.node->platform().log_end().value();
  logger_->debug("start: the log ends with record {} in the first of {} shards", last, config_.shards);
  TRV_TRY(make_private_folder(beside / "keys"));
  // Several first starts make them one after the other.
  std::optional<lmdb::FolderLock> others_wait;
  if (parts.cluster) {
    TRV_TRY_ASSIGN(others_wait, lmdb::FolderLock::await(beside));
  }
  TRV_TRY(check_keys(beside, last));
  TRV_TRY(check_log_of_keys(beside, last, *parts.log.log, parts.log.name));
  TRV_TRY(keep_origin(beside / "keys" / "audit.origin", config_.audit_origin));
  TRV_TRY_ASSIGN(const note::SigningKey audit_key,
                 open_audit_key(beside / "keys" / "audit.pem", config_.audit_origin, cluster_key, random_));
  parts.signer = {config_.audit_origin, audit_key.to_pem()};
  TRV_TRY_ASSIGN(parts.secrets, egress::SecretStore::open(beside / "secrets", cluster_key, random_));
  others_wait.reset();
  parts.secret_follower = std::make_unique<http::Workers>(1, secrets_followed_max);
  parts.blob_workers = std::make_unique<http::Workers>(2, blob_requests_max);
  parts.connections = std::make_unique<ProjectedConnections>(*parts.node);
  egress::BrokerConfiguration broker;
  broker.allow_private_network = config_.egress_allow_private_network;
  TRV_TRY_ASSIGN(parts.broker, egress::Broker::start(broker, *parts.connections, *parts.secrets, clock_));
  parts.http_calls = std::make_unique<effects::HttpCalls>(*parts.broker, *parts.connections, *parts.secrets, clock_);
  // A node that is alone knows which packages it is about to name.
  TRV_TRY_ASSIGN(parts.archives, open_blobs("packages", package::package_bytes_max,
                                            parts.cluster ? base::left_over_after : base::Duration(0)));
  TRV_TRY_ASSIGN(parts.packages, plugin_host::PluginStore::open_folder(folder / "plugins", *parts.archives));
  TRV_TRY_ASSIGN(parts.package_policy, package_policy(config_, parts.hosting.remarks));
  plugin_host::HostConfiguration& hosting = parts.hosting.configuration;
  hosting.crashed = crash_recorder(*parts.node, logger_);
  hosting.serve = plugin_services(
      {*parts.node, *parts.connections, *parts.secrets, {*parts.blobs, *parts.blob_workers, clock_, logger_}, logger_});
  parts.consents = std::make_unique<ProjectedConsents>(*parts.node);
  hosting.consents = parts.consents.get();
  auto scripts = effects::process_options(config_.run_languages, hosting.trial_program, config_.run_at_once);
  if (!scripts) return base::fail(std::move(scripts).error().in("run.languages"));
  parts.process_calls = std::make_unique<effects::ProcessCalls>(*std::move(scripts));
  TRV_TRY_ASSIGN(parts.plugins, plugin_host::PluginHost::start(hosting, *parts.packages, *parts.broker, clock_,
                                                               plugin_log(parts.logger)));
  parts.follower = std::make_unique<plugin_host::PackageFollower>(plugin_host::FollowedPackages{
      .platform = parts.node->platform().projection(),
      .tenancy = parts.node->platform().tenancy(),
      .store = *parts.packages,
      .host = *parts.plugins,
      .clock = clock_,
      .submit = [&parts](shard::Command command) { parts.node->platform().submit(std::move(command)); },
      .is_owner = [&parts] { return !parts.cluster || parts.node->platform().is_owned(); },
      .report = [&parts](const std::string& line) { parts.logger->warn("{}", line); }});
  logger_->debug("start: keys, secrets and packages are open");
  effects::DispatcherOptions dispatching;
  dispatching.concurrency_max = (config_.effects_concurrency_max + config_.shards - 1) / config_.shards;
  dispatching.processes_max = config_.run_at_once;
  dispatching.begins_paused = parts.cluster != nullptr;
  dispatching.tries_max = static_cast<std::uint32_t>(config_.effects_tries_max);
  TRV_TRY(make_private_folder(folder / "tries"));
  TRV_TRY_ASSIGN(parts.crash_note, CrashNote::open(folder / "tries" / "crash"));
  for (const auto& shard : parts.node->shards()) {
    TRV_TRY(parts.make_dispatcher(*shard, dispatching, folder / "tries", random_));
  }
  std::vector<Room::Store> stores;
  if (parts.log.stats) stores.push_back({.name = "log", .stats = parts.log.stats});
  for (const auto& shard : parts.node->shards()) {
    // Not of one that may be made anew.
    stores.push_back({.name = "projection", .stats = [&shard, map_bytes] {
                        return shard->is_serving() ? shard->projection().stats()
                                                   : lmdb::EnvStats{.used_bytes = 0, .map_bytes = map_bytes};
                      }});
  }
  parts.room = std::make_unique<Room>(folder, std::move(stores), clock_, logger_);
  parts.make_mover();
  parts.make_snapshot_keeper(config_);
  parts.make_left_over(folder);
  parts.nodes = parts.make_nodes(config_);
  // Before the replay, so that it can be asked how far it is; and before anything is used up where the port is taken.
  http::ServerOptions http = api_options(config_);
  if (config_.serves_tls()) {
    TRV_TRY_ASSIGN(parts.certificate, ServedCertificate::open(config_, clock_, logger_));
    http.tls = [&certificate = *parts.certificate] { return certificate.context(); };
  }
  const gateway::Ports ports{.node = *parts.node,
                             .packages = {*parts.packages, *parts.plugins, *parts.follower, parts.package_policy},
                             .secrets = {*parts.secrets, *parts.secret_follower},
                             .blobs = *parts.blobs,
                             .broker = *parts.broker,
                             .effects = parts.dispatchers,
                             .random = random_,
                             .signer = parts.signer,
                             .snapshots = *parts.snapshots,
                             .snapshot_keeper = *parts.snapshot_keeper,
                             .nodes = parts.nodes,
                             .scripts = *parts.process_calls,
                             .http_calls = *parts.http_calls,
                             .why_not_ready = [&parts]() -> std::string {
                               if (parts.broker_watch && !parts.broker_watch->is_answered())
                                 return "Kafka does not answer";
                               return parts.server->is_open() ? "" : "the server is starting";
                             },
                             .certificate_ends = [&parts]() -> std::optional<base::Timestamp> {
                               if (!parts.certificate) return std::nullopt;
                               return parts.certificate->valid_until();
                             }};
  parts.server = std::make_unique<http::Server>(http, gateway::make_router(ports), clock_, random_, parts.logger);
  TRV_TRY(parts.server->start());
  report.port = parts.server->port();
  logger_->debug("start: listening on {} port {}", config_.http_address, report.port);
  for (const std::string& remark : parts.hosting.remarks) logger_->info("{}", remark);
  if (parts.cluster) {
    TRV_TRY_ASSIGN(http, parts.cluster->for_nodes(std::move(http)));
    parts.node_server =
        std::make_unique<http::Server>(http, gateway::make_router(ports), clock_, random_, parts.logger);
    if (base::Status listens = parts.node_server->start(); !listens) {
      return base::fail(std::move(listens).error().in("node.address"));
    }
  }
  base::Status prepared;
  const auto observer_of = [&](node::Shard& shard) {
    node::ShardObserver observer = parts.observer_of(shard);
    observer.prepare = [&] { return prepared = prepare(shard, report); };
    observer.serves = [this, &shard] { serve(shard); };
    return observer;
  };
  base::Status started = parts.node->start(observer_of, ending_.get_token());
  if (!prepared) return prepared;
  if (!started) {
    return base::fail(std::move(started).error().in(fmt::format("following the log ({})", parts.log.name)));
  }
  for (const base::TenantId& tenant : parts.node->created_at_start()) {
    report.problems.push_back(
        fmt::format("the creation of tenant '{0}' was cut short; it is finished now, without an "
                    "owner token: `trav token create NAME --role owner --as-operator --tenant {0}`",
                    tenant.value()));
  }
  parts.snapshot_keeper->start();
  parts.left_over->start();
  parts.mover->start();
  if (parts.cluster) TRV_TRY(join(report));
  // Last: a start that fails has not used up the token that it could not show.
  TRV_TRY_ASSIGN(const bool owns_platform, first_start(report));
  if (!owns_platform || last > 0) return {};
  // Where this fails, the next start does it.
  const std::uint64_t records = parts.node->platform().metrics().applied_lsn;
  const base::Status named = check_log_of_keys(beside, records, *parts.log.log, parts.log.name);
  if (!named) report.problems.push_back(named.error().message());
  return {};
}

base::Status Kernel::join(StartReport& report) {
  Parts& parts = *parts_;
  TRV_TRY(parts.cluster->join(*parts.node, parts.node_server->port(), [&parts](const std::set<log::ShardId>& shards) {
    for (const log::ShardId shard : shards) parts.dispatchers[shard.value()]->begin_pause();
    for (const log::ShardId shard : shards) parts.dispatchers[shard.value()]->pause();
  }));
  report.node = fmt::format("{} at {}", parts.cluster->self().node, parts.cluster->self().address);
  return {};
}

base::Status Kernel::prepare(const node::Shard& shard, StartReport& report) {
  Parts& parts = *parts_;
  report.records += shard.metrics().applied_lsn;
  report.replayed += shard.replayed();
  if (!shard.rebuilt_because().empty()) report.rebuilt.emplace_back(shard.id().value(), shard.rebuilt_because());
  logger_->debug("start: shard {} is claimed, the projection is at record {}; {} were replayed", shard.id().value(),
                 shard.metrics().applied_lsn, shard.replayed());
  // Now, because from now on requests replace secrets.
  TRV_TRY_ASSIGN(auto tenants, parts.node->tenants());
  std::erase_if(tenants, [&](const tenancy::Tenant& tenant) { return tenant.shard != shard.id(); });
  TRV_TRY_ASSIGN(const auto named, secrets_of(shard, tenants));
  TRV_TRY(check_secrets(config_.folder_beside_log(), named));
  if (&shard != &parts.node->platform()) return {};
  TRV_TRY_ASSIGN(plugin_host::PackageFollower::Started packages, parts.follower->start());
  report.plugins = packages.loaded;
  std::ranges::move(packages.problems, std::back_inserter(report.problems));
  logger_->debug("start: {} plugins are loaded", report.plugins);
  TRV_TRY_ASSIGN(const auto now, parts.node->platform().begin_read());
  TRV_TRY_ASSIGN(const auto installed, parts.node->platform().tenancy().packages(now, "", packages_named_max));
  for (const std::string& problem : unknown_in_process(config_, installed)) {
    report.problems.push_back(problem);
  }
  return {};
}

// Effects of an earlier run go out only now that the plugins are there.
void Kernel::serve(const node::Shard& shard) {
  parts_->dispatchers[shard.id().value()]->start();
  logger_->debug("start: shard {} is ready", shard.id().value());
  if (is_serving_.exchange(true)) return;
  for (const auto* server : {&parts_->server, &parts_->node_server}) {
    if (*server) (*server)->open();
  }
}

// The system tenant and its first token, once in the life of a log; another token where one is asked for. True: this
// node owns the platform's shard. Which may go to another node meanwhile, at any moment: until one of them has begun.
base::Result<bool> Kernel::first_start(StartReport& report) {
  node::Shard& platform = parts_->node->platform();
  const gateway::NewToken token = gateway::make_token(random_, base::system_tenant());
  for (;;) {
    bool owns_platform = true;
    if (parts_->cluster) {
      TRV_TRY_ASSIGN(owns_platform, parts_->cluster->wait_for_platform(ending_.get_token()));
    }
    if (ending_.stop_requested()) return base::fail(base::ErrorCode::cancelled, "the start was ended");
    bool is_new = false;
    {
      TRV_TRY_ASSIGN(const auto txn, platform.begin_read());
      TRV_TRY_ASSIGN(const auto system, platform.tenancy().tenant(txn, base::system_tenant()));
      TRV_TRY_ASSIGN(const auto issued, platform.tenancy().token(txn, base::system_tenant(), token.id));
      is_new = !system;
      if (issued) report.operator_token = token.text;  // the shard was lost when that was recorded
      if (issued || (system && !config_.new_operator_token)) return owns_platform;
    }
    if (!owns_platform) {
      report.problems.push_back("--new-operator-token: another node owns the platform's shard; start that one with it");
      return false;
    }
    const base::Status begun = begin_platform(platform, token, is_new);
    if (!begun && parts_->cluster && !platform.is_owned()) continue;
    TRV_TRY(begun);
    report.is_new_folder = is_new;
    report.operator_token = token.text;
    return true;
  }
}

bool Kernel::has_moved() {
  return !parts_ || !parts_->server || parts_->server->has_moved();
}

void Kernel::look_at_certificate(bool at_once) {
  if (!parts_ || !parts_->certificate) return;
  at_once ? parts_->certificate->read_again() : parts_->certificate->look();
}

void Kernel::stop() {
  if (!parts_) return;
  Parts& parts = *parts_;
  // While it still forwards requests to the others.
  if (parts.cluster) {
    if (const auto drained = parts.cluster->take_part(false); !drained) logger_->warn("{}", drained.error().message());
  }
  // Requests that wait for a package are answered, so that the server does not wait for them.
  if (parts.follower) parts.follower->stop();
  if (parts.server) parts.server->stop(stop_grace);
  if (parts.node_server) parts.node_server->stop(stop_grace);
  if (parts.mover) parts.mover->stop();
  if (parts.left_over) parts.left_over->stop();
  if (parts.snapshot_keeper) parts.snapshot_keeper->stop();
  for (const auto& dispatcher : parts.dispatchers) dispatcher->begin_stop();
  for (const auto& dispatcher : parts.dispatchers) dispatcher->stop();
  if (parts.plugins) {
    if (const auto stopped = parts.plugins->stop(stop_grace); !stopped)
      parts.logger->warn("{}", stopped.error().message());
  }
  parts.process_calls.reset();
  if (parts.broker) parts.broker->stop();
  if (parts.node) {
    if (const auto stopped = parts.node->stop(); !stopped) parts.logger->warn("{}", stopped.error().message());
  }
  parts_.reset();
}

}  // namespace trv::daemon
