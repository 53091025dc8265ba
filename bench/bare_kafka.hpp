#pragma once
// What librdkafka itself can do: a producer that knows nothing but messages, and a consumer that looks at none.

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/report.hpp"
#include "sdk/base/bytes.hpp"

namespace trv::bench {

using RdkafkaSettings = std::vector<std::pair<std::string, std::string>>;

/// `more` comes on top of the settings of every client.
inline rd_kafka_t* rdkafka_client(rd_kafka_type_t type, const std::string& brokers, const RdkafkaSettings& more,
                                  void (*delivered)(rd_kafka_t*, const rd_kafka_message_t*, void*), void* opaque) {
  std::array<char, 512> why{};
  rd_kafka_conf_t* settings = rd_kafka_conf_new();
  RdkafkaSettings all = {{"bootstrap.servers", brokers}, {"socket.nagle.disable", "true"}, {"log_level", "0"}};
  all.insert(all.end(), more.begin(), more.end());
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(settings, name.c_str(), value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK) {
      give_up(why.data());
    }
  }
  rd_kafka_conf_set_opaque(settings, opaque);
  if (delivered != nullptr) rd_kafka_conf_set_dr_msg_cb(settings, delivered);
  rd_kafka_t* client = rd_kafka_new(type, settings, why.data(), why.size());
  if (client == nullptr) give_up(why.data());
  return client;
}

/// Idempotent, acks=all, in order, to partition 0; set as the log's own, which costs the broker least.
class BareProducer {
 public:
  BareProducer(const std::string& brokers, std::string topic) : topic_(std::move(topic)) {
    client_ = rdkafka_client(RD_KAFKA_PRODUCER, brokers,
                             {{"enable.idempotence", "true"},
                              {"acks", "all"},
                              {"linger.ms", "1"},
                              {"message.max.bytes", "1048000"},
                              {"queue.buffering.max.messages", "200000"},
                              {"queue.buffering.max.kbytes", "262144"}},
                             &BareProducer::delivered, this);
  }
  ~BareProducer() {
    rd_kafka_flush(client_, 10'000);
    rd_kafka_destroy(client_);
  }
  BareProducer(const BareProducer&) = delete;
  BareProducer& operator=(const BareProducer&) = delete;

  /// Takes the headers; nullptr: none.
  void send(base::BytesView value, std::string_view key, rd_kafka_headers_t* headers) {
    ++sent_;
    for (;;) {
      auto* const bytes = const_cast<std::uint8_t*>(value.data());
      const auto error =
          headers == nullptr
              ? rd_kafka_producev(client_, RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(0),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.data(), key.size()),
                                  RD_KAFKA_V_VALUE(bytes, value.size()), RD_KAFKA_V_END)
              : rd_kafka_producev(client_, RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(0),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.data(), key.size()),
                                  RD_KAFKA_V_VALUE(bytes, value.size()), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) give_up(rd_kafka_err2str(error));
      rd_kafka_poll(client_, 10);
    }
  }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  /// Until so many, from the first, are acknowledged.
  void await(std::uint64_t count) {
    for (int i = 0; acknowledged_ < count; ++i) {
      if (i > 1'000'000) give_up("the brokers do not acknowledge");
      rd_kafka_poll(client_, 2);
    }
  }

 private:
  static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* producer) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(rd_kafka_err2str(message->err));
    ++static_cast<BareProducer*>(producer)->acknowledged_;
  }

  std::string topic_;
  std::uint64_t sent_ = 0;
  std::uint64_t acknowledged_ = 0;
  rd_kafka_t* client_ = nullptr;
};

/// Reads so many messages of a partition from its beginning, with librdkafka's own settings.
inline void read_bare(const std::string& brokers, const std::string& topic, std::int32_t partition,
                      std::uint64_t count) {
  constexpr std::size_t at_once = 1'000;
  rd_kafka_t* client = rdkafka_client(RD_KAFKA_CONSUMER, brokers, {{"check.crcs", "true"}}, nullptr, nullptr);
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  if (rd_kafka_consume_start_queue(handle, partition, 0, queue) != 0) give_up("the consumer does not start");
  std::vector<rd_kafka_message_t*> messages(at_once);
  std::uint64_t read = 0;
  while (read < count) {
    // A batch waits until it is full or the time is over.
    const ssize_t here = rd_kafka_consume_batch_queue(queue, 5, messages.data(), at_once);
    for (ssize_t i = 0; i < here; ++i) {
      rd_kafka_message_t* message = messages[static_cast<std::size_t>(i)];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(rd_kafka_message_errstr(message));
      ++read;
      rd_kafka_message_destroy(message);
    }
  }
  rd_kafka_consume_stop(handle, partition);
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_destroy(handle);
  rd_kafka_destroy(client);
}

}  // namespace trv::bench
