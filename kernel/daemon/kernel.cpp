#include "kernel/daemon/kernel.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <set>

#include "events/backup/backup.hpp"
#include "events/projection/projection.hpp"
#include "kernel/daemon/begin_platform.hpp"
#include "kernel/daemon/data_folder.hpp"
#include "kernel/daemon/parts.hpp"
#include "kernel/daemon/plugin_services.hpp"
#include "kernel/daemon/process.hpp"
#include "kernel/gateway/access.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file_age.hpp"

namespace trv::daemon {
namespace {

constexpr auto stop_grace = std::chrono::seconds(10);
constexpr std::size_t packages_named_max = 10'000;   ///< of those that words of the configuration may mean
constexpr std::size_t secrets_followed_max = 65536;  ///< commands whose secrets wait to be removed

// One of them may be what could not be read.
base::Status distrust_projections(const node::NodeOptions& node) {
  for (std::uint32_t shard = 0; shard < node.shards; ++shard) {
    TRV_TRY(projection::Projection::distrust(node.folder / std::to_string(shard)));
  }
  return {};
}

std::size_t effects_of_shard(const config::Config& config) {
  return (config.effects_concurrency_max + config.shards - 1) / config.shards;
}

}  // namespace

Kernel::Kernel(config::Config config, const base::Clock& clock, base::Random& random, const logging::Log& log,
               otlp::Exporter* exporter)
    : config_(std::move(config)),
      clock_(clock),
      random_(random),
      log_(log),
      exporter_(exporter),
      logger_(log.of(logging::Room::daemon)) {}

Kernel::~Kernel() {
  stop();
}

base::Result<StartReport> Kernel::start() {
  TRV_EXPECTS(parts_ == nullptr);
  StartReport report;
  parts_ = std::make_unique<Parts>(clock_, log_);
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
  if (!takes_over_) {
    TRV_TRY_ASSIGN(parts.lock, lmdb::FolderLock::acquire(folder));
  }
  TRV_TRY_ASSIGN(parts.hosting, begin_hosting(config_, folder / "plugins", clock_, log_.of(logging::Room::plugins)));
  has_come_to_folder_ = true;
  if (takes_over_) {
    TRV_TRY_ASSIGN(parts.lock, lmdb::FolderLock::await(folder));
  }
  logger_->debug("start: {} is locked", folder.string());
  TRV_TRY(backup::take_over(folder));
  TRV_TRY_ASSIGN(report.restored, recovery::restored_line(folder));
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
    TRV_TRY_ASSIGN(parts.broker_watch, watch_brokers(config_, log_.of(logging::Room::shard)));
  }
  if (config_.shares_shards()) {
    parts.cluster = std::make_unique<Cluster>(config_, *cluster_key, clock_, log_.of(logging::Room::node));
  }
  const auto has_room = [beside](std::uint64_t bytes) { return disk_has_room(beside, bytes); };
  projection::SnapshotPorts snapshots{
      .log = *parts.log.log,
      .clock = clock_,
      .random = random_,
      .report = [this](const std::string& line) { log_.of(logging::Room::backup)->warn("{}", line); },
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
  TRV_TRY(make_private_folder(folder / "tries"));
  TRV_TRY_ASSIGN(parts.crash_note, CrashNote::open(folder / "tries" / "crash"));
  if (parts.crash_note->file_failed()) TRV_TRY(distrust_projections(node));
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
  parts.make_tracing(config_, random_, exporter_);
  parts.http_calls = std::make_unique<effects::HttpCalls>(parts.sender(), *parts.connections, *parts.secrets, clock_);
  // A node that is alone knows which packages it is about to name.
  TRV_TRY_ASSIGN(parts.archives, open_blobs("packages", package::package_bytes_max,
                                            parts.cluster ? base::left_over_after : base::Duration(0)));
  TRV_TRY_ASSIGN(parts.packages, plugin_host::PluginStore::open_folder(folder / "plugins", *parts.archives));
  TRV_TRY_ASSIGN(trust::Policy policy, package_policy(config_, parts.hosting.remarks));
  parts.package_policy.replace(std::move(policy));
  plugin_host::HostConfiguration& hosting = parts.hosting.configuration;
  hosting.crashed = crash_recorder(*parts.node, log_.of(logging::Room::plugins));
  hosting.serve = plugin_services({*parts.node,
                                   *parts.connections,
                                   *parts.secrets,
                                   {*parts.blobs, *parts.blob_workers, clock_, log_.of(logging::Room::plugins)},
                                   log_.of(logging::Room::plugins)});
  parts.consents = std::make_unique<ProjectedConsents>(*parts.node);
  hosting.consents = parts.consents.get();
  auto scripts = effects::process_options(config_.run_languages, hosting.trial_program, config_.run_at_once);
  if (!scripts) return base::fail(std::move(scripts).error().in("run.languages"));
  parts.process_calls = std::make_unique<effects::ProcessCalls>(*std::move(scripts));
  TRV_TRY_ASSIGN(parts.plugins,
                 plugin_host::PluginHost::start(hosting, *parts.packages, parts.sender(), clock_,
                                                plugin_log(log_.of(logging::Room::plugins), parts.tracing.get())));
  parts.follower = std::make_unique<plugin_host::PackageFollower>(plugin_host::FollowedPackages{
      .platform = parts.node->platform().projection(),
      .tenancy = parts.node->platform().tenancy(),
      .store = *parts.packages,
      .host = *parts.plugins,
      .clock = clock_,
      .submit = [&parts](shard::Command command) { parts.node->platform().submit(std::move(command)); },
      .is_owner = [&parts] { return !parts.cluster || parts.node->platform().is_owned(); },
      .report = [this](const std::string& line) { log_.of(logging::Room::plugins)->warn("{}", line); }});
  logger_->debug("start: keys, secrets and packages are open");
  effects::DispatcherOptions dispatching;
  dispatching.concurrency_max = effects_of_shard(config_);
  dispatching.processes_max = config_.run_at_once;
  dispatching.begins_paused = parts.cluster != nullptr;
  dispatching.tries_max = static_cast<std::uint32_t>(config_.effects_tries_max);
  for (const auto& shard : parts.node->shards()) {
    TRV_TRY(parts.make_dispatcher(*shard, dispatching, folder / "tries", random_));
  }
  std::vector<daemon::Room::Store> stores;
  if (parts.log.stats) stores.push_back({.name = "log", .stats = parts.log.stats});
  for (const auto& shard : parts.node->shards()) {
    // Not of one that may be made anew.
    stores.push_back({.name = "projection", .stats = [&shard, map_bytes] {
                        return shard->is_serving() ? shard->projection().stats()
                                                   : lmdb::EnvStats{.used_bytes = 0, .map_bytes = map_bytes};
                      }});
  }
  parts.room = std::make_unique<daemon::Room>(folder, std::move(stores), clock_, logger_);
  parts.make_mover();
  parts.make_snapshot_keeper(config_);
  parts.make_left_over(folder);
  TRV_TRY(parts.make_backups(config_, random_));
  parts.nodes = parts.make_nodes(config_);
  // Before the replay, so that it can be asked how far it is; and before anything is used up where the port is taken.
  http::ServerOptions http = api_options(config_);
  if (config_.serves_tls()) {
    TRV_TRY_ASSIGN(parts.certificate, ServedCertificate::open(config_, clock_, log_.of(logging::Room::http)));
    http.tls = [&certificate = *parts.certificate] { return certificate.context(); };
  }
  parts.make_watch(config_);
  if (parts.tracing) {
    http.begin_trace = [&tracing = *parts.tracing](const http::Request& request) { return tracing.begin(request); };
  }
  http.on_answered = [&watch = *parts.watch, tracing = parts.tracing.get()](const http::Request& request, int status,
                                                                            base::Duration took) {
    const auto sampled = tracing != nullptr ? tracing->answered(request, status, took) : std::nullopt;
    // Another node has counted what it forwards.
    if (request.route().starts_with("/v1/") && !request.is_from_node()) watch.answered(status, took, sampled);
  };
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
                             .why_not_ready = [&parts] { return parts.why_not_ready(); },
                             .watching = {.now = [&watch = *parts.watch] { return watch.sample(); },
                                          .exemplars = [&watch = *parts.watch] { return watch.exemplars(); },
                                          .health = [&watch = *parts.watch] { return watch.health(); },
                                          .status = [&watch = *parts.watch] { return watch.status(); }},
                             .certificate_ends = [&parts] { return parts.certificate_ends(); },
                             .backups = parts.backups.get(),
                             .exporter = exporter_};
  parts.server =
      std::make_unique<http::Server>(http, gateway::make_router(ports), clock_, random_, log_.of(logging::Room::http));
  TRV_TRY(parts.server->start());
  report.port = parts.server->port();
  logger_->debug("start: listening on {} port {}", config_.http_address, report.port);
  for (const std::string& remark : parts.hosting.remarks) logger_->info("{}", remark);
  if (parts.cluster) {
    TRV_TRY_ASSIGN(http, parts.cluster->for_nodes(std::move(http)));
    parts.node_server = std::make_unique<http::Server>(http, gateway::make_router(ports), clock_, random_,
                                                       log_.of(logging::Room::http));
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
  if (parts.backups) parts.backups->start();
  parts.mover->start();
  parts.watch->start();
  if (exporter_ != nullptr) {
    exporter_->start([ports] { return gateway::collect_metrics(ports); }, log_.of(logging::Room::telemetry));
  }
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
  is_serving_ = true;
  // Who waits in the socket of a supervisor finds every shard; who has come already finds those that are there.
  const std::size_t needed = config_.http_socket ? parts_->node->shards().size() : 1;
  if (served_.fetch_add(1) + 1 != needed) return;
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

std::string Kernel::damage() const {
  if (!parts_ || !parts_->node) return "";
  for (const auto& shard : parts_->node->shards()) {
    if (!shard->is_serving() || !shard->projection().is_damaged()) continue;
    return fmt::format("the projection of shard {} is damaged; the next start makes it anew, from its newest snapshot",
                       shard->id().value());
  }
  return "";
}

base::Status Kernel::reload(const config::Config& config) {
  TRV_EXPECTS(parts_ != nullptr);
  Parts& parts = *parts_;
  std::vector<std::string> remarks;
  TRV_TRY_ASSIGN(auto permissions, operator_permissions(config));
  TRV_TRY_ASSIGN(trust::Policy policy, package_policy(config, remarks));
  config_ = config;
  parts.plugins->replace_operator_allows(std::move(permissions));
  parts.package_policy.replace(std::move(policy));
  parts.broker->allow_private_network(config_.egress_allow_private_network);
  for (const auto& dispatcher : parts.dispatchers) {
    dispatcher->replace_limits(effects_of_shard(config_), static_cast<std::uint32_t>(config_.effects_tries_max));
  }
  parts.snapshot_keeper->replace_policy(snapshot_policy(config_));
  for (const std::string& remark : remarks) logger_->info("{}", remark);
  return {};
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
  if (parts.watch) parts.watch->stop();
  if (parts.mover) parts.mover->stop();
  if (parts.backups) parts.backups->stop();
  if (parts.left_over) parts.left_over->stop();
  if (parts.snapshot_keeper) parts.snapshot_keeper->stop();
  for (const auto& dispatcher : parts.dispatchers) dispatcher->begin_stop();
  for (const auto& dispatcher : parts.dispatchers) dispatcher->stop();
  if (parts.plugins) {
    if (const auto stopped = parts.plugins->stop(stop_grace); !stopped)
      log_.of(logging::Room::plugins)->warn("{}", stopped.error().message());
  }
  parts.process_calls.reset();
  if (parts.broker) parts.broker->stop();
  // While what its metrics are of is still there.
  if (exporter_ != nullptr) exporter_->stop();
  if (parts.node) {
    if (const auto stopped = parts.node->stop(); !stopped) logger_->warn("{}", stopped.error().message());
  }
  parts_.reset();
}

}  // namespace trv::daemon
