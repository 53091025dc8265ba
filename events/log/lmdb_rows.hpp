#pragma once
// The rows of the embedded log's two small tables. All numbers little-endian.

#include <cstdint>
#include <optional>

#include "events/lmdb/table.hpp"
#include "events/record/position.hpp"
#include "sdk/base/result.hpp"

namespace trv::log {

/// Where a shard's log ends; table "shards", key: shard.
struct ShardEnd {
  record::Epoch epoch;
  record::Lsn next{1};
  std::uint64_t next_position = 1;
  std::uint64_t last_record_position = 0;  ///< 0: no record yet

  /// A shard that was never claimed gives the row that stands before the first entry.
  [[nodiscard]] static base::Result<ShardEnd> read(const lmdb::Txn& txn, const lmdb::Table& shards,
                                                   record::ShardId shard);
  [[nodiscard]] base::Status write(lmdb::WriteTxn& txn, const lmdb::Table& shards, record::ShardId shard) const;
};

/// Where a claim stands; table "claims", key: shard, then lsn of the first record behind the claim, both big-endian. Of
/// claims without a record between them the last one stays. Between claims, positions and lsns grow together.
struct ClaimPlace {
  std::uint64_t position = 0;
  record::Epoch epoch;
  record::Lsn next{1};  ///< lsn of the first record behind it; the key's

  /// The last claim before the record `lsn`; nullopt if there is none.
  [[nodiscard]] static base::Result<std::optional<ClaimPlace>> before(const lmdb::Txn& txn, const lmdb::Table& claims,
                                                                      record::ShardId shard, record::Lsn lsn);
  [[nodiscard]] base::Status write(lmdb::WriteTxn& txn, const lmdb::Table& claims, record::ShardId shard) const;
};

}  // namespace trv::log
