#pragma once
// The routes of the API, one file per noun. What a function is given must outlive the router.

#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/blob/blob_store.hpp"
#include "events/projection/snapshot_keeper.hpp"
#include "kernel/effects/performers.hpp"
#include "kernel/effects/process_calls.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/egress/secret_store.hpp"
#include "kernel/gateway/metrics.hpp"
#include "kernel/gateway/status.hpp"
#include "kernel/http/router.hpp"
#include "kernel/http/workers.hpp"
#include "kernel/node/forwarder.hpp"
#include "kernel/node/node.hpp"
#include "kernel/otlp/exporter.hpp"
#include "kernel/plugin_host/package_follower.hpp"
#include "kernel/recovery/schedule.hpp"
#include "kernel/trust/policy.hpp"
#include "sdk/base/replaceable.hpp"

namespace trv::gateway {

/// Every tenant's trail is signed with one key, each under its own name.
struct TrailSigner {
  std::string origin;
  std::string key_pem;
};

/// What installs a package: each request puts it into the store and has it followed.
struct Packages {
  plugin_host::PluginStore& store;
  plugin_host::PluginHost& host;
  plugin_host::PackageFollower& follower;
  const base::Replaceable<trust::Policy>& policy;
};

/// The secrets of connections, and the thread that removes those that records have replaced.
struct Secrets {
  egress::SecretStore& store;
  http::Workers& follower;
};

/// The nodes that share the shards. Any thread.
struct Nodes {
  std::string self;                               ///< the name of this one
  std::function<std::vector<node::Peer>()> list;  ///< as they are known now
  std::function<base::Status(bool takes_part)>
      take_part;  ///< hands the shards of this node over, or takes its part again; waits
  std::function<void(const std::string& address, http::Responder responder)> forward_to;
};

void add_node_routes(http::Router& router, const node::Node& node, const Nodes& nodes);
void add_snapshot_routes(http::Router& router, const node::Node& node, const projection::Snapshots& snapshots,
                         projection::SnapshotKeeper& keeper);
/// `why_not_ready`: why this process takes no requests whatever its shards say, such as a log whose engine is away;
/// empty: it does.
void add_system_routes(http::Router& router, const node::Node& node, std::function<std::string()> why_not_ready,
                       std::function<telemetry::Metrics()> metrics);
void add_tenant_routes(http::Router& router, const node::Node& node, base::Random& random);
void add_token_routes(http::Router& router, const node::Node& node, base::Random& random);
void add_connection_routes(http::Router& router, const node::Node& node, const Secrets& secrets);
void add_revocation_routes(http::Router& router, const node::Node& node, const Packages& packages);
void add_plugin_routes(http::Router& router, const node::Node& node, const Packages& packages);
void add_enabled_plugin_routes(http::Router& router, const node::Node& node, const Packages& packages);
void add_serve_routes(http::Router& router, const node::Node& node, const Packages& packages);
void add_page_routes(http::Router& router, const node::Node& node, const Packages& packages);
/// `http_calls` fetches functions of catalogs.
void add_workflow_routes(http::Router& router, const node::Node& node, const plugin_host::PluginHost& plugins,
                         const effects::ProcessCalls& scripts, effects::HttpCalls& http_calls);
void add_workflow_action_routes(http::Router& router, const node::Node& node);
void add_instance_routes(http::Router& router, const node::Node& node, const plugin_host::PluginHost& plugins);
void add_instance_action_routes(http::Router& router, const node::Node& node);
void add_bulk_action_routes(http::Router& router, const node::Node& node);
void add_batch_routes(http::Router& router, const node::Node& node);
void add_instance_past_routes(http::Router& router, const node::Node& node);
void add_tenant_status_routes(http::Router& router, const node::Node& node);
void add_effect_routes(http::Router& router, const node::Node& node);
/// A parked effect as every answer shows it.
[[nodiscard]] json::Value parked_object(const shard::ParkedEffect& parked);
void add_event_routes(http::Router& router, const node::Node& node, blob::BlobStore& blobs);
void add_webhook_routes(http::Router& router, const node::Node& node, const plugin_host::PluginHost& plugins,
                        egress::SecretStore& secrets, blob::BlobStore& blobs);
/// Webhooks that tenants declare themselves. `random` is fit for keys; any thread.
void add_hook_routes(http::Router& router, const node::Node& node, const Secrets& secrets, blob::BlobStore& blobs,
                     base::Random& random, std::shared_ptr<DeliveryCounts> counts);
void add_audit_routes(http::Router& router, const node::Node& node, const TrailSigner& signer);

/// What all of them are given together.
struct Ports {
  const node::Node& node;
  Packages packages;
  Secrets secrets;
  blob::BlobStore& blobs;
  const egress::Broker& broker;
  Dispatchers effects;
  base::Random& random;  ///< fit for keys; any thread
  const TrailSigner& signer;
  const projection::Snapshots& snapshots;
  projection::SnapshotKeeper& snapshot_keeper;
  const Nodes& nodes;
  const effects::ProcessCalls& scripts;
  effects::HttpCalls& http_calls;
  std::function<std::string()> why_not_ready;
  Watching watching = {};
  /// Until when clients accept the certificate of the API; nullopt: it has none.
  std::function<std::optional<base::Timestamp>()> certificate_ends = [] { return std::nullopt; };
  const recovery::Schedule* backups = nullptr;  ///< null: this process takes none
  const otlp::Exporter* exporter = nullptr;     ///< null: nothing is exported
  /// Of every router with these ports together.
  std::shared_ptr<DeliveryCounts> deliveries = std::make_shared<DeliveryCounts>();
};
[[nodiscard]] http::Router make_router(const Ports& ports);

/// Every counter and gauge of the kernel, as of now: what `/metrics` shows and what is exported. Names follow the
/// Prometheus rules: base units, _total for counters. Any thread.
[[nodiscard]] telemetry::Metrics collect_metrics(const Ports& ports);

}  // namespace trv::gateway
