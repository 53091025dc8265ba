#pragma once
// What the API is built on: references to what the daemon composed. Everything outlives the server.

#include <functional>

#include "audit/trail/trail_projector.hpp"
#include "events/catalog/event_catalog.hpp"
#include "events/log/event_log.hpp"
#include "events/projection/projection.hpp"
#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/egress/secret_store.hpp"
#include "kernel/gateway/event_feed.hpp"
#include "kernel/ingest/ingest_store.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/plugin_host/plugin_store.hpp"
#include "kernel/shard/shard_processor.hpp"
#include "kernel/tenancy/tenancy_store.hpp"
#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/projector.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::gateway {

using base::ErrorCode;
using base::fail;
using base::Result;

struct Services {
  shard::ShardProcessor& shard;
  projection::Projection& projection;
  log::EventLog& log;
  log::ShardId log_shard;
  const catalog::EventCatalog& catalog;
  tenancy::TenancyStore& tenancy;
  ingest::IngestStore& ingest;
  trail::TrailProjector& trail;
  const instance::WorkflowProjector& workflows;
  instance::DefinitionCache& definitions;  ///< of the shard's thread: only within a command's decide
  const shard::Outbox& outbox;
  plugin_host::PluginStore& packages;
  plugin_host::PluginHost& plugins;
  egress::SecretStore& secrets;
  egress::Broker& broker;
  effects::EffectDispatcher& dispatcher;
  EventFeed& feed;
  const base::Clock& clock;
  base::Random& random;  ///< the system's: any thread
  std::string audit_origin;
  std::string audit_key_pem;  ///< every tenant's trail is signed with this key, each under its own name

  /// What workflow decisions read; only within a command's decide.
  [[nodiscard]] instance::Workflows decision_state() const { return {workflows.tables(), definitions, outbox}; }
};

}  // namespace trv::gateway
