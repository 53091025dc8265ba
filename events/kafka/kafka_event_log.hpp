#pragma once
// The log on Apache Kafka: partition = shard of one topic. Any number of brokers and of nodes.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "events/kafka/partition_reader.hpp"
#include "events/kafka/settings.hpp"
#include "events/log/event_log.hpp"
#include "events/record/entry.hpp"

namespace trv::kafka {

/// A record's place in a partition, and what makes sure that it is this record. 32 bytes: offset, lsn, both 64 bits
/// little-endian; event id.
struct Position {
  std::uint64_t offset = 0;
  record::Lsn lsn;
  base::Uuid event_id;

  [[nodiscard]] log::EnginePosition encoded() const;
  [[nodiscard]] static std::optional<Position> decode(const log::EnginePosition& position);
  friend bool operator==(const Position&, const Position&) = default;
};

/// Each claim makes a producer and a reader of its own; the reader tells what became of each append. An append counts
/// as settled once it was read back under its claim, and never because the brokers acknowledged it. Where the fate of
/// an append is not known, the producer is destroyed and the claim is dead; the next claim, read back, shows what was
/// stored. Positions are those of Position; a hint that does not lead to the record that it names is not used.
///
/// Durable means: acknowledged by min.insync.replicas brokers. Kafka by default leaves it to the operating system when
/// they write to their disks.
class KafkaEventLog final : public log::EventLog {
 public:
  explicit KafkaEventLog(Settings settings);
  ~KafkaEventLog() override;

  [[nodiscard]] base::Result<log::Claim> claim(log::ShardId shard, std::string_view node, const base::Uuid& nonce,
                                               const log::EnginePosition& hint = {}) override;
  [[nodiscard]] base::Result<log::Claim> claim_as(log::ShardId shard, log::Epoch epoch, std::string_view node,
                                                  const base::Uuid& nonce) override;
  [[nodiscard]] base::Result<log::Ticket> append(const log::Claim& claim, log::Batch batch) override;
  [[nodiscard]] base::Result<log::Settled> settle(const log::Ticket& ticket) override;
  [[nodiscard]] base::Result<std::unique_ptr<log::Reader>> read(log::ShardId shard, log::Lsn from,
                                                                const log::EnginePosition& hint = {}) override;
  [[nodiscard]] base::Result<log::Bounds> bounds(log::ShardId shard) override;
  [[nodiscard]] base::Status trim(log::ShardId shard, log::Lsn below) override;

 private:
  class Owner;

  Owner& owner_of(log::ShardId shard);

  std::shared_ptr<Consumers> consumers_;
  std::mutex mutex_;
  std::map<log::ShardId, std::unique_ptr<Owner>> owners_;  // an owner stays where it is
};

}  // namespace trv::kafka
