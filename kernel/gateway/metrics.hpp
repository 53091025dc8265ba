#pragma once
// What the gateway itself counts for the daemon's metrics.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "kernel/effects/effect_dispatcher.hpp"

namespace trv::gateway {

/// One for each shard, in the order of their ids.
using Dispatchers = std::span<const std::unique_ptr<effects::EffectDispatcher>>;

/// What became of the deliveries to webhooks of tenants, since the process began. Any thread.
struct DeliveryCounts {
  std::atomic<std::uint64_t> taken = 0;
  std::atomic<std::uint64_t> duplicate = 0;
  std::atomic<std::uint64_t> refused = 0;  ///< the proof was wrong: nothing was recorded
};

}  // namespace trv::gateway
