#pragma once
// The state of one shard with every projector of the kernel, in the kernel's order.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "audit/trail/trail_projector.hpp"
#include "events/log/event_log.hpp"
#include "events/projection/projection.hpp"
#include "kernel/ingest/ingest_store.hpp"
#include "kernel/shard/outbox.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/tenancy/tenancy_store.hpp"
#include "kernel/workflow/instance/definition_cache.hpp"
#include "kernel/workflow/instance/projector.hpp"

namespace trv::simulation {

/// Every row: (table, key) and value.
using Rows = std::map<std::pair<std::string, std::string>, std::string>;

/// Where projectors keep their tables, and the decisions' view of them. Threads as the projection says.
struct State {
  shard::Timers timers;
  shard::Outbox outbox;
  tenancy::TenancyStore tenancy;
  ingest::IngestStore ingest;
  instance::WorkflowProjector workflows{timers};
  trail::TrailProjector trail;
  instance::DefinitionCache definitions;
  std::unique_ptr<projection::Projection> projection;

  /// `extra`, where it is not null, applies last. `snapshot`: folder of a snapshot to begin from, or empty.
  [[nodiscard]] base::Status open(log::ShardId shard, const std::filesystem::path& folder,
                                  const std::filesystem::path& snapshot, projection::Projector* extra);
  [[nodiscard]] std::vector<projection::Projector*> projectors();
};

/// The rows that the tenant's records alone lead to, applied in a scratch folder. Positions come from the records.
[[nodiscard]] base::Result<Rows> rows_of_tenant(log::EventLog& log, log::ShardId shard, std::string_view tenant,
                                                const std::filesystem::path& scratch);
/// All rows but the projection's own about how far the log is applied.
[[nodiscard]] base::Result<Rows> rows_of(lmdb::ReadTxn txn);

}  // namespace trv::simulation
