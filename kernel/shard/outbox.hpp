#pragma once
// The outbox: effects that were requested and have no outcome yet, and the keys of those that have one. Part of the
// projection; rows come and go with the effect events.

#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "events/lmdb/table.hpp"
#include "events/projection/projector.hpp"
#include "kernel/shard/effect.hpp"

namespace trv::shard {

enum class EffectState { unknown, pending, settled };

/// Used on the shard's thread.
class Outbox final : public projection::Projector {
 public:
  [[nodiscard]] std::string_view name() const override { return "outbox"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 1; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

  /// Whether the effect was requested and whether its outcome is known.
  [[nodiscard]] base::Result<EffectState> state_of(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                   std::string_view key) const;
  /// Every effect without outcome, in key order.
  [[nodiscard]] base::Status for_each_pending(const lmdb::Txn& txn, const std::function<void(Effect)>& visit) const;

  /// The effects applied since the last call; the shard hands them out once they are durable, or drops them.
  [[nodiscard]] std::vector<Effect> take_new() { return std::exchange(new_, {}); }

 private:
  lmdb::Table pending_;
  lmdb::Table settled_;
  std::vector<Effect> new_;
};

}  // namespace trv::shard
