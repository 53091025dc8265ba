#include "events/kafka/topic.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "events/kafka/failure.hpp"
#include "events/kafka/handles.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/frees.hpp"

namespace trv::kafka {
namespace {

using base::ErrorCode;
using base::fail;

constexpr int turn_ms = 1'000;
constexpr int turns_max = 20;
constexpr int unknown_turns = 10;
constexpr int unknown_wait_ms = 200;

struct NeededSetting {
  const char* name;
  const char* value;
  const char* consequence;  ///< of another value
  bool loses = true;        ///< records, or refuses them
  bool is_least = false;    ///< a larger number will do
};
constexpr std::array<NeededSetting, 6> needed_settings = {{
    {.name = "cleanup.policy", .value = "delete", .consequence = "Kafka keeps the newest record of each tenant alone"},
    {.name = "retention.ms", .value = "-1", .consequence = "Kafka deletes records that are older"},
    {.name = "retention.bytes", .value = "-1", .consequence = "Kafka deletes the oldest records beyond that size"},
    {.name = "max.message.bytes",
     .value = "1048588",
     .consequence = "the brokers refuse large records",
     .is_least = true},
    {.name = "message.timestamp.type",
     .value = "CreateTime",
     .consequence = "a record shows the broker's time, not that of its decision",
     .loses = false},
    {.name = "unclean.leader.election.enable",
     .value = "false",
     .consequence = "a broker that lacks acknowledged records may lead, and they are lost"},
}};

/// On one site. Numbers; less will do.
struct RecommendedSetting {
  const char* name;
  std::int64_t value;
  const char* consequence;
};
constexpr std::array<RecommendedSetting, 7> recommended_settings = {{
    {"broker.session.timeout.ms", 500, "appends wait so long when the broker that leads a partition dies"},
    {"broker.heartbeat.interval.ms", 100, "a broker that lives may be taken for dead where its session is short"},
    {"controller.quorum.fetch.timeout.ms", 800, "the controllers notice so late that the first of them is gone"},
    {"controller.quorum.election.timeout.ms", 200, "the controllers may need that much longer to agree on another one"},
    {"replica.lag.time.max.ms", 2000, "appends wait so long for a copy that has stopped"},
    {"group.min.session.timeout.ms", 1000, "a node that dies is noticed no sooner, whatever kafka.session_ms says"},
    {"group.initial.rebalance.delay.ms", 0, "the first node waits so long for its shards"},
}};

/// The deliveries of a producer that sends nothing.
class NoDeliveries final : public Deliveries {
 public:
  void delivered(const Delivery&) noexcept override {}
};

using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, base::Frees<rd_kafka_NewTopic_destroy>>;
using Resource = std::unique_ptr<rd_kafka_ConfigResource_t, base::Frees<rd_kafka_ConfigResource_destroy>>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, base::Frees<rd_kafka_topic_destroy>>;
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, base::Frees<rd_kafka_metadata_destroy>>;
using Options = std::unique_ptr<rd_kafka_AdminOptions_t, base::Frees<rd_kafka_AdminOptions_destroy>>;
using Deletion = std::unique_ptr<rd_kafka_DeleteRecords_t, base::Frees<rd_kafka_DeleteRecords_destroy>>;

/// Sends one request and waits for its answer.
base::Result<Event> ask(
    const Settings& settings, const std::string& what,
    const std::function<void(rd_kafka_t*, const rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& request) {
  NoDeliveries none;
  TRV_TRY_ASSIGN(const Client client, connect(Kind::producer, settings, {}, &none));
  const Queue queue(rd_kafka_queue_new(client.get()));
  const Options options(rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_ANY));
  std::array<char, 256> why{};
  const auto set =
      rd_kafka_AdminOptions_set_request_timeout(options.get(), turns_max * turn_ms, why.data(), why.size());
  TRV_ASSERT(set == RD_KAFKA_RESP_ERR_NO_ERROR);
  request(client.get(), options.get(), queue.get());
  Event event;
  for (int turn = 0; event == nullptr && turn < turns_max && !is_refused(client.get()); ++turn) {
    event.reset(rd_kafka_queue_poll(queue.get(), turn_ms));
  }
  const auto error = event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
  return fail(failure_of(client.get(), error, fmt::format("{} at {}", what, settings.brokers)));
}

struct Copies {
  std::int32_t partitions = 0;
  int replicas = 0;  ///< of the partition that has the fewest
  std::vector<std::string> brokers;
};

base::Result<Copies> copies_of(const Settings& settings) {
  NoDeliveries none;
  TRV_TRY_ASSIGN(const Client client, connect(Kind::producer, settings, {}, &none));
  const TopicHandle topic(rd_kafka_topic_new(client.get(), settings.topic.c_str(), nullptr));
  TRV_ASSERT(topic != nullptr);
  const std::string what = fmt::format("asking for topic {} at {}", settings.topic, settings.brokers);
  Metadata metadata;
  auto error = RD_KAFKA_RESP_ERR__TIMED_OUT;
  for (int turn = 0; turn < turns_max && !is_refused(client.get()); ++turn) {
    const rd_kafka_metadata_t* answer = nullptr;
    error = rd_kafka_metadata(client.get(), 0, topic.get(), &answer, turn_ms);
    metadata.reset(answer);
    const bool is_known =
        error != RD_KAFKA_RESP_ERR_NO_ERROR || metadata->topics[0].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    // A broker may learn of a topic a moment after it was created.
    if (!is_known && turn < unknown_turns) rd_kafka_poll(client.get(), unknown_wait_ms);
    const bool may_pass = error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__TRANSPORT ||
                          (!is_known && turn < unknown_turns);
    if (!may_pass) break;
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(failure_of(client.get(), error, what));
  TRV_ASSERT(metadata->topic_cnt == 1);
  const rd_kafka_metadata_topic_t& found = metadata->topics[0];
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(failure(found.err, what));
  Copies copies{.partitions = found.partition_cnt, .replicas = std::numeric_limits<int>::max(), .brokers = {}};
  for (int i = 0; i < metadata->broker_cnt; ++i) copies.brokers.push_back(std::to_string(metadata->brokers[i].id));
  for (int i = 0; i < found.partition_cnt; ++i) {
    copies.replicas = std::min(copies.replicas, found.partitions[i].replica_cnt);
  }
  if (copies.partitions > 0) return copies;
  return fail(ErrorCode::unavailable, fmt::format("{}: it has no partitions yet; try again", what));
}

base::Result<std::map<std::string, std::string>> configuration_of(const Settings& settings,
                                                                  rd_kafka_ResourceType_t type,
                                                                  const std::string& name) {
  const Resource resource(rd_kafka_ConfigResource_new(type, name.c_str()));
  const std::string what =
      fmt::format("asking for the configuration of {} {}", type == RD_KAFKA_RESOURCE_TOPIC ? "topic" : "broker", name);
  TRV_TRY_ASSIGN(
      const Event event,
      ask(settings, what, [&](rd_kafka_t* client, const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
        rd_kafka_ConfigResource_t* resources[] = {resource.get()};
        rd_kafka_DescribeConfigs(client, resources, 1, options, queue);
      }));
  std::size_t count = 0;
  const auto* result = rd_kafka_event_DescribeConfigs_result(event.get());
  const auto* resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
  TRV_ASSERT(count == 1);
  const auto error = rd_kafka_ConfigResource_error(resources[0]);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(failure(error, fmt::format("{} at {}", what, settings.brokers)));
  }
  std::map<std::string, std::string> values;
  const auto* entries = rd_kafka_ConfigResource_configs(resources[0], &count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    values.emplace(rd_kafka_ConfigEntry_name(entries[i]), value == nullptr ? "" : value);
  }
  return values;
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
  const auto set = [&topic](const char* name, const char* value) {
    const auto error = rd_kafka_NewTopic_set_config(topic.get(), name, value);
    TRV_ASSERT(error == RD_KAFKA_RESP_ERR_NO_ERROR);
  };
  for (const NeededSetting& needed : needed_settings) set(needed.name, needed.value);
  set("min.insync.replicas", in_sync.c_str());
  const std::string what = fmt::format("creating topic {}", settings.topic);
  TRV_TRY_ASSIGN(
      const Event event,
      ask(settings, what, [&](rd_kafka_t* client, const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
        rd_kafka_NewTopic_t* topics[] = {topic.get()};
        rd_kafka_CreateTopics(client, topics, 1, options, queue);
      }));
  std::size_t count = 0;
  const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  TRV_ASSERT(count == 1);
  const auto error = rd_kafka_topic_result_error(results[0]);
  if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return fail(ErrorCode::conflict,
                fmt::format("topic {} exists at {}; `trav cluster check` compares it with what travd needs",
                            settings.topic, settings.brokers));
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* detail = rd_kafka_topic_result_error_string(results[0]);
    return fail(failure(error, fmt::format("{} at {}: {}", what, settings.brokers, detail == nullptr ? "" : detail)));
  }
  return {};
}

base::Result<std::vector<Deviation>> check_topic(const Settings& settings, std::int32_t shards) {
  TRV_EXPECTS(shards >= 1);
  TRV_TRY_ASSIGN(const Copies copies, copies_of(settings));
  TRV_TRY_ASSIGN(const auto configured, configuration_of(settings, RD_KAFKA_RESOURCE_TOPIC, settings.topic));
  std::vector<Deviation> deviations;
  if (copies.partitions < shards) {
    deviations.push_back({.setting = "partitions",
                          .found = std::to_string(copies.partitions),
                          .needed = std::to_string(shards),
                          .consequence = "the last shards have no log",
                          .loses = true});
  }
  for (const NeededSetting& needed : needed_settings) {
    const auto found = configured.find(needed.name);
    const std::string value = found == configured.end() ? "unknown" : found->second;
    if (value == needed.value || (needed.is_least && std::atoll(value.c_str()) > std::atoll(needed.value))) continue;
    deviations.push_back({.setting = needed.name,
                          .found = value,
                          .needed = needed.value,
                          .consequence = needed.consequence,
                          .loses = needed.loses});
  }
  const auto in_sync = configured.find("min.insync.replicas");
  const int in_sync_min = in_sync == configured.end() ? 1 : std::atoi(in_sync->second.c_str());
  if (copies.replicas == 1) {
    deviations.push_back({.setting = "replicas",
                          .found = "1",
                          .needed = "3",
                          .consequence = "the log is lost with the disk of one broker, and stops with the broker"});
  } else if (in_sync_min < 2 || in_sync_min >= copies.replicas) {
    deviations.push_back({.setting = "min.insync.replicas",
                          .found = std::to_string(in_sync_min),
                          .needed = std::to_string(copies.replicas - 1),
                          .consequence = in_sync_min < 2 ? "an acknowledged record may be on one broker alone"
                                                         : "one broker that stops ends every append"});
  }
  return deviations;
}

base::Result<std::vector<Deviation>> check_brokers(const Settings& settings) {
  TRV_TRY_ASSIGN(const Copies copies, copies_of(settings));
  std::vector<BrokerSettings> brokers;
  for (const std::string& broker : copies.brokers) {
    TRV_TRY_ASSIGN(brokers.emplace_back(), configuration_of(settings, RD_KAFKA_RESOURCE_BROKER, broker));
  }
  return slower_than_recommended(brokers);
}

std::vector<Deviation> slower_than_recommended(const std::vector<BrokerSettings>& brokers) {
  std::vector<Deviation> deviations;
  for (const RecommendedSetting& recommended : recommended_settings) {
    std::int64_t worst = recommended.value;
    for (const BrokerSettings& broker : brokers) {
      const auto found = broker.find(recommended.name);
      // A broker that is not a controller may say nothing of a controller's setting.
      if (found != broker.end()) worst = std::max<std::int64_t>(worst, std::atoll(found->second.c_str()));
    }
    if (worst == recommended.value) continue;
    deviations.push_back({.setting = recommended.name,
                          .found = std::to_string(worst),
                          .needed = std::to_string(recommended.value),
                          .consequence = recommended.consequence});
  }
  return deviations;
}

base::Result<Comparison> check_cluster(const Settings& settings, std::int32_t shards) {
  Comparison out;
  TRV_TRY_ASSIGN(out.deviations, check_topic(settings, shards));
  if (auto slower = check_brokers(settings)) {
    std::ranges::move(*slower, std::back_inserter(out.deviations));
  } else {
    out.not_compared = slower.error().message();
  }
  return out;
}

base::Status delete_before(const Settings& settings, std::int32_t partition, std::int64_t offset) {
  TRV_EXPECTS(offset >= 0);
  const Offsets offsets(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(offsets.get(), settings.topic.c_str(), partition)->offset = offset;
  const Deletion deletion(rd_kafka_DeleteRecords_new(offsets.get()));
  const std::string what =
      fmt::format("deleting the entries of {} before offset {}", describe(settings, partition), offset);
  TRV_TRY_ASSIGN(
      const Event event,
      ask(settings, what, [&](rd_kafka_t* client, const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
        rd_kafka_DeleteRecords_t* deletions[] = {deletion.get()};
        rd_kafka_DeleteRecords(client, deletions, 1, options, queue);
      }));
  const auto* answered = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event.get()));
  TRV_ASSERT(answered->cnt == 1);
  if (answered->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(failure(answered->elems[0].err, what));
  return {};
}

}  // namespace trv::kafka
