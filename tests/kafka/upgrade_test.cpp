// Nodes of two versions on a real Kafka: travd, and travd_later, which writes fields that travd does not know, has
// another layout of its projections, and gives some events a meaning of its own.

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "tests/kafka/nodes_fixture.hpp"

namespace trv::kafka {
namespace {

class Upgrade : public Nodes {};

/// travd_later adds it to every event.
bool has_a_field_of_a_later_version(const record::RecordView& event) {
  constexpr flatbuffers::voffset_t place = sizeof(flatbuffers::voffset_t) * (2 + 60);
  const auto* payload = flatbuffers::GetRoot<flatbuffers::Table>(event.payload().data());
  return payload->GetOptionalFieldOffset(place) != 0;
}

const std::string later = (std::filesystem::path(TRV_BINARY_DIR) / "bin/travd_later").string();

TEST_F(Upgrade, of_one_node_after_the_other_goes_on_under_load_and_nothing_is_lost) {
  start(0);
  ASSERT_TRUE(own({4, 0, 0}));
  std::array<std::string, 4> tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = create_tenant(0, fmt::format("tenant-{}", i));
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  std::atomic<bool> is_over = false;
  std::atomic<std::size_t> phase = 0;
  std::array<std::shared_mutex, 2> in_use;                          // of daemons_
  std::array<std::set<std::string>, 4> acknowledged;                // ids of instances
  std::array<std::array<std::atomic<std::size_t>, 4>, 6> starts{};  // of a tenant in a phase
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    clients.emplace_back([&, i] {
      for (std::size_t key = 0; !is_over; ++key) {
        std::shared_lock lock(in_use[key % 2], std::try_to_lock);
        if (!lock) continue;
        const Answer answer = run(key % 2, fmt::format("tenant-{}", i), tokens[i], fmt::format("key-{}", key));
        ASSERT_TRUE(answer.status == 201 || answer.status == 200) << answer.status << answer.body;
        const std::string id = answer.value().at("id").as_string().c_str();
        EXPECT_TRUE(acknowledged[i].insert(id).second) << "two keys, one instance";
        ++starts[phase][i];
      }
    });
  }
  const auto goes_on = [&] {
    const auto has_some = [](const auto& count) { return count >= 5; };
    EXPECT_TRUE(eventually([&] { return std::ranges::all_of(starts[phase], has_some); })) << "in phase " << phase;
    ++phase;
  };
  const auto upgrade = [&](std::size_t node) {
    const std::scoped_lock lock(in_use[node]);
    EXPECT_EQ(daemons_[node]->stop(), 0) << daemons_[node]->complaints();
    start(node, later);
    EXPECT_NE(daemons_[node]->output().find("it was made by other projectors"), std::string::npos)
        << "its layout differs: " << daemons_[node]->output();
  };
  goes_on();
  upgrade(1);
  EXPECT_TRUE(own({2, 2, 0}));
  const std::string version(ask(*daemons_[0], "", "GET", "/v1/version").value().at("version").as_string());
  EXPECT_TRUE(eventually([&] { return versions(1) == std::vector<std::string>{version, "99.0.0"}; }));
  goes_on();
  drain(1, 0);
  EXPECT_TRUE(own({0, 4, 0})) << "the later version owns all";
  goes_on();
  drain(0, 0, "resume");
  EXPECT_TRUE(own({2, 2, 0}));
  drain(0, 1);
  EXPECT_TRUE(own({4, 0, 0})) << "and the earlier one goes on behind what that wrote";
  goes_on();
  drain(1, 1, "resume");
  EXPECT_TRUE(own({2, 2, 0}));
  upgrade(0);
  EXPECT_TRUE(own({2, 2, 0}));
  goes_on();
  is_over = true;
  for (std::thread& client : clients) client.join();
  std::array<std::set<std::string>, 4> started;
  std::size_t later_records = 0;
  std::size_t records = 0;
  each_record([&](const record::RecordView& event) {
    ++records;
    later_records += has_a_field_of_a_later_version(event) ? 1 : 0;
    if (event.type() != "trv.instance.started") return;
    const auto tenant = static_cast<std::size_t>(event.tenant().back() - '0');
    EXPECT_TRUE(started.at(tenant).emplace(event.stream_id()).second) << "an instance was started twice";
  });
  EXPECT_GT(later_records, 0U);
  EXPECT_LT(later_records, records) << "both versions have written";
  EXPECT_EQ(started, acknowledged);
  for (const std::size_t node : {0, 1}) EXPECT_EQ(daemons_[node]->stop(), 0) << daemons_[node]->complaints();
}

TEST_F(Upgrade, a_node_hands_its_shards_over_where_a_later_version_wrote_what_it_does_not_know) {
  start(0);
  ASSERT_TRUE(own({4, 0, 0}));
  const std::string plain = create_tenant(0, "plain");
  start(1, later);
  ASSERT_TRUE(own({2, 2, 0}));
  std::array<std::string, 3> tokens;
  // Of the shards in which tenants live, the later version owns one at least.
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = create_tenant(1, fmt::format("later-{}", i));
  ASSERT_TRUE(own({0, 4, 0}));
  const auto reports = [&] { return daemons_[0]->complaints() + daemons_[0]->output(); };
  EXPECT_NE(reports().find("hands its shards to the other nodes: the record with lsn"), std::string::npos) << reports();
  const std::string reason = "which this travd does not know: a later version wrote it";
  const Answer ready = ask(*daemons_[0], "", "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find(reason), std::string::npos) << ready.body;
  const Answer resumed = ask(*daemons_[0], operator_, "POST", "/v1/nodes/node-0/resume");
  EXPECT_EQ(resumed.status, 409);
  EXPECT_NE(resumed.body.find(reason), std::string::npos) << resumed.body;
  // It sends requests on, and shows no stream in which the rest would be missing.
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string tenant = fmt::format("later-{}", i);
    for (const std::size_t node : {0, 1}) {
      EXPECT_EQ(run(node, tenant, tokens[i], "key").status, node == 0 ? 201 : 200);
      EXPECT_EQ(instances(node, tenant, tokens[i]), 1U);
    }
  }
  EXPECT_TRUE(eventually([&] {
    return std::ranges::any_of(tokens, [&, i = 0](const std::string& token) mutable {
      return ask(*daemons_[0], token, "GET", fmt::format("/v1/tenants/later-{}/events/stream?after=x", i++)).status ==
             503;
    });
  }));
  // The same where it is the directory that it cannot follow.
  const std::string token = create_tenant(1, "later-platform");
  EXPECT_TRUE(eventually([&] { return ask(*daemons_[0], operator_, "GET", "/v1/nodes").status == 503; }));
  EXPECT_EQ(run(0, "later-platform", token, "key").status, 201);
  EXPECT_EQ(run(0, "plain", plain, "key").status, 201);
  EXPECT_EQ(ask(*daemons_[0], plain, "GET", "/v1/tenants/plain/events/stream?after=x").status, 503);
  EXPECT_EQ(ask(*daemons_[0], plain + "x", "GET", "/v1/tenants/plain/instances").status, 401);
  EXPECT_EQ(daemons_[0]->stop(), 0);
  const api::Ended ended = api::run_daemon(
      scratch_[0], {"--data", daemons_[0]->data().string(), "--config", configuration(0).string(), "--port", "0"});
  EXPECT_GT(ended.code, 0);
  EXPECT_NE(ended.err.find(reason), std::string::npos) << ended.err;
  // With the later version on it, it takes its part again.
  start(0, later);
  ASSERT_TRUE(own({2, 2, 0}));
  EXPECT_EQ(run(0, "plain", plain, "another").status, 201);
  for (const std::size_t node : {0, 1}) EXPECT_EQ(daemons_[node]->stop(), 0);
}

}  // namespace
}  // namespace trv::kafka
