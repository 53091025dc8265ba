#pragma once
// Which tenants of a shard have come from another one, are on their way, or have gone; and where their records are.
// Part of the projection; only tenants that have moved have a row. How a tenant moves: docs/decisions/0060.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "events/projection/projector.hpp"
#include "events/record/stays.hpp"
#include "kernel/shard/tenant_rows.hpp"
#include "kernel/shard/timers.hpp"
#include "sdk/base/identity.hpp"

namespace trv::shard {

/// What the tenant is in this shard.
enum class Presence : std::uint8_t {
  here,      ///< it lives here
  departed,  ///< it has left for another shard, and decides nothing here any more; its rows stay as they are
  arriving,  ///< some of its rows are here
  gone,      ///< it has left, and its rows are erased
};

struct Residency {
  Presence presence = Presence::here;
  std::uint64_t move = 0;  ///< the last one, in or out
  record::ShardId other;   ///< of that move
  record::Stays stays;     ///< while it is here or departed
  record::Lsn last;        ///< where it departed
  CopyMark mark;           ///< while it arrives
};

/// apply(), place() and check_here() on the shard's thread; the rest with any read transaction, on any thread.
class Residence final : public projection::Projector {
 public:
  /// `timers` outlives this and is before it among the projectors.
  explicit Residence(const Timers& timers) : timers_(timers) {}

  [[nodiscard]] std::string_view name() const override { return "residence"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 1; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  void begin() override { is_known_ = is_known_ && !has_changed_; }
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

  /// The place in its tenant's history of the record that is being applied.
  [[nodiscard]] record::Lsn place(const record::RecordView& record) const;
  /// Whether the tenant may be changed here. Error: unavailable, with where it is or goes.
  [[nodiscard]] base::Status check_here(const lmdb::Txn& txn, const base::TenantId& tenant);

  /// nullopt: it has never moved, or never been here.
  [[nodiscard]] base::Result<std::optional<Residency>> find(const lmdb::Txn& txn, const base::TenantId& tenant) const;
  /// Where the records of a tenant of `shard` are, which is this one.
  [[nodiscard]] base::Result<record::Stays> stays(const lmdb::Txn& txn, record::ShardId shard,
                                                  const base::TenantId& tenant) const;
  [[nodiscard]] const TenantRows& rows() const noexcept { return rows_; }

  /// The layouts of the projections between which rows are copied: rows of another one cannot be taken.
  void set_layout(std::string layout) { layout_ = std::move(layout); }
  [[nodiscard]] const std::string& layout() const noexcept { return layout_; }

 private:
  struct Known {
    Presence presence = Presence::here;
    record::ShardId other;
    std::size_t stays = 0;  ///< earlier ones
  };
  [[nodiscard]] base::Status learn(const lmdb::Txn& txn);
  [[nodiscard]] base::Status depart(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status copy(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status arrive(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status erase(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status put(lmdb::WriteTxn& txn, const base::TenantId& tenant, const Residency& residency);

  const Timers& timers_;
  TenantRows rows_;
  std::string layout_;
  lmdb::Table table_;        ///< tenant → Residency
  lmdb::Table held_timers_;  ///< tenant 0 due owner; of tenants that have departed or arrive
  // Of the shard's thread: every row, in short; void where the transaction that changed it may have been undone.
  std::map<std::string, Known, std::less<>> known_;
  bool is_known_ = false;
  bool has_changed_ = false;
};

}  // namespace trv::shard
