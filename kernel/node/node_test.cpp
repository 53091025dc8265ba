#include "kernel/node/node.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <latch>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "events/blob/in_memory_blob_store.hpp"
#include "events/log/forwarding_log.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "kernel/tenancy/decisions.hpp"

namespace trv::node {
namespace {

/// Gives everything to the real log, but reads of one shard only when they are let go on. Notes who claims.
class HeldLog final : public log::ForwardingLog {
 public:
  HeldLog(log::EventLog& real, log::ShardId held) : ForwardingLog(real), held_(held) {}
  void let_go() {
    if (!std::exchange(is_let_go_, true)) gate_.count_down();
  }

  base::Result<std::unique_ptr<log::Reader>> read(log::ShardId shard, log::Lsn from,
                                                  const log::EnginePosition& hint) override {
    if (shard == held_) gate_.wait();
    return ForwardingLog::read(shard, from, hint);
  }
  base::Result<log::Claim> claim(log::ShardId shard, std::string_view node, const base::Uuid& nonce,
                                 const log::EnginePosition& hint) override {
    {
      const std::scoped_lock lock(mutex_);
      claimants_[shard] = node;
    }
    return ForwardingLog::claim(shard, node, nonce, hint);
  }
  std::map<log::ShardId, std::string> claimants() {
    const std::scoped_lock lock(mutex_);
    return claimants_;
  }

 private:
  const log::ShardId held_;
  std::mutex mutex_;
  std::map<log::ShardId, std::string> claimants_;
  std::latch gate_{1};
  bool is_let_go_ = false;
};

class NodeTest : public testing::Test {
 protected:
  NodeTest() { std::filesystem::remove_all(folder_); }
  ~NodeTest() override {
    stop();
    std::filesystem::remove_all(folder_);
  }

  base::Status start(std::uint32_t shards) {
    stop();
    TRV_TRY(open(shards));
    return node_->start(observer_of);
  }
  /// Reads of shard `held` wait until held_ lets them go.
  base::Status open(std::uint32_t shards, std::uint64_t held = UINT64_MAX) {
    TRV_TRY_ASSIGN(log_, log::LmdbEventLog::open(folder_ / "log", {.map_bytes = map_bytes, .shards_max = 16}));
    held_.emplace(*log_, log::ShardId(held));
    TRV_TRY_ASSIGN(
        node_, Node::open({.name = "north", .folder = folder_ / "projection", .map_bytes = map_bytes, .shards = shards},
                          *held_, blobs_, catalog_, clock_, random_));
    return {};
  }
  static ShardObserver observer_of(const Shard&) {
    ShardObserver observer;
    observer.effects = [](const shard::EffectChanges&) {};
    observer.taken_over = [] {};
    observer.failed = [](const base::Error& error) { ADD_FAILURE() << error.message(); };
    return observer;
  }
  void stop() {
    if (node_) {
      EXPECT_TRUE(node_->stop());
    }
    node_.reset();
    held_.reset();
    log_.reset();
  }

  /// The first step of two.
  void place(const std::string& id) {
    Shard& platform = node_->platform();
    const tenancy::PlaceTenant place{base::TenantId(id), "The " + id,
                                     static_cast<std::uint32_t>(node_->shards().size()), node_->catching_up()};
    const auto placed =
        platform.decide_and_wait(base::system_tenant(), [&](const lmdb::Txn& state, shard::DecisionContext& context) {
          return tenancy::decide(platform.tenancy(), state, context, place);
        });
    ASSERT_TRUE(placed) << placed.error().message();
  }
  std::uint64_t shard_of(const std::string& id) {
    const auto shard = node_->shard_of(base::TenantId(id));
    EXPECT_TRUE(shard);
    return shard ? (*shard)->id().value() : UINT64_MAX;
  }
  bool is_created(const std::string& id) {
    const auto shard = node_->shard_of(base::TenantId(id));
    const auto txn = (*shard)->begin_read();
    const auto here = (*shard)->tenancy().is_here(*txn, base::TenantId(id));
    return here && *here;
  }
  std::uint64_t last_of(std::uint64_t shard) { return log_->bounds(log::ShardId(shard))->last.value(); }

