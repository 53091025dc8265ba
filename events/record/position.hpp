#pragma once
// Where a record is.

#include "sdk/base/digest.hpp"
#include "sdk/base/strong_id.hpp"

namespace trv::record {

/// A shard's number; fits 32 bits.
using ShardId = base::StrongNumber<struct ShardIdTag>;
/// Gapless position of a record in its shard, from 1; 0 means "before the first".
using Lsn = base::StrongNumber<struct LsnTag>;
/// A shard's owner number, from 1; 0 means "never claimed".
using Epoch = base::StrongNumber<struct EpochTag>;

/// What the encoder must know of the place that a record will take.
struct Place {
  ShardId shard;
  Lsn lsn;
  Epoch epoch;
  base::Digest prev_hash{};  ///< of the record before; zeros for lsn 1

  friend bool operator==(const Place&, const Place&) = default;
};

}  // namespace trv::record
