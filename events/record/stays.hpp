#pragma once
// Where the records of a tenant are that has moved between shards. Pure; any thread.
//
// A projection names a record of a tenant by its place in the tenant's history: the lsn in its shard and, in the bits
// above it, how often the tenant had moved before. So places grow over moves though lsns do not, and the place of a
// tenant that has never moved is the lsn.

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "events/record/position.hpp"
#include "events/record/record.hpp"

namespace trv::record {

/// The tenant's last record in a shard that it leaves, and the first that is an entry of its trail in the next.
inline constexpr std::string_view departed_type = "trv.tenant.departed";
inline constexpr std::string_view arrived_type = "trv.tenant.arrived";
/// What the types of the records begin with by which a move copies and erases the tenant's rows; its trail, which is
/// among those, does not have them as entries.
inline constexpr std::string_view rows_types = "trv.rows.";
inline constexpr std::string_view rows_copied_type = "trv.rows.copied";
inline constexpr std::string_view rows_erased_type = "trv.rows.erased";

/// lsns are smaller than 2^48, and a tenant moves less often than 2^15 times.
inline constexpr unsigned lsn_bits = 48;

/// The place of a record that a projector applies. Called on the shard's thread.
using PlaceOf = std::function<Lsn(const RecordView& record)>;
[[nodiscard]] inline Lsn place_without_moves(const RecordView& record) {
  return record.lsn();
}

/// Of a record at `lsn`, after so many moves.
[[nodiscard]] Lsn in_stay(std::size_t moves, Lsn lsn);

/// A tenant's time in one shard: its records there are none before `first` and none behind `last`.
struct Stay {
  ShardId shard;
  Lsn first;
  Lsn last;

  friend bool operator==(const Stay&, const Stay&) = default;
};

struct Stays {
  std::vector<Stay> earlier;  ///< oldest first
  ShardId shard;              ///< of the present stay
  Lsn first = Lsn(1);         ///< of the present stay

  /// Of a record in the present stay.
  [[nodiscard]] Lsn place(Lsn lsn) const;
  /// Contract: a place in one of the stays.
  [[nodiscard]] ShardId shard_of(Lsn place) const;
  [[nodiscard]] static Lsn lsn_of(Lsn place) noexcept;
  /// Of the record at `lsn` of `shard`, or of where it would be. nullopt: the tenant has never been in that shard.
  [[nodiscard]] std::optional<Lsn> find(ShardId shard, Lsn lsn) const;
  /// The first lsn of `wanted` that the tenant's history from `place` on needs. nullopt: it needs none.
  [[nodiscard]] std::optional<Lsn> first_in(ShardId wanted, Lsn place) const;
};

}  // namespace trv::record
