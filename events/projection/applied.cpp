#include "events/projection/applied.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace trv::projection {

static_assert(std::endian::native == std::endian::little, "rows are stored as they are in memory");

std::array<std::uint8_t, applied_bytes> to_row(const Applied& applied) {
  std::array<std::uint8_t, applied_bytes> row{};
  const std::uint64_t lsn = applied.lsn.value();
  const std::uint64_t epoch = applied.epoch.value();
  std::memcpy(row.data(), &lsn, 8);
  std::memcpy(row.data() + 8, &epoch, 8);
  std::memcpy(row.data() + 16, applied.last_hash.data(), 32);
  const std::int64_t time_ns = applied.time.ns();
  std::memcpy(row.data() + 48, &time_ns, 8);
  row[56] = static_cast<std::uint8_t>(applied.position.bytes().size());
  std::ranges::copy(applied.position.bytes(), row.begin() + 57);
  return row;
}

base::Result<Applied> read_applied(const lmdb::Txn& txn, const lmdb::Table& table) {
  TRV_TRY_ASSIGN(const auto stored, table.get(txn, applied_key));
  if (!stored.has_value()) return Applied{};
  const base::BytesView row = *stored;
  if (row.size() != applied_bytes || row[56] > log::EnginePosition::bytes_max) {
    return base::fail(
        base::ErrorCode::corrupt,
        fmt::format("the row {} of the projection has {} bytes or names no position", applied_key, row.size()));
  }
  Applied applied;
  std::uint64_t lsn = 0;
  std::uint64_t epoch = 0;
  std::memcpy(&lsn, row.data(), 8);
  std::memcpy(&epoch, row.data() + 8, 8);
  std::int64_t time_ns = 0;
  std::memcpy(applied.last_hash.data(), row.data() + 16, 32);
  std::memcpy(&time_ns, row.data() + 48, 8);
  applied.time = base::Timestamp(time_ns);
  applied.position = log::EnginePosition(row.subspan(57, row[56]));
  applied.lsn = record::Lsn(lsn);
  applied.epoch = record::Epoch(epoch);
  return applied;
}

}  // namespace trv::projection
