// Nodes that share the shards of a topic, on a real Kafka.

#include "events/kafka/membership.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "events/kafka/topic.hpp"
#include "tests/kafka/broker.hpp"

namespace trv::kafka {
namespace {

using namespace std::chrono_literals;
using record::ShardId;

constexpr std::size_t shards = 4;

template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 3000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
  return condition();
}

class MembershipTest : public testing::Test {
 protected:
  void SetUp() override {
    static int topics = 0;
    settings_.brokers = brokers();
    settings_.topic = fmt::format("members-{}", ++topics);
    const auto created = create_topic(settings_, {.partitions = shards, .replication = 1, .in_sync_min = 1});
    ASSERT_TRUE(created) << created.error().message();
  }
  std::unique_ptr<Membership> join(std::size_t node) {
    MembershipListener listener;
    listener.assigned = [this, node](const std::set<ShardId>& some) {
      for (const ShardId shard : some) {
        // Nobody owns it before the last one has given it up.
        EXPECT_EQ(owners_[shard.value()].exchange(static_cast<int>(node)), -1);
      }
    };
    listener.revoked = [this, node](const std::set<ShardId>& some) {
      std::this_thread::sleep_for(20ms);
      for (const ShardId shard : some) EXPECT_EQ(owners_[shard.value()].exchange(-1), static_cast<int>(node));
    };
    listener.failed = [](const base::Error& error) { ADD_FAILURE() << error.message(); };
    auto joined = Membership::join(settings_,
                                   {.self = {.node = fmt::format("node-{}", node),
                                             .address = fmt::format("127.0.0.1:{}", 1000 + node),
                                             .version = "1.0.0",
                                             .shards = {}},
                                    .session = 2s},
                                   std::move(listener));
    EXPECT_TRUE(joined) << joined.error().message();
    return joined ? *std::move(joined) : nullptr;
  }
  std::size_t owned_by(int node) {
    return static_cast<std::size_t>(std::ranges::count_if(owners_, [&](const auto& owner) { return owner == node; }));
  }

  Settings settings_;
  std::array<std::atomic<int>, shards> owners_ = {-1, -1, -1, -1};
};

TEST_F(MembershipTest, each_shard_has_one_node_and_those_of_a_node_that_leaves_go_to_the_others) {
  auto first = join(0);
  ASSERT_TRUE(eventually([&] { return owned_by(0) == 4; }));
  auto second = join(1);
  ASSERT_TRUE(eventually([&] { return owned_by(0) == 2 && owned_by(1) == 2; }));
  const auto has_two = [](const Member& member) { return member.shards.size() == 2; };
  std::vector<Member> members;
  EXPECT_TRUE(eventually([&] {
    members = second->members();
    return members.size() == 2 && std::ranges::all_of(members, has_two);
  }));
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[0].node, "node-0");
  EXPECT_EQ(members[1].address, "127.0.0.1:1001");
  EXPECT_EQ(members[1].version, "1.0.0");
  for (const Member& member : members) {
    for (const ShardId shard : member.shards) {
      EXPECT_EQ(fmt::format("node-{}", owners_[shard.value()].load()), member.node);
    }
  }
  const auto listed = members_of(settings_);
  ASSERT_TRUE(listed) << listed.error().message();
  EXPECT_EQ(*listed, members);
  first->leave();
  EXPECT_EQ(owned_by(0), 0U);
  EXPECT_TRUE(eventually([&] { return owned_by(1) == 4; }));
  second->leave();
  EXPECT_EQ(owned_by(-1), 4U);
}

TEST_F(MembershipTest, a_topic_without_nodes_lists_none) {
  const auto listed = members_of(settings_);
  ASSERT_TRUE(listed) << listed.error().message();
  EXPECT_TRUE(listed->empty());
}

TEST_F(MembershipTest, a_session_that_the_brokers_refuse_is_reported) {
  std::atomic<bool> reported = false;
  MembershipListener listener;
  listener.assigned = [](const std::set<ShardId>&) { ADD_FAILURE(); };
  listener.revoked = [](const std::set<ShardId>&) {};
  listener.failed = [&](const base::Error& error) {
    // A topic that was just created may be unknown for a moment.
    if (error.message().find("SESSION_TIMEOUT") != std::string::npos) reported = true;
  };
  const auto joined = Membership::join(
      settings_, {.self = {.node = "a", .address = "127.0.0.1:1", .version = "1.0.0", .shards = {}}, .session = 100ms},
      std::move(listener));
  ASSERT_TRUE(joined);
  EXPECT_TRUE(eventually([&] { return reported.load(); }));
  (*joined)->leave();
}

}  // namespace
}  // namespace trv::kafka
