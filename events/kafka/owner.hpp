#pragma once
// One shard of the log on Kafka as its writer sees it.

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/producer.hpp"
#include "events/kafka/shard_start.hpp"

namespace trv::kafka {

/// claim, append and settle by one thread at a time.
class KafkaEventLog::Owner {
 public:
  Owner(std::shared_ptr<Consumers> consumers, log::ShardId shard)
      : consumers_(std::move(consumers)), settings_(consumers_->settings()), shard_(shard) {}

  [[nodiscard]] base::Result<log::Claim> claim(std::string_view node, const base::Uuid& nonce,
                                               const log::EnginePosition& hint);
  [[nodiscard]] base::Result<log::Claim> claim_as(log::Epoch epoch, std::string_view node, const base::Uuid& nonce);
  [[nodiscard]] base::Result<log::Ticket> append(const log::Claim& claim, log::Batch batch);
  [[nodiscard]] base::Result<log::Settled> settle(const log::Ticket& ticket);
  [[nodiscard]] const std::shared_ptr<std::atomic<std::uint64_t>>& trimmed() const noexcept { return trimmed_; }

 private:
  using Outcome = base::Result<log::Settled>;
  struct UnderWay {
    log::Lsn last;           ///< of the batch
    std::uint64_t sent = 0;  ///< messages of the producer, up to the batch's last
  };

  /// Opens reader and producer, and reads what is there.
  [[nodiscard]] base::Status begin(std::string_view node, const log::EnginePosition& hint);
  [[nodiscard]] base::Status read_to_end();
  [[nodiscard]] base::Result<record::VoidRule::Verdict> take(const Entry& entry);
  /// Sends the claim and reads it back. False: another one has won.
  [[nodiscard]] base::Result<bool> claim_epoch(log::Epoch epoch, std::string_view node, const base::Uuid& nonce);
  [[nodiscard]] log::Claim claimed(const base::Uuid& nonce);
  [[nodiscard]] base::Status send_claim(const record::ClaimEntry& claim);
  [[nodiscard]] base::Status send(const std::shared_ptr<const log::Batch>& batch);
  /// Takes in what the brokers say of the append, and what was stored.
  [[nodiscard]] base::Status read_back(std::uint64_t ticket);
  [[nodiscard]] base::Status settle_by(const Entry& entry);
  void end_claim(const Outcome& fate);

  std::shared_ptr<Consumers> consumers_;
  const Settings& settings_;
  log::ShardId shard_;
  /// The lsn that the log begins with, as far as this process trimmed it.
  std::shared_ptr<std::atomic<std::uint64_t>> trimmed_ = std::make_shared<std::atomic<std::uint64_t>>(1);

  log::Epoch epoch_;  ///< of the claim; its claim is dead where there is no producer
  log::Lsn next_;     ///< of the next batch
  std::unique_ptr<PartitionReader> reader_;
  std::unique_ptr<Producer> producer_;
  std::optional<record::VoidRule> rule_;  ///< right for the next entry of reader_
  std::optional<Position> counted_;       ///< of the end of the last decision that was read
  base::Bytes last_;                      ///< the last record that a claim would find
  base::Bytes last_end_;                  ///< the last record of the last whole decision
  std::uint64_t tickets_ = 0;
  std::map<std::uint64_t, UnderWay> under_way_;  ///< by ticket
  std::map<std::uint64_t, Outcome> settled_;
  std::optional<Outcome> dead_;  ///< the fate of what is appended to a dead claim
};

}  // namespace trv::kafka
