#pragma once
// The outbox: effects that were requested and have no outcome yet. Part of the projection; rows come and go with the
// effect events. An effect is pending, in the order of the records that put it there, or parked until it is released.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/lmdb/table.hpp"
#include "events/projection/projector.hpp"
#include "kernel/shard/effect.hpp"

namespace trv::shard {

/// An effect that goes out no more before it is released: the process died too often during a try, or its tenant moves
/// to another shard, where it is released.
struct ParkedEffect {
  std::string id;  ///< within its tenant; 32 hexadecimal digits
  Effect effect;
  std::uint32_t deaths = 0;  ///< ends of the process during a try; 0: the tenant moves
  base::Timestamp parked;
};

/// apply() on the shard's thread; the rest with any read transaction, on any thread.
class Outbox final : public projection::Projector {
 public:
  [[nodiscard]] std::string_view name() const override { return "outbox"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 5; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

  /// The first tenant behind `after`, in the order of names, that has pending effects.
  [[nodiscard]] base::Result<std::optional<base::TenantId>> tenant_behind(const lmdb::Txn& txn,
                                                                          std::string_view after) const;
  /// At most `count_max` pending effects of a tenant behind the position `after`, oldest first.
  [[nodiscard]] base::Result<std::vector<Effect>> pending(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                          record::Lsn after, std::size_t count_max) const;
  [[nodiscard]] base::Result<bool> is_pending(const lmdb::Txn& txn, const base::TenantId& tenant,
                                              record::Lsn position) const;

  struct Counts {
    std::uint64_t pending = 0;
    std::uint64_t parked = 0;
  };
  /// Of all tenants; in constant time.
  [[nodiscard]] base::Result<Counts> counts(const lmdb::Txn& txn) const;

  /// At most `count_max` parked effects of a tenant in the order of their ids, behind the id `after`.
  [[nodiscard]] base::Result<std::vector<ParkedEffect>> parked(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                               std::string_view after, std::size_t count_max) const;
  [[nodiscard]] base::Result<std::optional<ParkedEffect>> find_parked(const lmdb::Txn& txn,
                                                                      const base::TenantId& tenant,
                                                                      std::string_view id) const;

 private:
  template <typename Event>
  [[nodiscard]] base::Status end(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status park(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status release(lmdb::WriteTxn& txn, const record::RecordView& event);

  lmdb::Table pending_;  ///< tenant 0 position → since, and the effect
  lmdb::Table parked_;   ///< tenant 0 digest of the key → since, deaths, and the effect
};

}  // namespace trv::shard
