#pragma once
// The timers of a shard: rows of the projection, so that they survive whatever the shard survives. Projectors set and
// cancel them from events; the shard thread finds what is due. Nothing here reads a clock.

#include <compare>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/lmdb/table.hpp"
#include "events/projection/projector.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::shard {

struct Timer {
  base::Timestamp due;
  base::TenantId tenant;
  std::string owner;  ///< who is woken, for example "instance/<id>"; at most 200 bytes
  auto operator<=>(const Timer&) const = default;
};

/// Used on the shard's thread; due() and count() with any read transaction, on any thread. An owner has any number of
/// timers, one per due time. Its rows are written by the projectors that own the timers, so its own apply() has nothing
/// to do; put it before them.
class Timers final : public projection::Projector {
 public:
  [[nodiscard]] std::string_view name() const override { return "timers"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 1; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  [[nodiscard]] base::Status apply(lmdb::WriteTxn&, const record::RecordView&) override { return {}; }

  /// Idempotent. due not before 1970.
  [[nodiscard]] base::Status set(lmdb::WriteTxn& txn, const Timer& timer) const;
  /// Idempotent: a timer that is not there is no error.
  [[nodiscard]] base::Status cancel(lmdb::WriteTxn& txn, const Timer& timer) const;
  [[nodiscard]] base::Result<bool> contains(const lmdb::Txn& txn, const Timer& timer) const;
  /// Cancels every timer of the tenant and calls `take(timer)` for each; looks at all timers of the shard.
  [[nodiscard]] base::Status take_all(lmdb::WriteTxn& txn, const base::TenantId& tenant,
                                      const std::function<base::Status(const Timer&)>& take) const;
  /// Up to `count_max` timers due at or before `now`, earliest first.
  [[nodiscard]] base::Result<std::vector<Timer>> due(const lmdb::Txn& txn, base::Timestamp now,
                                                     std::size_t count_max) const;
  /// How many are set, of all owners; in constant time.
  [[nodiscard]] base::Result<std::uint64_t> count(const lmdb::Txn& txn) const { return table_.count(txn); }

 private:
  lmdb::Table table_;
};

}  // namespace trv::shard
