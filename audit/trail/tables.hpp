#pragma once
// How trails are kept in a shard's projection. Only this module reads or writes these tables.
//
//   audit_size    tenant                          -> size ‖ edge: the roots of the complete subtrees that the entries
//                                                    split into, largest first
//   audit_places  tenant ‖ 0 ‖ index / 256        -> the places of 256 entries (see events/record/stays.hpp): the
//                                                    first, then the distance of each from the one before, minus one,
//                                                    in base 128, low digits first
//   audit_nodes   tenant ‖ 0 ‖ level ‖ index      -> hash; only levels 4, 8, 12, …
//
// Other numbers are big-endian, 8 bytes; a level is one byte. A tenant's name has no zero byte, so no tenant's keys lie
// among those of another. An entry follows from its record in the log, a leaf's hash from the entry, and nodes of other
// levels from at most sixteen leaves or eight of the stored nodes below.

#include <cstdint>
#include <string_view>
#include <vector>

#include "audit/merkle/tree.hpp"
#include "events/lmdb/table.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::trail {

/// Handles; cheap to copy.
struct Tables {
  lmdb::Table size;
  lmdb::Table places;
  lmdb::Table nodes;

  [[nodiscard]] static base::Result<Tables> create(lmdb::WriteTxn& txn);
};

inline constexpr std::uint32_t stored_levels = 4;
/// Entries whose positions share a row.
inline constexpr std::uint64_t places_per_row = 256;

/// A key in place, without allocation.
class TrailKey {
 public:
  /// The key of a tenant in audit_places. Precondition: tenant.size() <= 255.
  [[nodiscard]] static TrailKey places(std::string_view tenant, std::uint64_t row);
  /// The key of a tenant in audit_nodes. Precondition: tenant.size() <= 255.
  [[nodiscard]] static TrailKey node(std::string_view tenant, merkle::NodeAddress address);

  [[nodiscard]] base::BytesView view() const noexcept { return {bytes_.data(), size_}; }

 private:
  explicit TrailKey(std::string_view tenant);
  void add(std::uint8_t byte) { bytes_[size_++] = byte; }
  void add(std::uint64_t number);

  std::array<std::uint8_t, 265> bytes_;
  std::size_t size_ = 0;
};

void put_number(std::uint8_t* to, std::uint64_t number) noexcept;
/// Of the first eight bytes.
[[nodiscard]] std::uint64_t get_number(const std::uint8_t* from) noexcept;

/// A row of audit_places while it grows. One thread.
class PlacesRow {
 public:
  PlacesRow() = default;
  /// Takes up a row that holds `count` positions. Error: corrupt.
  [[nodiscard]] static base::Result<PlacesRow> parse(base::BytesView bytes, std::uint64_t count);

  /// lsn > last(); fewer than places_per_row positions so far.
  void add(std::uint64_t lsn);
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
  [[nodiscard]] base::BytesView bytes() const noexcept { return bytes_; }

 private:
  base::Bytes bytes_;
  std::uint64_t count_ = 0;
  std::uint64_t last_ = 0;
};

/// The positions in a row, in order. Error: corrupt.
[[nodiscard]] base::Result<std::vector<std::uint64_t>> parse_places(base::BytesView bytes);

/// The value in audit_size. Error: corrupt.
[[nodiscard]] base::Result<merkle::Frontier> parse_frontier(std::string_view tenant, base::BytesView value);

}  // namespace trv::trail
