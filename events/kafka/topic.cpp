#include "events/kafka/topic.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "events/kafka/failure.hpp"
#include "sdk/base/contract.hpp"

namespace trv::kafka {
namespace {

using base::ErrorCode;
using base::fail;

constexpr int answer_within_ms = 20'000;

/// The deliveries of a producer that sends nothing.
class NoDeliveries final : public Deliveries {
 public:
  void delivered(const Delivery&) noexcept override {}
};

template <auto Destroy>
struct Destroys {
  template <typename T>
  void operator()(T* object) const noexcept {
    Destroy(object);
  }
};
using Queue = std::unique_ptr<rd_kafka_queue_t, Destroys<rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroys<rd_kafka_event_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroys<rd_kafka_NewTopic_destroy>>;
using Offsets = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroys<rd_kafka_topic_partition_list_destroy>>;
using Deletion = std::unique_ptr<rd_kafka_DeleteRecords_t, Destroys<rd_kafka_DeleteRecords_destroy>>;

/// Sends one request and waits for its answer.
base::Result<Event> ask(const Settings& settings, const std::string& what,
                        const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& request) {
  NoDeliveries none;
  TRV_TRY_ASSIGN(const Client client, connect(Kind::producer, settings, {}, &none));
  const Queue queue(rd_kafka_queue_new(client.get()));
  request(client.get(), queue.get());
  Event event(rd_kafka_queue_poll(queue.get(), answer_within_ms));
  if (event == nullptr) {
    return fail(ErrorCode::unavailable,
                fmt::format("{}: {} did not answer within {} s", what, settings.brokers, answer_within_ms / 1000));
  }
  const auto error = rd_kafka_event_error(event.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(failure(error, fmt::format("{} at {}", what, settings.brokers)));
  }
  return event;
}

}  // namespace

base::Status create_topic(const Settings& settings, const TopicShape& shape) {
  TRV_EXPECTS(shape.partitions >= 1 && shape.replication >= 1 && shape.in_sync_min >= 1);
  std::array<char, 256> why{};
  const NewTopic topic(
      rd_kafka_NewTopic_new(settings.topic.c_str(), shape.partitions, shape.replication, why.data(), why.size()));
  if (topic == nullptr) {
    return fail(ErrorCode::invalid, fmt::format("topic {} cannot be created: {}", settings.topic, why.data()));
  }
  const std::string in_sync = std::to_string(shape.in_sync_min);
  for (const auto& [name, value] :
       {std::pair("retention.ms", "-1"), std::pair("retention.bytes", "-1"), std::pair("cleanup.policy", "delete"),
        std::pair("max.message.bytes", "1048588"), std::pair("message.timestamp.type", "CreateTime"),
        std::pair("unclean.leader.election.enable", "false"), std::pair("min.insync.replicas", in_sync.c_str())}) {
    const auto error = rd_kafka_NewTopic_set_config(topic.get(), name, value);
    TRV_ASSERT(error == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  const std::string what = fmt::format("creating topic {}", settings.topic);
  TRV_TRY_ASSIGN(const Event event, ask(settings, what, [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
                   rd_kafka_NewTopic_t* topics[] = {topic.get()};
                   rd_kafka_CreateTopics(client, topics, 1, nullptr, queue);
                 }));
  std::size_t count = 0;
  const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  TRV_ASSERT(count == 1);
  const auto error = rd_kafka_topic_result_error(results[0]);
  if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return fail(ErrorCode::conflict, fmt::format("topic {} exists at {}", settings.topic, settings.brokers));
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* detail = rd_kafka_topic_result_error_string(results[0]);
    return fail(failure(error, fmt::format("{} at {}: {}", what, settings.brokers, detail == nullptr ? "" : detail)));
  }
  return {};
}

base::Status delete_before(const Settings& settings, std::int32_t partition, std::int64_t offset) {
  TRV_EXPECTS(offset >= 0);
  const Offsets offsets(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(offsets.get(), settings.topic.c_str(), partition)->offset = offset;
  const Deletion deletion(rd_kafka_DeleteRecords_new(offsets.get()));
  const std::string what =
      fmt::format("deleting the entries of {} before offset {}", describe(settings, partition), offset);
  TRV_TRY_ASSIGN(const Event event, ask(settings, what, [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
                   rd_kafka_DeleteRecords_t* deletions[] = {deletion.get()};
                   rd_kafka_DeleteRecords(client, deletions, 1, nullptr, queue);
                 }));
  const auto* answered = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event.get()));
  TRV_ASSERT(answered->cnt == 1);
  if (answered->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(failure(answered->elems[0].err, what));
  return {};
}

}  // namespace trv::kafka
