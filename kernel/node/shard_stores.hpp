#pragma once
// What the log of a shard leads to: every store of the kernel, in one projection.

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "audit/trail/trail_projector.hpp"
#include "events/projection/projection.hpp"
#include "kernel/ingest/ingest_store.hpp"
#include "kernel/retention/retention.hpp"
#include "kernel/shard/outbox.hpp"
#include "kernel/shard/residence.hpp"
#include "kernel/shard/shard_processor.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/tenancy/plugin_blobs.hpp"
#include "kernel/tenancy/plugin_data.hpp"
#include "kernel/tenancy/tenancy_store.hpp"
#include "kernel/workflow/instance/projector.hpp"

namespace trv::node {

/// Where that runs which reads files or scans.
enum class Aside {
  another_thread,
  own_thread,  ///< of the caller, at once; nor does the shard claim its log by itself: all follows from the commands
};

struct ShardPlace {
  log::ShardId id;
  std::filesystem::path folder;  ///< of the projection
  std::uint64_t map_bytes = std::uint64_t{64} << 30;
  projection::Snapshots* snapshots = nullptr;                     ///< of projections; outlives the shard
  std::size_t append_bytes = shard::ShardOptions{}.append_bytes;  ///< as there
  projection::Projector* last_projector = nullptr;                ///< applies behind the kernel's; outlives the shard
  Aside aside = Aside::another_thread;
  shard::Ownership ownership = shard::Ownership::sole;
  std::string node = "node";  ///< by which its claims are made
};

/// Threads as projection::Projection says. At the end the projection goes first.
struct ShardStores {
  shard::Timers timers;
  shard::Residence residence{timers};
  shard::Outbox outbox;
  tenancy::TenancyStore tenancy;
  tenancy::PluginData plugin_data;
  tenancy::PluginBlobs plugin_blobs;
  ingest::IngestStore ingest;
  instance::WorkflowProjector workflows{timers, place_of()};
  retention::RetentionProjector retention{timers};
  trail::TrailProjector trail{place_of()};
  std::unique_ptr<projection::Projection> projection;

  ShardStores() {
    std::string layout;
    for (const projection::Projector* one : projectors()) {
      layout += fmt::format("{}{}={}", layout.empty() ? "" : " ", one->name(), one->layout_version());
    }
    residence.set_layout(std::move(layout));
  }
  ShardStores(const ShardStores&) = delete;
  ShardStores& operator=(const ShardStores&) = delete;

  [[nodiscard]] record::PlaceOf place_of() {
    return [this](const record::RecordView& record) { return residence.place(record); };
  }
  /// In the order in which they apply.
  [[nodiscard]] std::vector<projection::Projector*> projectors() {
    return {&timers,       &residence, &outbox,    &tenancy,   &plugin_data,
            &plugin_blobs, &ingest,    &workflows, &retention, &trail};
  }
  /// Opens the projection; errors as there.
  [[nodiscard]] base::Status open(const ShardPlace& place) {
    projection::ProjectionOptions options;
    options.folder = place.folder;
    options.map_bytes = place.map_bytes;
    options.snapshots = place.snapshots;
    std::vector<projection::Projector*> all = projectors();
    if (place.last_projector != nullptr) all.push_back(place.last_projector);
    TRV_TRY_ASSIGN(projection, projection::Projection::open(std::move(options), place.id, std::move(all)));
    return {};
  }
};

}  // namespace trv::node
