#include "kernel/node/node.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "events/blob/in_memory_blob_store.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "kernel/tenancy/decisions.hpp"

namespace trv::node {
namespace {

class NodeTest : public testing::Test {
 protected:
  NodeTest() { std::filesystem::remove_all(folder_); }
  ~NodeTest() override {
    stop();
    std::filesystem::remove_all(folder_);
  }

  base::Status start(std::uint32_t shards) {
    stop();
    TRV_TRY_ASSIGN(log_, log::LmdbEventLog::open(folder_ / "log", {.map_bytes = map_bytes, .shards_max = 16}));
    TRV_TRY_ASSIGN(node_, Node::open({.folder = folder_ / "projection", .map_bytes = map_bytes, .shards = shards},
                                     *log_, blobs_, catalog_, clock_, random_));
    return node_->start([](Shard&) {
      ShardObserver observer;
      observer.effects = [](const shard::EffectChanges&) {};
      observer.taken_over = [] {};
      observer.failed = [](const base::Error& error) { ADD_FAILURE() << error.message(); };
      return observer;
    });
  }
  void stop() {
    if (node_) {
      EXPECT_TRUE(node_->stop());
    }
    node_.reset();
    log_.reset();
  }

  /// The first step of two.
  void place(const std::string& id) {
    Shard& platform = node_->platform();
    const tenancy::PlaceTenant place{base::TenantId(id), "The " + id,
                                     static_cast<std::uint32_t>(node_->shards().size())};
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
  std::unique_ptr<Node> node_;
};

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

TEST_F(NodeTest, the_platform_and_who_does_not_exist_are_looked_for_in_shard_0) {
  ASSERT_TRUE(start(2));
  EXPECT_EQ(shard_of("system"), 0U);
  EXPECT_EQ(shard_of("nobody"), 0U);
  EXPECT_FALSE(is_created("nobody"));
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
  EXPECT_NE(refused.error().message().find("tenant 'b' lives in shard 2"), std::string::npos)
      << refused.error().message();
}

}  // namespace
}  // namespace trv::node
