// The log on a real Kafka under the suite that every log passes.

#include "events/kafka/kafka_event_log.hpp"

#include <fmt/format.h>

#include "events/kafka/topic.hpp"
#include "events/log/event_log_suite.hpp"
#include "sdk/base/clock.hpp"
#include "tests/kafka/broker.hpp"

namespace trv::kafka {
namespace {

class KafkaWorld final : public log::EventLogWorld {
 public:
  KafkaWorld() {
    static int worlds = 0;
    settings_.brokers = brokers();
    settings_.topic = fmt::format("world-{}", ++worlds);
    const auto created = create_topic(settings_, {.partitions = 16, .replication = 1, .in_sync_min = 1});
    EXPECT_TRUE(created.has_value()) << created.error().message();
    reopen();
    const auto ready = owner_->bounds(log::ShardId(0));
    EXPECT_TRUE(ready.has_value()) << ready.error().message();
  }
  log::EventLog& owner() override { return *owner_; }
  log::EventLog& rival() override { return *rival_; }
  bool reopen() override {
    owner_ = std::make_unique<KafkaEventLog>(settings_);
    rival_ = std::make_unique<KafkaEventLog>(settings_);
    return true;
  }

 private:
  Settings settings_;
  std::unique_ptr<KafkaEventLog> owner_;
  std::unique_ptr<KafkaEventLog> rival_;
};

TEST(KafkaClaim, of_a_new_process_does_not_wait_for_what_librdkafka_does_once_a_second) {
  Settings settings;
  settings.brokers = brokers();
  settings.topic = "claims";
  ASSERT_TRUE(create_topic(settings, {.partitions = 1, .replication = 1, .in_sync_min = 1}));
  const base::SystemClock clock;
  base::Duration fastest = base::Duration::max();
  for (std::uint8_t i = 1; i <= 5; ++i) {
    KafkaEventLog log(settings);
    ASSERT_TRUE(log.bounds(log::ShardId(0)));  // as who follows it
    const base::Duration began = clock.monotonic();
    const auto claim = log.claim(log::ShardId(0), "node", base::Uuid({i}), {});
    ASSERT_TRUE(claim) << claim.error().message();
    fastest = std::min(fastest, clock.monotonic() - began);
  }
  EXPECT_LT(fastest, std::chrono::milliseconds(400));
}

TEST(Brokers, that_are_slower_than_recommended_are_named_with_the_worst_of_them_and_the_cost) {
  const BrokerSettings good = {{"group.min.session.timeout.ms", "1000"}, {"replica.lag.time.max.ms", "1000"}};
  BrokerSettings bad = good;
  bad["group.min.session.timeout.ms"] = "6000";
  EXPECT_TRUE(slower_than_recommended({good, good}).empty());
  const auto found = slower_than_recommended({good, bad, good});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].setting, "group.min.session.timeout.ms");
  EXPECT_EQ(found[0].found, "6000");
  EXPECT_EQ(found[0].needed, "1000");
  EXPECT_FALSE(found[0].loses);
  EXPECT_NE(found[0].consequence.find("kafka.session_ms"), std::string::npos);
}

}  // namespace
}  // namespace trv::kafka

namespace trv::log {
INSTANTIATE_TEST_SUITE_P(Kafka, EventLogSuite,
                         testing::Values(EventLogWorldMaker([] { return std::make_unique<kafka::KafkaWorld>(); })));
}  // namespace trv::log
