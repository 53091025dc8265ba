// Tenants on several shards: placed once and for ever, and apart from each other.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "events/blob/in_memory_blob_store.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "kernel/node/node.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class ShardsTest : public testing::Test {
 protected:
  void start(int shards) {
    daemon_.reset();
    auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_SHARDS", std::to_string(shards)}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (!daemon_->operator_token().empty()) operator_ = daemon_->operator_token();
  }
  void stop() {
    EXPECT_EQ(daemon_->stop(), 0) << daemon_->complaints();
    daemon_.reset();
  }
  void create(const std::string& id) {
    const Answer answer = ask(*daemon_, operator_, "POST", "/v1/tenants", fmt::format(R"({{"id":"{}"}})", id));
    ASSERT_EQ(answer.status, 201) << answer.body;
    tokens_[id] = answer.value().at("token").at("token").as_string();
  }
  Answer get(const std::string& tenant, const std::string& path, Headers headers = {}) {
    return ask(*daemon_, tenant == "system" ? operator_ : tokens_[tenant], "GET", path, {}, std::move(headers));
  }
  std::vector<json::value> events(const std::string& tenant) {
    const Answer answer = get(tenant, "/v1/tenants/" + tenant + "/events?limit=500");
    EXPECT_EQ(answer.status, 200) << answer.body;
    const json::value page = answer.value();
    return answer.status == 200 ? std::vector(page.at("items").as_array().begin(), page.at("items").as_array().end())
                                : std::vector<json::value>();
  }
  std::string position(const std::string& tenant) {
    const auto all = events(tenant);
    return all.empty() ? std::string() : std::string(all.back().at("position").as_string());
  }
  /// What no client does: looks inside a position.
  std::string shard_of(const std::string& tenant) { return position(tenant).substr(2, 4); }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string operator_;
  std::map<std::string, std::string> tokens_;
};

TEST_F(ShardsTest, tenants_are_spread_and_see_nothing_of_each_other) {
  start(4);
  std::set<std::string> shards;
  for (const char* id : {"acme", "beta", "gamma"}) {
    create(id);
    shards.insert(shard_of(id));
  }
  EXPECT_EQ(shards, (std::set<std::string>{"0001", "0002", "0003"}));
  EXPECT_EQ(shard_of("system"), "0000");
  for (const char* id : {"acme", "beta", "gamma"}) {
    for (const json::value& event : events(id)) EXPECT_EQ(event.at("tenant").as_string(), id);
    for (const char* other : {"acme", "beta", "gamma", "system"}) {
      if (std::string_view(id) == other) continue;
      EXPECT_EQ(get(id, fmt::format("/v1/tenants/{}/events", other)).status, 404);
      EXPECT_EQ(get(id, fmt::format("/v1/tenants/{}/events/stream", other)).status, 404);
      const std::string foreign = position(other);
      for (const char* list : {"events", "events/stream"}) {
        EXPECT_EQ(get(id, fmt::format("/v1/tenants/{}/{}?after={}", id, list, foreign)).status, 400) << other;
      }
      EXPECT_EQ(get(id, fmt::format("/v1/tenants/{}/events/stream", id), {{"Last-Event-ID", foreign}}).status, 400);
    }
  }
  EXPECT_EQ(ask(*daemon_, operator_, "POST", "/v1/tenants", R"({"id":"acme"})").status, 409);
  const Answer all = get("system", "/v1/tenants");
  EXPECT_EQ(all.value().at("items").as_array().size(), 4U) << all.body;
}

TEST_F(ShardsTest, a_tenant_stays_where_it_is_over_restarts_and_rebuilt_projections) {
  start(4);
  std::map<std::string, std::string> before;
  for (const char* id : {"acme", "beta", "gamma", "delta"}) {
    create(id);
    before[id] = position(id);
  }
  for (const bool rebuilt : {false, true}) {
    stop();
    if (rebuilt) std::filesystem::remove_all(scratch_.path() / "data/projection");
    start(4);
    for (const auto& [id, was] : before) EXPECT_EQ(position(id), was) << id << (rebuilt ? ", rebuilt" : "");
  }
}

