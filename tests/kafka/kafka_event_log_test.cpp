// The log on a real Kafka under the suite that every log passes.

#include "events/kafka/kafka_event_log.hpp"

#include <fmt/format.h>

#include "events/kafka/topic.hpp"
#include "events/log/event_log_suite.hpp"
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

}  // namespace
}  // namespace trv::kafka

namespace trv::log {
INSTANTIATE_TEST_SUITE_P(Kafka, EventLogSuite,
                         testing::Values(EventLogWorldMaker([] { return std::make_unique<kafka::KafkaWorld>(); })));
}  // namespace trv::log
