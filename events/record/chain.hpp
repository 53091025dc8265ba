#pragma once
// The hash chain over a shard's valid records.

#include <cstdint>

#include "events/record/position.hpp"
#include "events/record/record.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::record {

/// Checks that records follow one another: same shard, lsn without gap, epoch and time never less, prev_hash right. One
/// thread.
class ChainVerifier {
 public:
  /// Starts at lsn 1.
  explicit ChainVerifier(ShardId shard) noexcept : shard_(shard) {}
  /// Starts after the record `last` of this epoch and time, whose stored bytes hash to `last_hash`.
  ChainVerifier(ShardId shard, Lsn last, Epoch epoch, base::Timestamp time, const base::Digest& last_hash) noexcept
      : shard_(shard), last_(last), epoch_(epoch), time_(time), last_hash_(last_hash) {}
  /// Starts at `first` without knowledge of what comes before: the first record's prev_hash and time are taken on
  /// trust.
  [[nodiscard]] static ChainVerifier from(ShardId shard, Lsn first) noexcept;

  /// Takes the record as the next one. Error: corrupt, naming shard, lsn and what does not fit; then nothing changed.
  [[nodiscard]] base::Status accept(const RecordView& record);

  [[nodiscard]] Lsn last() const noexcept { return last_; }
  [[nodiscard]] Epoch epoch() const noexcept { return epoch_; }
  /// Of the last accepted record; the earliest there is before the first.
  [[nodiscard]] base::Timestamp time() const noexcept { return time_; }
  /// Of the last accepted record; zeros before the first.
  [[nodiscard]] const base::Digest& last_hash() const noexcept { return last_hash_; }

 private:
  static constexpr base::Timestamp earliest{INT64_MIN};

  ShardId shard_;
  Lsn last_;
  Epoch epoch_;
  base::Timestamp time_ = earliest;
  base::Digest last_hash_{};
  bool trust_first_ = false;
};

}  // namespace trv::record
