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

void Headers::Ends::operator()(rd_kafka_headers_t* headers) const noexcept {
  rd_kafka_headers_destroy(headers);
}

Headers::Headers(std::size_t count) : headers_(rd_kafka_headers_new(count)) {}

void Headers::add(std::string_view name, std::string_view value) {
  [[maybe_unused]] const auto added = rd_kafka_header_add(
      headers_.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(), static_cast<ssize_t>(value.size()));
  TRV_ENSURES(added == RD_KAFKA_RESP_ERR_NO_ERROR);
}

base::Result<std::unique_ptr<Producer>> Producer::open(const Settings& settings, std::int32_t partition) {
  std::unique_ptr<Producer> producer(new Producer(settings, partition));
  const Properties properties = {{"enable.idempotence", "true"},
                                 {"acks", "all"},
                                 // poll() makes them go. What is due by itself while a request is on its way makes
                                 // librdkafka look in a circle until the answer comes: with several shards and few
                                 // processors that takes them from the brokers, and the answer takes seconds.
                                 {"linger.ms", "50"},
                                 {"message.max.bytes", "1048000"},
                                 {"request.timeout.ms", "2000"},
                                 {"message.timeout.ms", std::to_string(milliseconds(settings.acknowledged_within))},
                                 {"queue.buffering.max.messages", "200000"},
                                 {"queue.buffering.max.kbytes", "262144"},
                                 {"compression.type", "none"}};
  TRV_TRY_ASSIGN(producer->client_, connect(Kind::producer, settings, properties, producer.get()));
  producer->topic_.reset(rd_kafka_topic_new(producer->client_.get(), settings.topic.c_str(), nullptr));
  TRV_ASSERT(producer->topic_ != nullptr);
  // The first message of a topic that librdkafka does not know waits for a look that it takes once a second. This asks.
  TRV_TRY(watermarks(producer->client_.get(), settings.topic, partition, leader_within));
  return producer;
}

Producer::~Producer() {
  if (client_ == nullptr) return;
  // What was not acknowledged stays of unknown fate; nobody waits for it.
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_poll(client_.get(), 0);
  topic_.reset();
  client_.reset();
}

void Producer::keep(std::shared_ptr<const void> memory, std::size_t count) {
  TRV_EXPECTS(memory != nullptr && (kept_.empty() || kept_.back().first == sent_));
  kept_.emplace_back(sent_ + count, std::move(memory));
}

base::Status Producer::send(const Message& message, Headers headers) {
  if (failed_) return base::fail(*failed_);
  ++sent_;
  TRV_EXPECTS(!kept_.empty() && sent_ <= kept_.back().first);
  const base::SystemClock clock;
  std::optional<base::Duration> deadline;
  while (true) {
    // C's way to say all of it in one call.
    const auto error = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_RKT(topic_.get()), RD_KAFKA_V_PARTITION(partition_), RD_KAFKA_V_MSGFLAGS(0),
        RD_KAFKA_V_KEY(message.key.data(), message.key.size()),
        RD_KAFKA_V_VALUE(const_cast<std::uint8_t*>(message.value.data()), message.value.size()),
        RD_KAFKA_V_HEADERS(headers.headers_.get()),
        RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(static_cast<std::uintptr_t>(sent_))), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      static_cast<void>(headers.headers_.release());  // the message's now
      return {};
    }
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      const base::Duration now = clock.monotonic();
      if (!deadline) deadline = now + room_within;
      if (now < *deadline && poll(std::chrono::milliseconds(10))) continue;
    }
    if (!failed_) failed_ = reason_of(error);
    return base::fail(*failed_);
  }
}

base::Status Producer::poll(base::Duration within) {
  // Without a wait librdkafka's thread does not see that it is to send.
  if (within > base::Duration::zero() && acknowledged_ >= pushed_) pushed_ = sent_;
  if (pushed_ == sent_) {
    rd_kafka_flush(client_.get(), milliseconds(within));
  } else {
    rd_kafka_poll(client_.get(), milliseconds(within));
  }
  while (!kept_.empty() && kept_.front().first <= acknowledged_) kept_.pop_front();
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
