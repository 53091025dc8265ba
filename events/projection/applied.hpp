#pragma once
// How far a log is applied to a projection: a row of the projection itself.

#include <array>

#include "events/lmdb/table.hpp"
#include "events/log/engine_position.hpp"
#include "events/record/position.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::projection {

struct Applied {
  record::Lsn lsn;
  record::Epoch epoch;
  base::Digest last_hash{};      ///< of the record at `lsn` as stored; zeros at lsn 0
  base::Timestamp time;          ///< of the record at `lsn`
  log::EnginePosition position;  ///< of the record at `lsn`

  friend bool operator==(const Applied&, const Applied&) = default;
};

inline constexpr std::string_view applied_table = "projection.applied";
inline constexpr std::string_view applied_key = "applied";
inline constexpr std::size_t applied_bytes = 8 + 8 + 32 + 8 + 1 + log::EnginePosition::bytes_max;

[[nodiscard]] std::array<std::uint8_t, applied_bytes> to_row(const Applied& applied);
/// As of the transaction; lsn 0 where there is no row. `table` is the applied_table. Error: corrupt.
[[nodiscard]] base::Result<Applied> read_applied(const lmdb::Txn& txn, const lmdb::Table& table);

}  // namespace trv::projection
