#pragma once
// How trails are in a shard's projection. Only this module reads or writes these tables.
//
//   audit_size     tenant                          -> size ‖ edge: the roots of the complete subtrees that the entries
//                                                     split into, largest first
//   audit_entries  tenant ‖ 0 ‖ index              -> lsn ‖ leaf hash ‖ entry
//   audit_nodes    tenant ‖ 0 ‖ level ‖ index      -> hash; only levels 4, 8, 12, …
//
// Numbers are big-endian, 8 bytes; a level is one byte. A tenant's name has no zero byte, so no tenant's keys lie among
// those of another. Nodes of other levels follow from at most eight of the stored ones below, which saves the writer
// all but one in sixteen writes.

#include <cstdint>
#include <string_view>

#include "audit/merkle/tree.hpp"
#include "events/lmdb/table.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::trail {

/// Handles; cheap to copy.
struct Tables {
  lmdb::Table size;
  lmdb::Table entries;
  lmdb::Table nodes;

  [[nodiscard]] static base::Result<Tables> create(lmdb::WriteTxn& txn);
};

inline constexpr std::uint32_t stored_levels = 4;
inline constexpr std::size_t entry_header_bytes = 8 + sizeof(base::Digest);

/// A key in place, without allocation.
class TrailKey {
 public:
  /// The key of a tenant in audit_entries. Precondition: tenant.size() <= 255.
  [[nodiscard]] static TrailKey entry(std::string_view tenant, std::uint64_t index);
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

/// The value in audit_size. Error: corrupt.
[[nodiscard]] base::Result<merkle::Frontier> parse_frontier(std::string_view tenant, base::BytesView value);

}  // namespace trv::trail
