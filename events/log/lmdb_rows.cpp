#include "events/log/lmdb_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "sdk/base/contract.hpp"

namespace trv::log {

using base::BytesView;
using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;

static_assert(std::endian::native == std::endian::little, "rows are stored as they are in memory");

namespace {

template <std::size_t count>
BytesView view_of(const std::array<std::uint64_t, count>& row) {
  return {reinterpret_cast<const std::uint8_t*>(row.data()), sizeof row};
}

template <std::size_t count>
Result<std::array<std::uint64_t, count>> row_of(BytesView bytes, record::ShardId shard, std::string_view what) {
  std::array<std::uint64_t, count> row{};
  if (bytes.size() != sizeof row) {
    return fail(ErrorCode::corrupt, fmt::format("the row of the {} of shard {} in the event log has {} bytes, not {}",
                                                what, shard.value(), bytes.size(), sizeof row));
  }
  std::memcpy(row.data(), bytes.data(), sizeof row);
  return row;
}

std::string end_key(record::ShardId shard) {
  return fmt::format("end.{}", shard.value());
}

constexpr std::size_t claim_key_bytes = 12;

std::array<std::uint8_t, claim_key_bytes> claim_key(record::ShardId shard, record::Lsn lsn) {
  std::array<std::uint8_t, claim_key_bytes> key{};
  for (std::size_t i = 0; i < 4; ++i) key[i] = static_cast<std::uint8_t>(shard.value() >> (24 - 8 * i));
  for (std::size_t i = 0; i < 8; ++i) key[4 + i] = static_cast<std::uint8_t>(lsn.value() >> (56 - 8 * i));
  return key;
}

}  // namespace

Result<ShardEnd> ShardEnd::read(const lmdb::Txn& txn, const lmdb::Table& unnamed, record::ShardId shard) {
  TRV_TRY_ASSIGN(const auto bytes, unnamed.get(txn, end_key(shard)));
  if (!bytes.has_value()) return ShardEnd{};
  TRV_TRY_ASSIGN(const auto row, row_of<7>(*bytes, shard, "end"));
  const ShardEnd end{.epoch = record::Epoch(row[0]),
                     .next = record::Lsn(row[1]),
                     .next_position = row[2],
                     .next_decision = record::Lsn(row[3]),
                     .decided_position = row[4],
                     .first = record::Lsn(row[5]),
                     .first_position = row[6]};
  if (!end.is_sound()) {
    return fail(ErrorCode::corrupt,
                fmt::format("the row of the end of shard {} in the event log contradicts itself", shard.value()));
  }
  return end;
}

bool ShardEnd::is_sound() const noexcept {
  return next_decision >= record::Lsn(1) && next >= next_decision && decided_position < next_position &&
         (decided_position == 0) == (next_decision == first) && first >= record::Lsn(1) && first <= next_decision &&
         first_position >= 1 &&
         (decided_position == 0 ? first_position == 1 : first < next_decision && first_position <= decided_position);
}

Status ShardEnd::write(lmdb::WriteTxn& txn, const lmdb::Table& unnamed, record::ShardId shard) const {
  TRV_EXPECTS(is_sound());
  const std::array<std::uint64_t, 7> row{epoch.value(),    next.value(),  next_position, next_decision.value(),
                                         decided_position, first.value(), first_position};
  return unnamed.put(txn, end_key(shard), view_of(row));
}

Result<std::optional<ClaimPlace>> ClaimPlace::before(const lmdb::Txn& txn, const lmdb::Table& claims,
                                                     record::ShardId shard, record::Lsn lsn) {
  const auto key = claim_key(shard, lsn);
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, claims));
  TRV_TRY_ASSIGN(const auto entry, cursor.seek_back(BytesView(key)));
  if (!entry.has_value() || !lmdb::begins_with(entry->key, BytesView(key).first(4))) return std::nullopt;
  TRV_TRY_ASSIGN(const auto row, row_of<2>(entry->value, shard, "claims"));
  std::uint64_t next = 0;
  for (const std::uint8_t byte : entry->key.subspan(4)) next = next << 8 | byte;
  return ClaimPlace{.position = row[0], .epoch = record::Epoch(row[1]), .next = record::Lsn(next)};
}

Status ClaimPlace::write(lmdb::WriteTxn& txn, const lmdb::Table& claims, record::ShardId shard) const {
  TRV_EXPECTS(position >= 1 && epoch >= record::Epoch(1) && next >= record::Lsn(1));
  const std::array<std::uint64_t, 2> row{position, epoch.value()};
  return claims.put(txn, BytesView(claim_key(shard, next)), view_of(row));
}

Status ClaimPlace::erase_before(lmdb::WriteTxn& txn, const lmdb::Table& claims, record::ShardId shard) const {
  const auto key = claim_key(shard, next);
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, claims));
  TRV_TRY_ASSIGN(std::optional<lmdb::Entry> entry, cursor.seek(BytesView(claim_key(shard, record::Lsn(0)))));
  while (entry.has_value() && std::ranges::lexicographical_compare(entry->key, key)) {
    TRV_TRY(cursor.erase());
    TRV_TRY_ASSIGN(entry, cursor.seek(BytesView(claim_key(shard, record::Lsn(0)))));
  }
  return {};
}

}  // namespace trv::log
