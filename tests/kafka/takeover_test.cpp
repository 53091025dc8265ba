// Shards of a node whose process has ended, or seems to have, before the brokers know it.

#include <algorithm>
#include <map>
#include <optional>

#include "kernel/http/testing/loopback_server.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "tests/kafka/nodes_fixture.hpp"

namespace trv::kafka {
namespace {

using namespace std::chrono_literals;

class Takeover : public Nodes {
 protected:
  using Shards = std::set<std::int64_t>;

  /// So long that a machine with much to do does not end it.
  Takeover() { session_ms_ = 8000; }

  /// As that node lists them.
  std::map<std::string, Shards> owners(std::size_t asked) {
    std::map<std::string, Shards> owners;
    const Answer listed = ask(*daemons_[asked], operator_, "GET", "/v1/nodes");
    if (listed.status != 200) return owners;
    const auto value = listed.value();
    for (const auto& one : value.at("items").as_array()) {
      Shards& shards = owners[one.at("node").as_string().c_str()];
      for (const auto& shard : one.at("shards").as_array()) shards.insert(shard.as_int64());
    }
    return owners;
  }
  /// Which it owns indeed.
  Shards owned_by(std::size_t node) {
    Shards shards;
    const auto said = ask(*daemons_[node], "", "GET", "/readyz").value();
    for (const auto& shard : said.at("shards").as_array()) {
      if (shard.at("role").as_string() == "owner") shards.insert(shard.at("shard").as_int64());
    }
    return shards;
  }
};

TEST_F(Takeover, the_survivors_serve_at_once_what_the_brokers_give_them_later) {
  for (std::size_t node = 0; node < nodes_max; ++node) start(node);
  ASSERT_TRUE(eventually([&] {
    const auto shards = owned();
    return *std::ranges::min_element(shards) >= 1 && shards[0] + shards[1] + shards[2] == 4;
  }));
  std::array<std::string, 3> tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = create_tenant(i, fmt::format("tenant-{}", i));
  const auto shards = owned();
  const auto victim = static_cast<std::size_t>(std::ranges::max_element(shards) - shards.begin());
  const std::size_t one = victim == 0 ? 1 : 0;
  const std::size_t other = 3 - victim - one;
  // Each node knows and watches the others a second after they have joined.
  ASSERT_TRUE(eventually([&] { return owners(one).size() == 3 && owners(other).size() == 3; }));
  std::this_thread::sleep_for(2s);
  kill(victim);
  ASSERT_TRUE(eventually([&] { return owned_by(one).size() + owned_by(other).size() == 4; }));
  const auto known = members_of(settings_);
  ASSERT_TRUE(known) << known.error().message();
  EXPECT_EQ(known->size(), 3U) << "the brokers know it already";
  const Shards ours = owned_by(one);
  const Shards theirs = owned_by(other);
  EXPECT_EQ(ours.size(), 2U);
  const std::map<std::string, Shards> expected = {{fmt::format("node-{}", one), ours},
                                                  {fmt::format("node-{}", other), theirs}};
  EXPECT_TRUE(eventually([&] { return owners(one) == expected && owners(other) == expected; }));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    for (const std::size_t asked : {one, other}) {
      EXPECT_EQ(run(asked, fmt::format("tenant-{}", i), tokens[i], fmt::format("key-{}", asked)).status, 201);
    }
  }
  // The brokers come to the same, so that nothing moves again.
  EXPECT_TRUE(eventually([&] {
    const auto members = members_of(settings_);
    return members && members->size() == 2 && (*members)[0].shards.size() + (*members)[1].shards.size() == 4;
  }));
  EXPECT_EQ(owners(one), expected);
  EXPECT_EQ(owned_by(one), ours);
  EXPECT_EQ(owned_by(other), theirs);
}

// As where a network is cut between two nodes of which both reach the brokers.
TEST_F(Takeover, an_owner_that_lives_and_cannot_be_reached_keeps_its_shards_after_one_claim) {
  start(0);
  ASSERT_TRUE(own({4, 0, 0}));
  std::array<std::string, 3> tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = create_tenant(0, fmt::format("tenant-{}", i));

  std::optional<http::LoopbackListener> reached(std::in_place);
  MembershipListener listener;
  listener.assigned = listener.revoked = [](const std::set<ShardId>&) {};
  listener.failed = [](const base::Error&) {};
  const auto living = Membership::join(
      settings_,
      {.self = {.node = "node-1", .address = fmt::format("127.0.0.1:{}", reached->port()), .version = "", .shards = {}},
       .session = 8s},
      std::move(listener));
  ASSERT_TRUE(living) << living.error().message();
  ASSERT_TRUE(own({2, 2, 0}));
  std::set<ShardId> shards;
  const auto listed = members_of(settings_);
  ASSERT_TRUE(listed) << listed.error().message();
  for (const Member& member : *listed) {
    if (member.node == "node-1") shards = member.shards;
  }
  ASSERT_EQ(shards.size(), 2U);
  KafkaEventLog log(settings_);
  base::SystemRandom random;
  const base::SystemClock clock;
  const auto claim = [&](ShardId shard) {
    const auto claimed = log.claim(shard, "node-1", base::Uuid::v7(clock.now(), random));
    EXPECT_TRUE(claimed) << claimed.error().message();
    return claimed ? claimed->epoch.value() : 0;
  };
  std::map<ShardId, std::uint64_t> epochs;
  for (const ShardId shard : shards) epochs[shard] = claim(shard);
  pollfd watched{.fd = reached->socket(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&watched, 1, 30'000), 1) << "the other node holds a connection";

  reached.reset();
  ASSERT_TRUE(eventually([&] { return owned_by(0).size() == 4; }));
  // It claims them again, as a node does that has lost what it is to own.
  for (const auto& [shard, epoch] : epochs) EXPECT_EQ(claim(shard), epoch + 2);
  // The other one learns that when it writes, and does not insist.
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const long status =
        ask(*daemons_[0], tokens[i], "POST", fmt::format("/v1/tenants/tenant-{}/workflows/demo/hello/instances", i),
            "{}", {{"Content-Type", "application/json"}})
            .status;
    EXPECT_TRUE(status == 201 || status == 503) << status;
  }
  ASSERT_TRUE(eventually([&] { return owned_by(0).size() == 2; }));
  ASSERT_TRUE(eventually([&] { return owners(0).size() == 2; })) << "and lists it again";
  for (const auto& [shard, epoch] : epochs) EXPECT_EQ(claim(shard), epoch + 3) << "somebody claimed it meanwhile";
}

}  // namespace
}  // namespace trv::kafka
