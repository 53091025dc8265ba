// What a user of a real Kafka must be allowed for travd, as docs/guides/kafka.md lists it.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/membership.hpp"
#include "events/kafka/topic.hpp"
#include "sdk/base/frees.hpp"
#include "tests/kafka/broker.hpp"

namespace trv::kafka {
namespace {

using namespace std::chrono_literals;
using record::ShardId;

constexpr int answer_within_ms = 20'000;

class KafkaAccess : public testing::Test {
 protected:
  void SetUp() override {
    operator_.brokers = brokers();
    operator_.topic = "access";
    limited_.brokers = secured_broker().by_password;
    limited_.topic = operator_.topic;
    limited_.tls = true;
    limited_.ca_file = (secured_broker().files / "ca.pem").string();
    limited_.mechanism = Mechanism::plain;
    limited_.user = "limited";
    limited_.password = "of-limited";
    const auto created = create_topic(operator_, {.partitions = 1, .replication = 1, .in_sync_min = 1});
    ASSERT_TRUE(created) << created.error().message();
  }
  void allow(rd_kafka_ResourceType_t kind, const std::string& name, rd_kafka_AclOperation_t operation) {
    const auto client = connect(Kind::consumer, operator_, {});
    ASSERT_TRUE(client) << client.error().message();
    std::array<char, 256> why{};
    const std::unique_ptr<rd_kafka_AclBinding_t, base::Frees<rd_kafka_AclBinding_destroy>> entry(
        rd_kafka_AclBinding_new(kind, name.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL, "User:limited", "*", operation,
                                RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, why.data(), why.size()));
    ASSERT_NE(entry, nullptr) << why.data();
    const std::unique_ptr<rd_kafka_queue_t, base::Frees<rd_kafka_queue_destroy>> queue(
        rd_kafka_queue_new(client->get()));
    rd_kafka_AclBinding_t* entries[] = {entry.get()};
    rd_kafka_CreateAcls(client->get(), entries, 1, nullptr, queue.get());
    const std::unique_ptr<rd_kafka_event_t, base::Frees<rd_kafka_event_destroy>> event(
        rd_kafka_queue_poll(queue.get(), answer_within_ms));
    ASSERT_NE(event, nullptr);
    ASSERT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR)
        << rd_kafka_event_error_string(event.get());
    std::size_t count = 0;
    const auto* results = rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event.get()), &count);
    ASSERT_EQ(count, 1U);
    ASSERT_EQ(rd_kafka_acl_result_error(results[0]), nullptr);
  }
  void allow_topic(rd_kafka_AclOperation_t operation) { allow(RD_KAFKA_RESOURCE_TOPIC, operator_.topic, operation); }
  /// Of the last refusal, once `attempt` is refused for this reason: a broker learns of what is allowed a moment later.
  template <typename Attempt>
  std::string refusal(Attempt attempt, std::string_view reason) {
    std::string last = "it was allowed";
    for (int i = 0; i < 100 && last.find(reason) == std::string::npos; ++i) {
      std::this_thread::sleep_for(i == 0 ? 0ms : 100ms);
      if (const auto done = attempt(); !done) last = done.error().message();
    }
    return last;
  }
  template <typename Attempt>
  std::string refusal_at_last(Attempt attempt) {
    std::string last;
    for (int i = 0; i < 100; ++i) {
      const auto done = attempt();
      if (done) return "";
      last = done.error().message();
      std::this_thread::sleep_for(100ms);
    }
    return last;
  }
  base::Result<log::Claim> claim() {
    KafkaEventLog log(limited_);
    return log.claim(ShardId(0), "node", base::Uuid({++nonces_}), {});
  }

  Settings operator_;
  Settings limited_;
  std::uint8_t nonces_ = 0;
};

TEST_F(KafkaAccess, what_the_guide_lists_is_enough_and_what_is_missing_is_named) {
  const auto check = [&] { return check_topic(limited_, 1); };
  EXPECT_NE(refusal(check, "TOPIC_AUTHORIZATION_FAILED").find("allow this user Read, Write and DescribeConfigs"),
            std::string::npos);
  allow_topic(RD_KAFKA_ACL_OPERATION_READ);
  EXPECT_NE(refusal(check, "TOPIC_AUTHORIZATION_FAILED").find("asking for the configuration of topic access"),
            std::string::npos);
  allow_topic(RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS);
  EXPECT_EQ(refusal_at_last(check), "");
  const auto claims = [&] { return claim(); };
  const std::string unwritten = refusal(claims, "AUTHORIZATION_FAILED");
  EXPECT_NE(unwritten.find("allow this user Write of the topic"), std::string::npos) << unwritten;
  allow_topic(RD_KAFKA_ACL_OPERATION_WRITE);
  EXPECT_EQ(refusal_at_last(claims), "");

  // Only `trav cluster init` creates.
  Settings other = limited_;
  other.topic = "access-created";
  const auto creates = [&] { return create_topic(other, {.partitions = 1, .replication = 1, .in_sync_min = 1}); };
  EXPECT_NE(refusal(creates, "AUTHORIZATION_FAILED"), "it was allowed");
  allow(RD_KAFKA_RESOURCE_TOPIC, other.topic, RD_KAFKA_ACL_OPERATION_CREATE);
  EXPECT_EQ(refusal_at_last(creates), "");

  // Only a log that is trimmed deletes.
  const auto deletes = [&] { return delete_before(limited_, 0, 1); };
  EXPECT_NE(refusal(deletes, "TOPIC_AUTHORIZATION_FAILED"), "it was allowed");
  allow_topic(RD_KAFKA_ACL_OPERATION_DELETE);
  EXPECT_EQ(refusal_at_last(deletes), "");

  // Only `trav cluster check` asks the brokers for their settings.
  const auto check_all = [&] { return check_brokers(limited_); };
  EXPECT_NE(refusal(check_all, "CLUSTER_AUTHORIZATION_FAILED").find("DescribeConfigs of the cluster"),
            std::string::npos);
  allow(RD_KAFKA_RESOURCE_BROKER, "kafka-cluster", RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS);
  EXPECT_EQ(refusal_at_last(check_all), "");

  // Only several nodes have a group.
  std::mutex mutex;
  std::string failed;
  std::atomic<bool> is_assigned = false;
  MembershipListener listener{.assigned = [&](const auto& shards) { is_assigned = is_assigned || !shards.empty(); },
                              .revoked = [](const auto&) {},
                              .failed =
                                  [&](const base::Error& error) {
                                    const std::scoped_lock lock(mutex);
                                    failed = error.message();
                                  }};
  const auto joined = Membership::join(
      limited_, {.self = {.node = "north", .address = "127.0.0.1:1", .version = "1", .shards = {}}, .session = 2s},
      std::move(listener));
  ASSERT_TRUE(joined) << joined.error().message();
  const auto eventually = [](const auto& holds) {
    for (int i = 0; i < 600 && !holds(); ++i) std::this_thread::sleep_for(50ms);
    return holds();
  };
  EXPECT_TRUE(eventually([&] {
    const std::scoped_lock lock(mutex);
    return failed.find("allow this user Read of the consumer group") != std::string::npos;
  })) << failed;
  allow(RD_KAFKA_RESOURCE_GROUP, operator_.topic + ".nodes", RD_KAFKA_ACL_OPERATION_READ);
  EXPECT_TRUE(eventually([&] { return is_assigned.load(); }));
  EXPECT_TRUE(eventually([&] { return (*joined)->members().size() == 1; }));
}

}  // namespace
}  // namespace trv::kafka
