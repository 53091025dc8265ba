#pragma once
// The part of a shard's outbox that is in memory: a bounded number of effects, fair between tenants. What does not fit
// stays in the outbox and is pulled when there is room.
//
// No tenant holds more than what is left of the window for others, so one with millions of effects leaves room for
// each that comes later. Every tenant's effects come in the order of their positions. One thread.

#include <cstddef>
#include <map>
#include <set>
#include <vector>

#include "events/projection/projection.hpp"
#include "kernel/shard/outbox.hpp"

namespace trv::effects {

struct WindowLimits {
  std::size_t effects_max = 4096;
  std::size_t bytes_max = std::size_t{64} << 20;  ///< inputs and outcomes; may be passed by one effect's
};

class OutboxWindow {
 public:
  /// Both outlive the window.
  OutboxWindow(WindowLimits limits, const projection::Projection& projection, const shard::Outbox& outbox);

  /// Whether an effect that became durable just now enters the window. If not, the outbox brings it back later, unless
  /// it did so already.
  [[nodiscard]] bool take(const shard::Effect& effect);
  /// The outbox may hold effects of any tenant that take() was not called for.
  void look_again();
  /// Whether pull() may find something.
  [[nodiscard]] bool wants_pull() const { return sweep_ || (has_room_again_ && !lagging_.empty()); }
  /// What fits, the tenants in turn, in one short read transaction. Error: of the projection.
  [[nodiscard]] base::Result<std::vector<shard::Effect>> pull();

  /// An effect of the window has so many more bytes, its outcome's.
  void grow(std::size_t bytes) { bytes_ += bytes; }
  /// The effect leaves the window. `bytes`: those that grow() added for it.
  void release(const shard::Effect& effect, std::size_t bytes);

  /// As made anew.
  void forget();

  [[nodiscard]] std::size_t held() const { return held_; }

 private:
  struct Lane {
    record::Lsn behind{};  ///< every pending effect up to here is or was in the window
    std::size_t held = 0;
  };
  [[nodiscard]] bool has_room(const Lane& lane) const;
  void hold(Lane& lane, const shard::Effect& effect);
  [[nodiscard]] base::Status sweep(const lmdb::Txn& txn);

  WindowLimits limits_;
  const projection::Projection& projection_;
  const shard::Outbox& outbox_;
  std::map<base::TenantId, Lane> lanes_;
  std::set<base::TenantId> lagging_;  ///< with effects in the outbox behind their lane
  base::TenantId last_pulled_;
  std::size_t held_ = 0;
  std::size_t bytes_ = 0;
  bool sweep_ = true;  ///< which tenants lag is not known
  bool has_room_again_ = false;
};

}  // namespace trv::effects