  static constexpr std::uint64_t map_bytes = std::uint64_t{1} << 30;
  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("node_test_{}", ::getpid());
  const catalog::EventCatalog catalog_ = catalog::EventCatalog::make();
  const base::SystemClock clock_;
  base::SystemRandom random_;
  blob::InMemoryBlobStore blobs_;
  std::unique_ptr<log::LmdbEventLog> log_;
  std::optional<HeldLog> held_;
  std::unique_ptr<Node> node_;
};

TEST_F(NodeTest, a_claim_names_its_node) {
  ASSERT_TRUE(start(2));
  const std::map<log::ShardId, std::string> expected = {{log::ShardId(0), "north"}, {log::ShardId(1), "north"}};
  EXPECT_EQ(held_->claimants(), expected);
}

TEST_F(NodeTest, a_tenant_that_was_placed_and_not_created_is_created_at_the_next_start_and_once) {
  ASSERT_TRUE(start(3));
  place("acme");
  EXPECT_EQ(shard_of("acme"), 1U);
  EXPECT_FALSE(is_created("acme"));
  ASSERT_TRUE(start(3));
  EXPECT_TRUE(is_created("acme"));
  EXPECT_EQ(node_->created_at_start(), std::vector{base::TenantId("acme")});
  EXPECT_EQ(last_of(1), 1U);
  ASSERT_TRUE(start(3));
  EXPECT_TRUE(node_->created_at_start().empty());
  EXPECT_EQ(last_of(1), 1U);
}

TEST_F(NodeTest, a_tenant_goes_to_the_shard_with_the_fewest_and_stays_there) {
  ASSERT_TRUE(start(1));
  place("first");
  EXPECT_EQ(shard_of("first"), 0U);
  ASSERT_TRUE(start(3));
  for (const char* id : {"a", "b", "c", "d"}) place(id);
  EXPECT_EQ(shard_of("a"), 1U);
  EXPECT_EQ(shard_of("b"), 2U);
  EXPECT_EQ(shard_of("c"), 1U);
  EXPECT_EQ(shard_of("d"), 2U);
  ASSERT_TRUE(start(4));
  place("e");
  place("f");
  EXPECT_EQ(shard_of("e"), 3U);
  EXPECT_EQ(shard_of("f"), 3U);
  const std::uint64_t last = last_of(0);
  place("a");
  EXPECT_EQ(shard_of("a"), 1U);
  EXPECT_EQ(last_of(0), last) << "a tenant was placed twice";
}

TEST_F(NodeTest, the_platform_is_in_shard_0_and_who_does_not_exist_is_in_none) {
  ASSERT_TRUE(start(3));
  EXPECT_EQ(shard_of("system"), 0U);
  EXPECT_FALSE(is_created("nobody"));
  EXPECT_EQ(shard_of("nobody"), shard_of("nobody"));
}

/// Three tenants in the shards 1 to 3; shard 2 has to be replayed and its log is held.
class HeldNodeTest : public NodeTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(start(4));
    for (const char* id : {"a", "b", "c"}) place(id);
    ASSERT_TRUE(start(4));  // which creates them
    ASSERT_EQ(shard_of("b"), 2U);
    stop();
    std::filesystem::remove_all(folder_ / "projection" / "2");
    ASSERT_TRUE(open(4, 2));
    starting_ = std::async(std::launch::async, [this] { return node_->start(observer_of, stop_.get_token()); });
    for (int i = 0; i < 6000 && node_->catching_up() != std::set<std::uint32_t>{2}; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ASSERT_EQ(node_->catching_up(), std::set<std::uint32_t>{2});
    for (int i = 0; i < 6000 && refusal("b") != held_up; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  void TearDown() override {
    held_->let_go();
    if (starting_.valid()) (void)starting_.get();
  }
  std::string refusal(const std::string& id) {
    const auto shard = node_->shard_of(base::TenantId(id));
    if (shard) return "";
    EXPECT_EQ(shard.error().code(), base::ErrorCode::unavailable);
    return shard.error().message();
  }

  static constexpr const char* held_up = "shard 2 catches up: 0 of 1 records are applied";
  std::stop_source stop_;
  std::future<base::Status> starting_;
};

TEST_F(HeldNodeTest, a_ready_shard_serves_while_another_one_is_replayed) {
  EXPECT_EQ(refusal("system"), "");
  EXPECT_TRUE(is_created("a"));
  EXPECT_TRUE(is_created("c"));
  EXPECT_TRUE((*node_->shard_of(base::TenantId("a")))
                  ->decide_and_wait(base::TenantId("a"),
                                    [](const lmdb::Txn&, const shard::DecisionContext&) { return shard::Decision{}; }));
  EXPECT_EQ(refusal("b"), held_up);
  EXPECT_EQ(node_->shards()[2]->why_not_ready(), refusal("b"));
  EXPECT_EQ(node_->shards()[1]->why_not_ready(), "");
  // Some name that does not exist gets the same answer as that which does.
  bool is_alike = false;
  for (int i = 0; i < 200; ++i) is_alike = is_alike || refusal("ghost" + std::to_string(i)) == refusal("b");
  EXPECT_TRUE(is_alike);
  held_->let_go();
  EXPECT_TRUE(starting_.get());
  EXPECT_TRUE(is_created("b"));
  EXPECT_EQ(node_->shards()[2]->why_not_ready(), "");
}

TEST_F(HeldNodeTest, a_new_tenant_goes_to_a_shard_that_serves) {
  for (const char* id : {"d", "e", "f"}) place(id);
  for (const char* id : {"d", "e", "f"}) EXPECT_NE(shard_of(id), 2U) << id;
  const tenancy::PlaceTenant nowhere{base::TenantId("g"), "The g", 4, {1, 2, 3}};
  Shard& platform = node_->platform();
  const auto refused =
      platform.decide_and_wait(base::system_tenant(), [&](const lmdb::Txn& state, shard::DecisionContext& context) {
        return tenancy::decide(platform.tenancy(), state, context, nowhere);
      });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable);
}

TEST_F(HeldNodeTest, a_start_that_is_ended_leaves_what_it_has_replayed) {
  stop_.request_stop();
  held_->let_go();
  const base::Status ended = starting_.get();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), base::ErrorCode::cancelled) << ended.error().message();
  EXPECT_TRUE(is_created("a")) << "the others go on until they are stopped";
  ASSERT_TRUE(start(4));
  EXPECT_TRUE(is_created("b"));
}

