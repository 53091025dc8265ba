#pragma once
// A fake log for tests: a stated fault model over the same rules.
//
// It has no index, as Kafka has none: a reader looks from its hint on, or from the beginning.
//
// Fault model. Nothing outlives the object. On request (never by itself) it
//  - lets a foreign node claim a shard: what was appended before and not settled lands behind that claim, physically,
//  and
//    is void;
//  - fails an append, with nothing of its batch written;
//  - tears what waits: its first records land, be it within a decision, the others do not, and the append that is torn
//  has
//    an unknown fate;
//  - stores a batch twice, as a client does that repeats what was not answered;
//  - delays every settle.
// It never reorders, damages or forgets what it acknowledged.

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "events/log/event_log.hpp"
#include "events/record/entry.hpp"

namespace trv::log {

/// Any thread.
class InMemoryEventLog final : public EventLog {
 public:
  InMemoryEventLog();
  ~InMemoryEventLog() override;

  [[nodiscard]] base::Result<Claim> claim(ShardId shard, std::string_view node, const base::Uuid& nonce,
                                          const EnginePosition& hint = {}) override;
  [[nodiscard]] base::Result<Claim> claim_as(ShardId shard, Epoch epoch, std::string_view node,
                                             const base::Uuid& nonce) override;
  [[nodiscard]] base::Result<Ticket> append(const Claim& claim, Batch batch) override;
  [[nodiscard]] base::Result<Settled> settle(const Ticket& ticket) override;
  [[nodiscard]] base::Result<std::unique_ptr<Reader>> read(ShardId shard, Lsn from,
                                                           const EnginePosition& hint = {}) override;
  [[nodiscard]] base::Result<Bounds> bounds(ShardId shard) override;
  [[nodiscard]] base::Status trim(ShardId shard, Lsn below) override;

  /// Another node becomes owner now.
  void lose_ownership(ShardId shard);
  /// When the shard is settled next, the append behind so many others gives this error, or the last one, and writes
  /// nothing.
  void fail_next_settle(ShardId shard, base::Error error, std::size_t behind = 0);
  /// When the shard is settled next, the first `records` of what waits are written, wherever decisions end. The append
  /// that is torn, or the last one, says unavailable.
  void tear_next_settle(ShardId shard, std::size_t records);
  /// The next settle of the shard that succeeds writes its batch twice, one behind the other.
  void repeat_next_settle(ShardId shard);
  /// Every settle takes at least this long from now on.
  void delay_settle(base::Duration delay);
  /// Every entry of the shard that was not trimmed, in log order, void ones too.
  [[nodiscard]] std::vector<base::Bytes> entries(ShardId shard) const;
  /// How many entries readers have looked at so far: what a good hint saves.
  [[nodiscard]] std::uint64_t entries_read() const;
  /// How many settles were answered so far, of all shards.
  [[nodiscard]] std::uint64_t settle_count() const;

 private:
  class ShardReader;
  struct Shard;

  Shard& shard_of(ShardId shard);
  [[nodiscard]] base::Result<Claim> claim_at(ShardId id, std::optional<Epoch> epoch, std::string_view node,
                                             const base::Uuid& nonce);
  [[nodiscard]] static std::unexpected<base::Error> begins_behind(const Shard& shard, Lsn from);
  [[nodiscard]] base::Result<Settled> settle_one(Shard& shard, const Batch& batch, bool is_last);

  mutable std::mutex mutex_;
  std::condition_variable grown_;
  std::condition_variable delayed_;  // never notified
  std::map<ShardId, std::unique_ptr<Shard>> shards_;
  base::Duration delay_{};
  std::uint64_t settle_count_ = 0;
  std::uint64_t entries_read_ = 0;
};

}  // namespace trv::log
