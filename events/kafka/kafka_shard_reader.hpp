#pragma once
// Reads one shard of the log on Kafka.

#include <atomic>
#include <memory>
#include <optional>

#include "events/kafka/shard_start.hpp"
#include "events/log/decision_buffer.hpp"
#include "sdk/base/clock.hpp"

namespace trv::kafka {

class KafkaShardReader final : public log::Reader {
 public:
  /// `trimmed` is the lsn that the log begins with, as far as this process trimmed it.
  KafkaShardReader(std::shared_ptr<Consumers> consumers, log::ShardId shard, log::Lsn from, ShardStart start,
                   std::shared_ptr<const std::atomic<std::uint64_t>> trimmed);

  [[nodiscard]] base::Result<std::optional<log::StoredRecord>> next(base::Duration timeout) override;
  void wake() noexcept override;

 private:
  [[nodiscard]] base::Status take(base::Duration within);
  [[nodiscard]] base::Status start_again();

  base::SystemClock clock_;  // a wait takes real time
  std::shared_ptr<Consumers> consumers_;
  log::ShardId shard_;
  std::shared_ptr<const std::atomic<std::uint64_t>> trimmed_;
  std::unique_ptr<PartitionReader> reader_;
  log::DecisionBuffer buffer_;
  std::optional<base::Error> failed_;  ///< for good
  std::atomic<bool> woken_ = false;
};

}  // namespace trv::kafka