TEST_F(NodeTest, what_a_decision_lacks_is_made_ready_on_another_thread) {
  ASSERT_TRUE(start(1));
  int decisions = 0;
  std::thread::id decided;
  std::thread::id prepared;
  const base::Status done = node_->platform().decide_and_wait(
      base::system_tenant(), [&](const lmdb::Txn&, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        ++decisions;
        decided = std::this_thread::get_id();
        if (prepared != std::thread::id()) return shard::Decision{};
        *context.prepare = [&](const lmdb::Txn&) { prepared = std::this_thread::get_id(); };
        return base::fail(base::ErrorCode::unavailable, "not ready");
      });
  EXPECT_TRUE(done) << done.error().message();
  EXPECT_EQ(decisions, 2);
  EXPECT_NE(prepared, std::thread::id());
  EXPECT_NE(prepared, decided);
}

TEST_F(NodeTest, a_state_that_cannot_be_read_is_a_failure_of_the_node) {
  ASSERT_TRUE(start(1));
  std::vector<lmdb::ReadTxn> readers;
  base::Result<lmdb::ReadTxn> next = node_->platform().begin_read();
  for (int i = 0; i < 10'000 && next; ++i) {
    readers.push_back(*std::move(next));
    next = node_->platform().begin_read();
  }
  ASSERT_FALSE(next) << "there was no end of readers";
  EXPECT_EQ(next.error().code(), base::ErrorCode::internal) << next.error().message();
  readers.pop_back();
  EXPECT_TRUE(node_->platform().begin_read());
}

TEST_F(NodeTest, work_aside_runs_beside_the_writer) {
  ASSERT_TRUE(start(1));
  std::promise<std::thread::id> aside;
  ASSERT_TRUE(node_->platform().run_aside([&] {
    // It may wait for the writer, which does not wait for it.
    EXPECT_TRUE(node_->platform().decide_and_wait(
        base::system_tenant(), [](const lmdb::Txn&, const shard::DecisionContext&) { return shard::Decision{}; }));
    aside.set_value(std::this_thread::get_id());
  }));
  EXPECT_NE(aside.get_future().get(), std::this_thread::get_id());
}

TEST_F(NodeTest, fewer_shards_than_tenants_need_are_refused) {
  ASSERT_TRUE(start(3));
  place("a");
  place("b");
  const auto refused = start(2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::invalid);
  EXPECT_NE(refused.error().message().find("tenant 'b' is placed on shard 2"), std::string::npos)
      << refused.error().message();
}

}  // namespace
}  // namespace trv::node
