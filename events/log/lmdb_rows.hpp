#pragma once
// The rows of the embedded log beside its entries. All numbers little-endian.

#include <cstdint>
#include <optional>

#include "events/lmdb/table.hpp"
#include "events/record/position.hpp"
#include "sdk/base/result.hpp"

namespace trv::log {

/// Where a shard's log ends; a row of the table without a name, key: "end." and the shard. Every commit writes that
/// table's page, because it leads to the entries: the row costs no page of its own.
struct ShardEnd {
  record::Epoch epoch;
  record::Lsn next{1};  ///< of the next record under this epoch
  std::uint64_t next_position = 1;
  record::Lsn next_decision{1};        ///< lsn after the last whole decision: where the next claim goes on
  std::uint64_t decided_position = 0;  ///< of the last record of the last whole decision; 0: none yet
  record::Lsn first{1};                ///< of the first record that was not trimmed
  std::uint64_t first_position = 1;    ///< of the first entry that was not trimmed

  /// A shard that was never claimed gives the row before the first entry.
  [[nodiscard]] static base::Result<ShardEnd> read(const lmdb::Txn& txn, const lmdb::Table& unnamed,
                                                   record::ShardId shard);
  [[nodiscard]] base::Status write(lmdb::WriteTxn& txn, const lmdb::Table& unnamed, record::ShardId shard) const;

 private:
  [[nodiscard]] bool is_sound() const noexcept;
};

/// Where a claim is; table "claims", key: shard, then lsn of the first record behind the claim, both big-endian. Of
/// claims with the same first lsn the last one stays. Behind a claim, positions and lsns grow together up to the next
/// claim; what the next claim made void keeps its positions only (docs/formats/embedded-log.md).
struct ClaimPlace {
  std::uint64_t position = 0;
  record::Epoch epoch;
  record::Lsn next{1};  ///< lsn of the first record behind it; the key's

  /// The last claim before the record `lsn`; nullopt if there is none.
  [[nodiscard]] static base::Result<std::optional<ClaimPlace>> before(const lmdb::Txn& txn, const lmdb::Table& claims,
                                                                      record::ShardId shard, record::Lsn lsn);
  [[nodiscard]] base::Status write(lmdb::WriteTxn& txn, const lmdb::Table& claims, record::ShardId shard) const;
  /// Erases the rows of the shard with smaller lsns.
  [[nodiscard]] base::Status erase_before(lmdb::WriteTxn& txn, const lmdb::Table& claims, record::ShardId shard) const;
};

}  // namespace trv::log
