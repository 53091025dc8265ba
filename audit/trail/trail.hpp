#pragma once
// Reading a trail: the entries and tree of one tenant, as of one read transaction. Entries are made from their records,
// so the log must still hold those: it is trimmed below no entry that is to be read or proved again.

#include <optional>
#include <vector>

#include "audit/export/source.hpp"
#include "audit/trail/tables.hpp"
#include "events/log/record_lookup.hpp"
#include "events/record/position.hpp"
#include "sdk/base/identity.hpp"

namespace trv::trail {

/// The nodes and entries of a tenant's tree; nodes that are not stored are computed from what is below them.
class TrailNodes final : public merkle::NodeReader {
 public:
  /// Borrows the transaction and the records.
  TrailNodes(const lmdb::Txn& txn, const Tables& tables, base::TenantId tenant, std::uint64_t size,
             log::RecordLookup& records)
      : txn_(&txn), tables_(tables), tenant_(std::move(tenant)), size_(size), records_(&records) {}

  [[nodiscard]] base::Result<std::optional<base::Digest>> node(merkle::NodeAddress address) const override;
  /// index < size. Errors: corrupt where the record is not one of this tenant; of the log.
  [[nodiscard]] base::Result<base::Bytes> entry(std::uint64_t index) const;
  /// The positions of a row of entries.
  [[nodiscard]] base::Result<std::vector<std::uint64_t>> places(std::uint64_t row) const;

 private:
  [[nodiscard]] base::Result<base::Digest> complete(merkle::NodeAddress address) const;

  const lmdb::Txn* txn_;
  Tables tables_;
  base::TenantId tenant_;
  std::uint64_t size_;
  log::RecordLookup* records_;
  // What was asked for last is often asked for again: an export reads an entry, its neighbours and its hash.
  mutable std::pair<std::uint64_t, std::vector<std::uint64_t>> last_places_;
  mutable std::optional<std::pair<std::uint64_t, base::Bytes>> last_entry_;
};

/// One tenant's trail, frozen at its transaction: a transaction of the projection sees committed records only, so a
/// checkpoint never covers an entry that could still be lost. A tenant that does not exist has an empty trail. The
/// transaction, the key and the records are borrowed; thread rule of the transaction and of the records.
class Trail final : public exporting::TrailSource {
 public:
  /// The key's name becomes the origin of checkpoints. Error: corrupt.
  [[nodiscard]] static base::Result<Trail> open(const lmdb::ReadTxn& txn, const Tables& tables,
                                                const base::TenantId& tenant, const note::SigningKey& key,
                                                log::RecordLookup& records);

  [[nodiscard]] base::Result<std::uint64_t> size() const override { return frontier_.size(); }
  [[nodiscard]] base::Result<base::Bytes> entry(std::uint64_t index) const override;
  /// Signs the tree of size() entries.
  [[nodiscard]] base::Result<std::string> checkpoint() const override;
  [[nodiscard]] const merkle::NodeReader& nodes() const override { return nodes_; }
  [[nodiscard]] note::VerifierKey key() const override { return key_->verifier(); }

  [[nodiscard]] base::Digest root() const { return frontier_.root(); }
  /// The entry of the record at this place in the tenant's history (events/record/stays.hpp); nullopt where that is not
  /// a record of this tenant. A binary search.
  [[nodiscard]] base::Result<std::optional<std::uint64_t>> index_of(record::Lsn place) const;

 private:
  Trail(const lmdb::ReadTxn& txn, const Tables& tables, const base::TenantId& tenant, const note::SigningKey& key,
        const merkle::Frontier& frontier, log::RecordLookup& records)
      : tenant_(tenant), key_(&key), frontier_(frontier), nodes_(txn, tables, tenant, frontier.size(), records) {}

  base::TenantId tenant_;
  const note::SigningKey* key_;
  merkle::Frontier frontier_;
  TrailNodes nodes_;
};

/// The places in its history of a tenant's records behind `after`, in order: the first `count`. What other tenants
/// write costs nothing. Error: corrupt.
[[nodiscard]] base::Result<std::vector<record::Lsn>> positions_after(const lmdb::Txn& txn, const Tables& tables,
                                                                     const base::TenantId& tenant, record::Lsn after,
                                                                     std::size_t count);

}  // namespace trv::trail
