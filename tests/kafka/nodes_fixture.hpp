#pragma once
// Several travd that share the shards of one topic on a real Kafka.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/membership.hpp"
#include "events/record/chain.hpp"
#include "tests/kafka/broker.hpp"
#include "tests/support/api/api_fixture.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::kafka {

using api::Answer;
using api::ask;
using api::Daemon;
using record::ShardId;

inline constexpr std::size_t nodes_max = 3;

template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 3000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return condition();
}

class Nodes : public testing::Test {
 protected:
  void SetUp() override {
    static int topics = 0;
    settings_.brokers = brokers();
    settings_.topic = fmt::format("nodes-{}", ++topics);
    for (std::size_t i = 0; i < nodes_max; ++i) {
      std::ofstream(configuration(i)) << fmt::format(
          "shards = 4\n[node]\nname = \"node-{}\"\naddress = \"127.0.0.1:0\"\nshared_folder = \"{}\"\n"
          "cluster_key_file = \"{}\"\n"
          "[egress]\nallow_private_network = true\n[kafka]\nbrokers = \"{}\"\ntopic = \"{}\"\nsession_ms = {}\n",
          i, (shared_.path() / "common").string(), cluster_key().string(), settings_.brokers, settings_.topic,
          session_ms_);
    }
    ASSERT_EQ(trav({"cluster", "key", cluster_key().string()}), 0);
    ASSERT_EQ(trav({"cluster", "init", "--replication", "1", "--in-sync", "1", "--config", configuration(0).string()}),
              0);
  }
  static int trav(const std::vector<std::string>& arguments) {
    auto run = processes::ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav", arguments);
    return run ? run->wait(std::chrono::seconds(60)).value_or(-1) : -1;
  }
  std::filesystem::path cluster_key() const { return shared_.path() / "cluster.key"; }
  std::filesystem::path configuration(std::size_t node) { return scratch_[node].path() / "travd.toml"; }
  /// `program`: another than travd.
  void start(std::size_t node, const std::string& program = {}) {
    auto started = Daemon::start(scratch_[node], {"--config", configuration(node).string()}, {.program = program});
    ASSERT_TRUE(started) << started.error().message();
    daemons_[node] = *std::move(started);
    if (!daemons_[node]->operator_token().empty()) operator_ = daemons_[node]->operator_token();
  }
  void kill(std::size_t node) {
    ASSERT_EQ(::kill(daemons_[node]->id(), SIGKILL), 0);
    daemons_[node].reset();
  }
  /// How many shards each of them owns.
  std::array<std::size_t, nodes_max> owned() {
    std::array<std::size_t, nodes_max> owned{};
    const auto members = members_of(settings_);
    if (!members) return owned;
    for (const Member& member : *members)
      owned.at(static_cast<std::size_t>(member.node.back() - '0')) = member.shards.size();
    return owned;
  }
  bool own(std::array<std::size_t, nodes_max> shards) {
    return eventually([&] { return owned() == shards; });
  }
  /// Asks until the answer is not one that says to ask again.
  Answer insist(std::size_t node, const std::string& token, const std::string& method, const std::string& path,
                const std::string& body = {}, const api::Headers& headers = {}) {
    Answer answer;
    for (int i = 0; i < 600; ++i) {
      answer = ask(*daemons_[node], token, method, path, body, headers);
      if (answer.status != 503) return answer;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return answer;
  }
  std::string create_tenant(std::size_t node, const std::string& id) {
    const Answer created = insist(node, operator_, "POST", "/v1/tenants", fmt::format(R"({{"id":"{}"}})", id));
    EXPECT_EQ(created.status, 201) << created.body;
    if (created.status != 201) return "";
    const std::string token = created.value().at("token").at("token").as_string().c_str();
    EXPECT_EQ(insist(node, token, "POST", fmt::format("/v1/tenants/{}/workflows", id), std::string(api::hello_workflow),
                     {{"Content-Type", "application/yaml"}})
                  .status,
              201);
    return token;
  }
  Answer run(std::size_t node, const std::string& tenant, const std::string& token, const std::string& key) {
    return insist(node, token, "POST", fmt::format("/v1/tenants/{}/workflows/demo/hello/instances", tenant), "{}",
                  {{"Idempotency-Key", key}, {"Content-Type", "application/json"}});
  }
  /// Whether the tenant lives in that shard, and nothing of the move is left to do.
  bool move(std::size_t node, const std::string& tenant, std::uint32_t shard) {
    return eventually([&] {
      return ask(*daemons_[node], operator_, "POST", fmt::format("/v1/tenants/{}/move", tenant),
                 fmt::format(R"({{"shard":{}}})", shard))
                 .status == 200;
    });
  }
  std::vector<std::string> positions(std::size_t node, const std::string& tenant, const std::string& token) {
    std::vector<std::string> all;
    for (std::string after = "0";;) {
      const Answer page =
          insist(node, token, "GET", fmt::format("/v1/tenants/{}/events?limit=500&after={}", tenant, after));
      EXPECT_EQ(page.status, 200) << page.body;
      if (page.status != 200) return all;
      const auto value = page.value();
      for (const auto& event : value.at("items").as_array()) all.emplace_back(event.at("position").as_string());
      if (value.at("items").as_array().size() < 500) return all;
      after = all.back();
    }
  }
  /// Every record of every shard, with its chain verified.
  void each_record(const std::function<void(const record::RecordView&)>& visit) const {
    KafkaEventLog log(settings_);
    for (std::uint32_t shard = 0; shard < 4; ++shard) {
      record::ChainVerifier chain{ShardId(shard)};
      const auto bounds = log.bounds(ShardId(shard));
      ASSERT_TRUE(bounds);
      const auto reader = log.read(ShardId(shard), log::Lsn(1));
      ASSERT_TRUE(reader);
      while (chain.last() < bounds->last) {
        const auto stored = (*reader)->next(std::chrono::seconds(10));
        ASSERT_TRUE(stored && *stored);
        const auto event = record::RecordView::over((*stored)->bytes);
        ASSERT_TRUE(event);
        const auto accepted = chain.accept(*event);
        ASSERT_TRUE(accepted) << accepted.error().message();
        visit(*event);
      }
    }
  }
  void drain(std::size_t asked, std::size_t node, const char* how = "drain") {
    const Answer drained = insist(asked, operator_, "POST", fmt::format("/v1/nodes/node-{}/{}", node, how));
    EXPECT_EQ(drained.status, 200) << drained.body;
  }
  /// Of the nodes in their order, as one of them lists them.
  std::vector<std::string> versions(std::size_t asked) {
    std::vector<std::string> versions;
    const Answer listed = insist(asked, operator_, "GET", "/v1/nodes");
    EXPECT_EQ(listed.status, 200) << listed.body;
    if (listed.status != 200) return versions;
    const auto value = listed.value();
    for (const auto& node : value.at("items").as_array()) versions.emplace_back(node.at("version").as_string());
    return versions;
  }
  std::size_t instances(std::size_t node, const std::string& tenant, const std::string& token) {
    const Answer listed = insist(node, token, "GET", fmt::format("/v1/tenants/{}/instances?limit=500", tenant));
    EXPECT_EQ(listed.status, 200) << listed.body;
    return listed.status == 200 ? listed.value().at("items").as_array().size() : 0;
  }

  int session_ms_ = 2000;
  api::ScratchFolder shared_;
  std::array<api::ScratchFolder, nodes_max> scratch_;
  Settings settings_;
  std::array<std::unique_ptr<Daemon>, nodes_max> daemons_;
  std::string operator_;
};

}  // namespace trv::kafka
