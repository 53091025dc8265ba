#include "events/kafka/producer.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>

#include "events/kafka/failure.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"

namespace trv::kafka {
namespace {

/// How long a full buffer may stay full.
constexpr base::Duration room_within = std::chrono::seconds(10);
constexpr base::Duration leader_within = std::chrono::seconds(10);

}  // namespace

base::Result<std::unique_ptr<Producer>> Producer::open(const Settings& settings, std::int32_t partition) {
  std::unique_ptr<Producer> producer(new Producer(settings, partition));
  const Properties properties = {
      {"enable.idempotence", "true"},
      {"acks", "all"},
      // Without it the first messages of a batch fill the requests that may be on their way, and until the others can
      // follow, librdkafka looks in a circle: several shards on few processors take them from the brokers.
      // rd_kafka_flush() would not wait, and brings the circle back.
      {"linger.ms", "1"},
      {"message.max.bytes", "1048000"},
      {"request.timeout.ms", "2000"},
      {"message.timeout.ms", std::to_string(milliseconds(settings.acknowledged_within))},
      {"queue.buffering.max.messages", "200000"},
      {"queue.buffering.max.kbytes", "262144"},
      {"compression.type", "none"}};
  TRV_TRY_ASSIGN(producer->client_, connect(Kind::producer, settings, properties, producer.get()));
  // The first message of a topic that librdkafka does not know waits for a look that it takes once a second. This asks.
  TRV_TRY(watermarks(producer->client_.get(), settings.topic, partition, leader_within));
  return producer;
}

Producer::~Producer() {
  if (client_ == nullptr) return;
  // What was not acknowledged stays of unknown fate; nobody waits for it.
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_poll(client_.get(), 0);
  client_.reset();
}

base::Status Producer::send(const Message& message) {
  if (failed_) return base::fail(*failed_);
  rd_kafka_headers_t* headers = rd_kafka_headers_new(message.headers.size());
  for (const auto& [name, value] : message.headers) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  ++sent_;
  const base::SystemClock clock;
  const base::Duration deadline = clock.monotonic() + room_within;
  while (true) {
    // C's way to say all of it in one call.
    const auto error = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_TOPIC(settings_.topic.c_str()), RD_KAFKA_V_PARTITION(partition_),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(message.key.data(), message.key.size()),
        RD_KAFKA_V_VALUE(const_cast<std::uint8_t*>(message.value.data()), message.value.size()),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(static_cast<std::uintptr_t>(sent_))),
        RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    const bool full = error == RD_KAFKA_RESP_ERR__QUEUE_FULL && clock.monotonic() < deadline;
    if (full && poll(std::chrono::milliseconds(10))) continue;
    rd_kafka_headers_destroy(headers);
    if (!failed_) failed_ = reason_of(error);
    return base::fail(*failed_);
  }
}

base::Status Producer::poll(base::Duration within) {
  rd_kafka_poll(client_.get(), milliseconds(within));
  const bool is_dead = rd_kafka_fatal_error(client_.get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!failed_ && is_dead) failed_ = reason_of(RD_KAFKA_RESP_ERR__FATAL);
  if (failed_) return base::fail(*failed_);
  return {};
}

// What a client died of says more than what its calls answer then.
base::Error Producer::reason_of(int error) const {
  std::array<char, 256> why{};
  const auto fatal = rd_kafka_fatal_error(client_.get(), why.data(), why.size());
  const std::string what = fmt::format("writing to {}", describe(settings_, partition_));
  if (fatal == RD_KAFKA_RESP_ERR_NO_ERROR) return failure(error, what);
  return failure(fatal, fmt::format("{}: {}", what, why.data()));
}

void Producer::delivered(const Delivery& delivery) noexcept {
  if (delivery.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (!failed_) failed_ = reason_of(delivery.error);
    return;
  }
  if (failed_) return;
  TRV_ASSERT(delivery.number == acknowledged_ + 1);
  acknowledged_ = delivery.number;
}

}  // namespace trv::kafka
