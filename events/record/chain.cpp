#include "events/record/chain.hpp"

#include <fmt/format.h>

#include "sdk/base/contract.hpp"

namespace trv::record {

using base::ErrorCode;
using base::fail;

ChainVerifier ChainVerifier::from(ShardId shard, Lsn first) noexcept {
  TRV_EXPECTS(first >= Lsn(1));
  ChainVerifier verifier(shard);
  if (first > Lsn(1)) {
    verifier.last_ = Lsn(first.value() - 1);
    verifier.trust_first_ = true;
  }
  return verifier;
}

base::Status ChainVerifier::accept(const RecordView& record) {
  const auto broken = [&](std::string what) {
    return fail(ErrorCode::corrupt, fmt::format("the chain of shard {} breaks after lsn {}: {}", shard_.value(),
                                                last_.value(), std::move(what)));
  };
  if (record.shard() != shard_) return broken(fmt::format("the record is of shard {}", record.shard().value()));
  if (record.lsn() != last_.next()) return broken(fmt::format("the record has lsn {}", record.lsn().value()));
  if (record.epoch() < epoch_) {
    return broken(fmt::format("epoch {} follows epoch {}", record.epoch().value(), epoch_.value()));
  }
  if (record.time() < time_) {
    return broken(fmt::format("time runs backwards: the record has {} ns, the record before has {} ns",
                              record.time().ns(), time_.ns()));
  }
  if (!trust_first_ && record.prev_hash() != last_hash_) {
    return broken(fmt::format("the record's prev_hash is {}, but the record before hashes to {}",
                              base::to_hex(record.prev_hash()), base::to_hex(last_hash_)));
  }
  trust_first_ = false;
  last_ = record.lsn();
  epoch_ = record.epoch();
  time_ = record.time();
  last_hash_ = record.hash();
  TRV_ENSURES(last_ >= Lsn(1) && epoch_ >= Epoch(1));
  return {};
}

}  // namespace trv::record
