// What goes on while one of three brokers is gone.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <thread>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/membership.hpp"
#include "events/kafka/topic.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "tests/kafka/broker.hpp"

namespace trv::kafka {
namespace {

using namespace std::chrono_literals;
using record::ShardId;

constexpr int shards = 3;

class ThreeBrokers : public testing::Test {
 protected:
  void SetUp() override {
    settings_.brokers = start_brokers(folder_, free_ports(6), 3);
    settings_.topic = "three-brokers";
    ASSERT_TRUE(eventually([&] {
      const auto created = create_topic(settings_, {.partitions = shards, .replication = 3, .in_sync_min = 2});
      return created || created.error().code() == base::ErrorCode::conflict;
    }));
  }
  void TearDown() override { stop_brokers(folder_); }

  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 1200 && !condition(); ++i) std::this_thread::sleep_for(50ms);
    return condition();
  }
  void kill(int broker) {
    pid_t id = 0;
    ASSERT_TRUE(std::ifstream(folder_ / std::to_string(broker) / "pid") >> id);
    ASSERT_EQ(::kill(id, SIGKILL), 0);
  }
  std::unique_ptr<Membership> join(int node) {
    MembershipListener listener;
    listener.assigned = listener.revoked = [](const std::set<ShardId>&) {};
    listener.failed = [](const base::Error&) {};
    auto joined = Membership::join(settings_,
                                   {.self = {.node = fmt::format("node-{}", node),
                                             .address = fmt::format("127.0.0.1:{}", node),
                                             .version = "1",
                                             .shards = {}}},
                                   std::move(listener));
    EXPECT_TRUE(joined) << joined.error().message();
    return joined ? *std::move(joined) : nullptr;
  }
  bool claim(KafkaEventLog& log, int shard) {
    return log.claim(ShardId(static_cast<std::uint64_t>(shard)), "a", base::Uuid::v7(clock_.now(), random_))
        .has_value();
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("three_brokers_{}", ::getpid());
  const base::SystemClock clock_;
  base::SystemRandom random_;
  Settings settings_;
};

// librdkafka goes on to ask brokers that are gone: for the group, and for the end of a partition that one of them led.
TEST_F(ThreeBrokers, while_one_is_gone_the_nodes_are_known_and_shards_are_claimed) {
  const auto slower = check_brokers(settings_);
  ASSERT_TRUE(slower) << slower.error().message();
  for (const Deviation& one : *slower) ADD_FAILURE() << one.setting << " is " << one.found;
  const auto first = join(1);
  const auto second = join(2);
  ASSERT_TRUE(eventually([&] { return first->members().size() == 2 && second->members().size() == 2; }));
  KafkaEventLog log(settings_);
  for (int shard = 0; shard < shards; ++shard) {
    // Each leaves a client behind that knows the leaders of now.
    EXPECT_TRUE(eventually([&] { return claim(log, shard); }));
    EXPECT_TRUE(log.bounds(ShardId(static_cast<std::uint64_t>(shard))));
  }
  kill(1);
  const base::Duration began = clock_.monotonic();
  for (int shard = 0; shard < shards; ++shard) {
    EXPECT_TRUE(eventually([&] { return claim(log, shard); })) << shard;
  }
  EXPECT_LT(clock_.monotonic() - began, base::Duration(30s)) << "somebody waits for the one that is gone";
  const auto third = join(3);
  for (const auto* one : {&first, &second, &third}) {
    EXPECT_TRUE(eventually([&] {
      std::size_t owned = 0;
      for (const Member& member : (*one)->members()) owned += member.shards.size();
      return (*one)->members().size() == 3 && owned == shards;
    }));
  }
}

}  // namespace
}  // namespace trv::kafka
