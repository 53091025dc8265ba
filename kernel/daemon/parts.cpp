#include "kernel/daemon/parts.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "events/backup/backup.hpp"
#include "kernel/daemon/version.hpp"
#include "kernel/gateway/receive.hpp"
#include "sdk/base/contract.hpp"

namespace trv::daemon {

projection::SnapshotPolicy snapshot_policy(const config::Config& config) {
  return {.interval = std::chrono::minutes(config.snapshots_interval_minutes),
          .records = config.snapshots_records,
          .keep = config.snapshots_keep,
          .log_kept = std::chrono::hours(24 * config.log_keep_days)};
}

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
    log_lines.of(logging::Room::shard)->error("commands fail: {}", error.message());
  };
  observer.room = [this] { return room->check(); };
  if (tracing) observer.spans = tracing->spans();
  observer.claimed = [this](const log::Claim& claim) {
    log_lines.of(logging::Room::shard)
        ->debug("shard {}: claimed with epoch {}; the next record is {}", claim.shard.value(), claim.epoch.value(),
                claim.next.value());
    if (cluster) begin_owning(*node->shards()[claim.shard.value()]);
  };
  observer.committed = [this](log::ShardId id, log::Lsn last) {
    if (cluster && id == node->platform().id()) follower->wake();
    mover->wake(id);
    if (!log_lines.of(logging::Room::shard)->should_log(spdlog::level::debug)) return;
    const shard::ShardMetrics metrics = node->shards()[id.value()]->metrics();
    log_lines.of(logging::Room::shard)
        ->debug("shard {}: batch {} is durable up to record {}; {} records so far, {} commands wait", id.value(),
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
    if (const auto created = node->create_placed(shard); !created)
      log_lines.of(logging::Room::node)->warn("{}", created.error().message());
  });
  if (!is_begun)
    log_lines.of(logging::Room::node)
        ->warn("shard {}: tenants that were placed and not created wait", shard.id().value());
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
  ports.report = [this](const std::string& line) { log_lines.of(logging::Room::effects)->error("{}", line); };
  return tracing ? tracing->traced(std::move(ports)) : ports;
}

void Kernel::Parts::make_tracing(const config::Config& config, base::Random& random, otlp::Exporter* exporter) {
  if (exporter == nullptr) return;
  tracing = std::make_unique<Tracing>([exporter](trace::Span span) { exporter->add(std::move(span)); },
                                      config.telemetry_traces_percent, clock, random);
  traced_sender = std::make_unique<egress::TracedSender>(*broker, tracing->spans(), clock);
}

egress::HttpSender& Kernel::Parts::sender() const {
  if (traced_sender) return *traced_sender;
  return *broker;
}

void Kernel::Parts::make_mover() {
  mover = std::make_unique<node::Mover>(
      *node, clock,
      node::MoverPorts{
          .hold = [this](log::ShardId shard,
                         const base::TenantId& tenant) { return dispatchers[shard.value()]->hold(tenant); },
          .let_go = [this](log::ShardId shard,
                           const base::TenantId& tenant) { dispatchers[shard.value()]->let_go(tenant); },
          .report = [this](const std::string& line) { log_lines.of(logging::Room::node)->warn("{}", line); }});
}

void Kernel::Parts::make_snapshot_keeper(const config::Config& config) {
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
      snapshot_policy(config),
      projection::KeeperPorts{
          .snapshots = *snapshots,
          .log = *log.log,
          .clock = clock,
          .keeps_all = [folder = config.data_folder] { return backup::is_running(folder); },
          .note = [this](const std::string& line) { log_lines.of(logging::Room::backup)->info("{}", line); },
          .failed = [this](const std::string& line) { log_lines.of(logging::Room::backup)->error("{}", line); }},
      std::move(shards));
}

void Kernel::Parts::make_watch(const config::Config& config) {
  watch = std::make_unique<Watch>(Watched{.node = *node,
                                          .broker = *broker,
                                          .plugins = *plugins,
                                          .dispatchers = dispatchers,
                                          .snapshots = *snapshots,
                                          .data_folder = config.data_folder,
                                          .name = node_name(config),
                                          .log_stats = log.stats,
                                          .why_not_ready = [this] { return why_not_ready(); },
                                          .certificate_ends = [this] { return certificate_ends(); },
                                          .backups = [this]() -> std::optional<recovery::Figures> {
                                            return backups ? std::optional(backups->figures()) : std::nullopt;
                                          },
                                          .backup_interval = std::chrono::seconds(config.backup_interval_seconds),
                                          .clock = clock,
                                          .logger = log_lines.of(logging::Room::daemon)});
}

std::string Kernel::Parts::why_not_ready() const {
  if (broker_watch && !broker_watch->is_answered()) return "Kafka does not answer";
  return server && server->is_open() ? "" : "the server is starting";
}

std::optional<base::Timestamp> Kernel::Parts::certificate_ends() const {
  return certificate ? std::optional(certificate->valid_until()) : std::nullopt;
}

void Kernel::Parts::make_left_over(const std::filesystem::path& data_folder) {
  left_over = std::make_unique<LeftOver>(SweptStores{
      .node = *node,
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
      .report = [this](const std::string& line) { log_lines.of(logging::Room::daemon)->warn("{}", line); }});
}

base::Status Kernel::Parts::make_backups(const config::Config& config, base::Random& random) {
  TRV_TRY_ASSIGN(
      backups,
      daemon::make_backups(
          config,
          {.log = *log.log,
           .node = *node,
           .cluster_key = cluster_key ? &*cluster_key : nullptr,
           .is_ours = [this] { return node->platform().is_serving() && (!cluster || node->platform().is_owned()); },
           .clock = clock,
           .random = random,
           .logger = log_lines.of(logging::Room::backup)}));
  if (backups) secrets->leave_removals();
  return {};
}

}  // namespace trv::daemon
