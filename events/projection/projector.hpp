#pragma once
// The projector port: code that derives state from records.

#include <cstdint>
#include <string>
#include <string_view>

#include "events/lmdb/env.hpp"
#include "events/record/record.hpp"
#include "sdk/base/result.hpp"

namespace trv::projection {

/// Called by the shard's thread only. apply() is the only code that changes its tables, live and in replay alike, and
/// depends on nothing but the record and those tables: no clock, no randomness, no other state in memory that replay
/// would not rebuild.
class Projector {
 public:
  virtual ~Projector() = default;
  /// Short and stable, lower case, for example "instances"; its tables begin with it.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// Raise it whenever the tables' content for the same log changes: older projections are then rebuilt.
  [[nodiscard]] virtual std::uint32_t layout_version() const = 0;
  /// Creates or opens its tables. Called whenever the environment was opened; forget what was known of another.
  [[nodiscard]] virtual base::Status open(lmdb::WriteTxn& txn) = 0;
  /// Before the first apply() of a transaction: what an earlier one held back and did not commit is void.
  virtual void begin() {}
  /// `record` knows its hash. On error the transaction is aborted.
  [[nodiscard]] virtual base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& record) = 0;
  /// The part of apply() that needs nothing but the record, where it is worth a thread of its own: appends to `out`
  /// what apply_prepared() is then handed. Any thread; a replay does it ahead of the records that are being applied.
  virtual void prepare(const record::RecordView& record, std::string& out) const {
    static_cast<void>(record);
    static_cast<void>(out);
  }
  /// The rest of apply(), with the same effect as the whole of it. `prepared` is what prepare() appended for `record`.
  [[nodiscard]] virtual base::Status apply_prepared(lmdb::WriteTxn& txn, const record::RecordView& record,
                                                    std::string_view prepared) {
    static_cast<void>(prepared);
    return apply(txn, record);
  }
  /// Before the log takes the records that were applied last: writes what apply() held back, which readers of this
  /// transaction did not see. A transaction goes on behind it, or is committed. On error it is aborted.
  [[nodiscard]] virtual base::Status finish(lmdb::WriteTxn& txn) {
    static_cast<void>(txn);
    return {};
  }
};

}  // namespace trv::projection
