#include "events/record/stays.hpp"

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::record {
namespace {

constexpr std::uint64_t lsn_mask = (std::uint64_t{1} << lsn_bits) - 1;

}  // namespace

Lsn in_stay(std::size_t moves, Lsn lsn) {
  TRV_EXPECTS(lsn.value() <= lsn_mask && moves < std::size_t{1} << 15);
  return Lsn(std::uint64_t{moves} << lsn_bits | lsn.value());
}

Lsn Stays::place(Lsn lsn) const {
  return in_stay(earlier.size(), lsn);
}

ShardId Stays::shard_of(Lsn place) const {
  const std::uint64_t number = place.value() >> lsn_bits;
  TRV_EXPECTS(number <= earlier.size());
  return number == earlier.size() ? shard : earlier[number].shard;
}

Lsn Stays::lsn_of(Lsn place) noexcept {
  return Lsn(place.value() & lsn_mask);
}

std::optional<Lsn> Stays::find(ShardId wanted, Lsn lsn) const {
  std::optional<Lsn> found;
  for (std::size_t i = 0; i < earlier.size(); ++i) {
    if (earlier[i].shard != wanted) continue;
    found = in_stay(i, lsn);
    if (lsn <= earlier[i].last) return found;
  }
  return shard == wanted ? place(lsn) : found;
}

std::optional<Lsn> Stays::first_in(ShardId wanted, Lsn place) const {
  const std::size_t begin = place.value() >> lsn_bits;
  TRV_EXPECTS(begin <= earlier.size());
  std::optional<Lsn> needed;
  for (std::size_t i = begin; i <= earlier.size(); ++i) {
    const Stay stay = i < earlier.size() ? earlier[i] : Stay{.shard = shard, .first = first, .last = {}};
    if (stay.shard != wanted) continue;
    const Lsn from = i == begin ? lsn_of(place) : stay.first;
    needed = needed ? std::min(*needed, from) : from;
  }
  return needed;
}

}  // namespace trv::record
