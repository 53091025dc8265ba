#pragma once
// The daemon's figures in Prometheus text form.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "events/projection/snapshots.hpp"
#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/node/node.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/recovery/figures.hpp"
#include "kernel/telemetry/past.hpp"

namespace trv::gateway {

/// One for each shard, in the order of their ids.
using Dispatchers = std::span<const std::unique_ptr<effects::EffectDispatcher>>;

/// What became of the deliveries to webhooks of tenants, since the process began. Any thread.
struct DeliveryCounts {
  std::atomic<std::uint64_t> taken = 0;
  std::atomic<std::uint64_t> duplicate = 0;
  std::atomic<std::uint64_t> refused = 0;  ///< the proof was wrong: nothing was recorded
};

/// Every counter and gauge of the kernel, as of now. `certificate_ends`: nullopt where the API has no certificate.
/// Names follow the Prometheus rules: base units, _total for counters.
[[nodiscard]] std::string render_metrics(const node::Node& node, Dispatchers effects, const egress::Broker& broker,
                                         const plugin_host::PluginHost& plugins, const projection::Snapshots& snapshots,
                                         const DeliveryCounts& deliveries, const telemetry::Sample& process,
                                         std::optional<base::Timestamp> certificate_ends,
                                         const std::optional<recovery::Figures>& backups);

}  // namespace trv::gateway