TEST_F(ShardsTest, a_folder_grows_and_does_not_shrink_below_a_tenant) {
  start(1);
  create("acme");
  EXPECT_EQ(shard_of("acme"), "0000");
  stop();
  start(3);
  create("beta");
  create("gamma");
  EXPECT_EQ(shard_of("acme"), "0000");
  EXPECT_EQ(shard_of("beta"), "0001");
  EXPECT_EQ(shard_of("gamma"), "0002");
  stop();
  const Ended ended =
      run_daemon(scratch_, {"--data", (scratch_.path() / "data").string(), "--port", "0"}, {{"TRAV_SHARDS", "2"}});
  EXPECT_EQ(ended.code, 2) << ended.out;
  EXPECT_NE(ended.err.find("tenant 'gamma' is placed on shard 2"), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("set shards to 3 or more"), std::string::npos) << ended.err;
  start(3);
  EXPECT_EQ(shard_of("gamma"), "0002");
}

TEST_F(ShardsTest, the_number_of_shards_is_checked_at_the_start) {
  for (const char* shards : {"0", "257", "-1", "four"}) {
    const Ended ended =
        run_daemon(scratch_, {"--data", (scratch_.path() / "data").string(), "--port", "0"}, {{"TRAV_SHARDS", shards}});
    EXPECT_EQ(ended.code, 2) << shards << ended.out;
    EXPECT_NE(ended.err.find("TRAV_SHARDS"), std::string::npos) << ended.err;
  }
}

/// The first step of a tenant's creation, as a process does it that ends before the second.
base::Status place(const std::filesystem::path& data, const std::string& tenant, std::uint32_t shards) {
  TRV_TRY_ASSIGN(const auto log, log::LmdbEventLog::open(data / "log", {.shards_max = 256}));
  blob::InMemoryBlobStore blobs;
  const catalog::EventCatalog catalog = catalog::EventCatalog::make();
  const base::SystemClock clock;
  base::SystemRandom random;
  TRV_TRY_ASSIGN(const auto node, node::Node::open({.folder = data / "projection", .shards = shards}, *log, blobs,
                                                   catalog, clock, random));
  TRV_TRY(node->start([](node::Shard&) {
    node::ShardObserver observer;
    observer.failed = [](const base::Error& error) { ADD_FAILURE() << error.message(); };
    return observer;
  }));
  TRV_TRY(node->platform().decide_and_wait(
      base::system_tenant(), [&](const lmdb::Txn& state, shard::DecisionContext& context) {
        return tenancy::decide(node->platform().tenancy(), state, context,
                               tenancy::PlaceTenant{base::TenantId(tenant), "The " + tenant, shards});
      }));
  return node->stop();
}

TEST_F(ShardsTest, the_operator_gives_a_tenant_whose_creation_was_cut_short_its_owner_token) {
  start(3);
  stop();
  const base::Status placed = place(scratch_.path() / "data", "acme", 3);
  ASSERT_TRUE(placed) << placed.error().message();
  start(3);
  EXPECT_NE(daemon_->output().find("the creation of tenant 'acme' was cut short"), std::string::npos)
      << daemon_->output();
  EXPECT_NE(daemon_->output().find("trav token create NAME --role owner --as-operator --tenant acme"),
            std::string::npos);
  const Answer issued =
      ask(*daemon_, operator_, "POST", "/v1/tenants/acme/tokens", R"({"name":"owner","role":"owner"})");
  ASSERT_EQ(issued.status, 201) << issued.body;
  EXPECT_EQ(ask(*daemon_, issued.text("token"), "GET", "/v1/tenants/acme/instances").status, 200);
  stop();
  start(3);
  EXPECT_EQ(daemon_->output().find("cut short"), std::string::npos);
}

}  // namespace
}  // namespace trv::api
