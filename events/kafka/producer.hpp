#pragma once
// Writes to one partition: idempotent, acks=all, in order.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "events/kafka/client.hpp"
#include "sdk/base/bytes.hpp"

struct rd_kafka_headers_s;  // NOLINT(readability-identifier-naming): librdkafka's

namespace trv::kafka {

/// Of one message, in order.
class Headers {
 public:
  /// `count` are expected.
  explicit Headers(std::size_t count);
  /// Copies both.
  void add(std::string_view name, std::string_view value);

 private:
  friend class Producer;
  struct Ends {
    void operator()(rd_kafka_headers_s* headers) const noexcept;
  };
  std::unique_ptr<rd_kafka_headers_s, Ends> headers_;
};

struct Message {
  std::string_view key;
  base::BytesView value;
};

/// One thread. A producer that failed is destroyed, never used again: what it still had under way may or may not come
/// to be stored, and only a later entry that was read back tells which.
class Producer final : Deliveries {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<Producer>> open(const Settings& settings, std::int32_t partition);
  ~Producer() override;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// The values of the next `count` messages are in `memory`: it is kept until these are acknowledged, or the producer
  /// ends.
  void keep(std::shared_ptr<const void> memory, std::size_t count);
  /// Takes the message, behind all before it. It goes with the next poll() that finds nothing on its way.
  /// Precondition: keep() has its memory.
  /// Errors: unavailable where its buffer stays full; what the producer failed with.
  [[nodiscard]] base::Status send(const Message& message, Headers headers);
  /// Takes in what the brokers have answered. Waits up to `within` for it. Error: the first failure, from then on.
  [[nodiscard]] base::Status poll(base::Duration within);
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  /// How many of the messages, from the first, are acknowledged.
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }

 private:
  Producer(const Settings& settings, std::int32_t partition) : settings_(settings), partition_(partition) {}
  void delivered(const Delivery& delivery) noexcept override;
  [[nodiscard]] base::Error reason_of(int error) const;

  Settings settings_;
  std::int32_t partition_;
  std::uint64_t sent_ = 0;
  std::uint64_t acknowledged_ = 0;
  /// Of the messages, from the first: poll() makes them go at once. What comes behind them waits until they are
  /// acknowledged: librdkafka would look in a circle for when it may send it.
  std::uint64_t pushed_ = 0;
  std::deque<std::pair<std::uint64_t, std::shared_ptr<const void>>> kept_;  ///< until so many are acknowledged
  std::optional<base::Error> failed_;
  Client client_;  // its end reports what was under way
  Topic topic_;
};

}  // namespace trv::kafka
