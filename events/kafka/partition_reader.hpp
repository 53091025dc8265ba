#pragma once
// Reads one partition from an offset on.

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "events/kafka/client.hpp"
#include "sdk/base/bytes.hpp"

struct rd_kafka_message_s;  // NOLINT(readability-identifier-naming): librdkafka's
struct rd_kafka_queue_s;

namespace trv::kafka {

struct Entry {
  std::int64_t offset = 0;
  base::BytesView bytes;  ///< at any address; valid until the next call of next()
};

/// next() by one thread; wake() by any.
class PartitionReader {
 public:
  /// From the first entry at `offset` or behind it. Asks the leader where the partition ends.
  [[nodiscard]] static base::Result<std::unique_ptr<PartitionReader>> open(std::shared_ptr<Consumers> consumers,
                                                                           std::int32_t partition, std::int64_t offset);
  ~PartitionReader();
  PartitionReader(const PartitionReader&) = delete;
  PartitionReader& operator=(const PartitionReader&) = delete;

  /// The next entry. nullopt: none came in time, or wake() was called. Errors: not_found where the entries at its place
  /// were deleted; what the brokers answer and does not pass by itself.
  [[nodiscard]] base::Result<std::optional<Entry>> next(base::Duration within);
  /// The following next() does not wait.
  [[nodiscard]] bool has_fetched() const noexcept { return ready_at_ < ready_.size(); }
  /// Makes a waiting next(), or else the following one that would wait, return.
  void wake() noexcept;

  /// Offset of the first entry that was there at open().
  [[nodiscard]] std::int64_t low() const noexcept { return ends_.low; }
  /// Behind the last entry that is known to be there. It grows with what is read.
  [[nodiscard]] std::int64_t high() noexcept;
  /// Offset behind the last entry that next() gave.
  [[nodiscard]] std::int64_t place() const noexcept { return place_; }
  /// A header of the entry that next() gave last; valid as long as the entry. nullopt: it has none of that name.
  [[nodiscard]] std::optional<base::BytesView> header(const char* name) const;
  /// The following next() gives the last entry once more. Precondition: next() gave one, and nothing was called since.
  void give_again();
  /// Goes on at another offset. The broker may answer only when it has answered what it was asked before, which takes
  /// up to 100 ms at the end of the partition.
  void seek(std::int64_t offset);

 private:
  PartitionReader(std::shared_ptr<Consumers> consumers, std::int32_t partition)
      : consumers_(std::move(consumers)), partition_(partition) {}
  [[nodiscard]] const Settings& settings() const noexcept { return consumers_->settings(); }
  [[nodiscard]] base::Status start();
  void stop() noexcept;
  [[nodiscard]] base::Result<std::optional<Entry>> judge(rd_kafka_message_s* message);

  struct EndsQueue {
    void operator()(rd_kafka_queue_s* queue) const noexcept;
  };
  struct EndsMessage {
    void operator()(rd_kafka_message_s* message) const noexcept;
  };

  std::shared_ptr<Consumers> consumers_;
  std::int32_t partition_;
  Watermarks ends_;
  std::int64_t place_ = 0;
  bool started_ = false;
  Client client_;
  bool is_good_ = false;  ///< the next reader may use its client
  Topic topic_;
  std::unique_ptr<rd_kafka_queue_s, EndsQueue> queue_;
  std::unique_ptr<rd_kafka_message_s, EndsMessage> given_;
  std::vector<rd_kafka_message_s*> ready_;  // fetched, from ready_at_ on not given yet
  std::size_t ready_at_ = 0;
  std::size_t taken_ = 0;  // bytes, since it was started
};

}  // namespace trv::kafka
