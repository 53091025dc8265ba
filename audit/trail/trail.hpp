#pragma once
// Reading a trail: the entries and tree of one tenant, as of one read transaction.

#include <optional>
#include <vector>

#include "audit/export/source.hpp"
#include "audit/trail/tables.hpp"
#include "events/record/position.hpp"
#include "sdk/base/identity.hpp"

namespace trv::trail {

/// The nodes of a tenant's tree; those that are not stored are computed from the ones below.
class TrailNodes final : public merkle::NodeReader {
 public:
  /// Borrows the transaction.
  TrailNodes(const lmdb::Txn& txn, const Tables& tables, base::TenantId tenant, std::uint64_t size)
      : txn_(&txn), tables_(tables), tenant_(std::move(tenant)), size_(size) {}

  [[nodiscard]] base::Result<std::optional<base::Digest>> node(merkle::NodeAddress address) const override;

 private:
  [[nodiscard]] base::Result<base::Digest> complete(merkle::NodeAddress address) const;

  const lmdb::Txn* txn_;
  Tables tables_;
  base::TenantId tenant_;
  std::uint64_t size_;
};

/// One tenant's trail, frozen at its transaction: a transaction of the projection sees committed records only, so a
/// checkpoint never covers an entry that could still be lost. A tenant that does not exist has an empty trail. The
/// transaction and the key are borrowed; thread rule of the transaction.
class Trail final : public exporting::TrailSource {
 public:
  /// The key's name becomes the origin of checkpoints. Error: corrupt.
  [[nodiscard]] static base::Result<Trail> open(const lmdb::ReadTxn& txn, const Tables& tables,
                                                const base::TenantId& tenant, const note::SigningKey& key);

  [[nodiscard]] base::Result<std::uint64_t> size() const override { return frontier_.size(); }
  [[nodiscard]] base::Result<base::Bytes> entry(std::uint64_t index) const override;
  /// Signs the tree of size() entries.
  [[nodiscard]] base::Result<std::string> checkpoint() const override;
  [[nodiscard]] const merkle::NodeReader& nodes() const override { return nodes_; }
  [[nodiscard]] note::VerifierKey key() const override { return key_->verifier(); }

  [[nodiscard]] base::Digest root() const { return frontier_.root(); }
  /// The entry of the record at this position of the tenant's shard; nullopt where that is not a record of this tenant.
  /// A binary search.
  [[nodiscard]] base::Result<std::optional<std::uint64_t>> index_of(record::Lsn lsn) const;

 private:
  Trail(const lmdb::ReadTxn& txn, const Tables& tables, const base::TenantId& tenant, const note::SigningKey& key,
        const merkle::Frontier& frontier)
      : txn_(&txn),
        tables_(tables),
        tenant_(tenant),
        key_(&key),
        frontier_(frontier),
        nodes_(txn, tables, tenant, frontier.size()) {}

  const lmdb::ReadTxn* txn_;
  Tables tables_;
  base::TenantId tenant_;
  const note::SigningKey* key_;
  merkle::Frontier frontier_;
  TrailNodes nodes_;
};

/// The positions of a tenant's records behind `after`, in order: the first `count`. What other tenants write costs
/// nothing. Error: corrupt.
[[nodiscard]] base::Result<std::vector<record::Lsn>> positions_after(const lmdb::Txn& txn, const Tables& tables,
                                                                     const base::TenantId& tenant, record::Lsn after,
                                                                     std::size_t count);

}  // namespace trv::trail
