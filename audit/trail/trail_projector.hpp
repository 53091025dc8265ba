#pragma once
// Keeps every tenant's trail in its shard's projection: one entry for each record, in the same transaction as all other
// state. What was not audited did not happen.

#include <map>
#include <string>
#include <string_view>

#include "audit/trail/tables.hpp"
#include "events/projection/projector.hpp"
#include "events/record/stays.hpp"

namespace trv::trail {

/// The shard's thread. A record becomes the next entry of its tenant's tree, in log order.
class TrailProjector final : public projection::Projector {
 public:
  explicit TrailProjector(record::PlaceOf place_of = record::place_without_moves) : place_of_(std::move(place_of)) {}

  [[nodiscard]] std::string_view name() const override { return "audit"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 3; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  void begin() override { growing_.clear(); }
  /// Error: corrupt where the tables are damaged; invalid for a tenant that is not a key; what LMDB reports.
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& record) override;
  /// The hash of the record's leaf.
  void prepare(const record::RecordView& record, std::string& out) const override;
  [[nodiscard]] base::Status apply_prepared(lmdb::WriteTxn& txn, const record::RecordView& record,
                                            std::string_view prepared) override;
  /// Writes the sizes and edges of the trails that grew: once in a transaction, however many entries it adds.
  [[nodiscard]] base::Status finish(lmdb::WriteTxn& txn) override;

  /// After open(); for readers of the same environment, once its transaction has committed.
  [[nodiscard]] const Tables& tables() const noexcept { return tables_; }

 private:
  /// A trail that grew in this transaction.
  struct Growing {
    merkle::Frontier frontier;
    PlacesRow places;  ///< of the last row; empty where that is full
  };
  [[nodiscard]] base::Result<Growing*> growing(const lmdb::WriteTxn& txn, std::string_view tenant);
  [[nodiscard]] base::Status write(lmdb::WriteTxn& txn, const std::string& tenant, const Growing& trail);

  const record::PlaceOf place_of_;
  Tables tables_;
  std::map<std::string, Growing, std::less<>> growing_;
  std::string leaf_;  // memory that the next record uses again; holds nothing between calls
};

}  // namespace trv::trail
