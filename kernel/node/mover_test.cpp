#include "kernel/node/mover.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <set>

#include "events/blob/in_memory_blob_store.hpp"
#include "events/log/forwarding_log.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "kernel/http/stream_queue.hpp"
#include "kernel/node/position.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "kernel/workflow/instance/decisions.hpp"

namespace trv::node {
namespace {

using namespace std::chrono_literals;

/// The real log until its budget is used up; from then on it takes nothing, as where the process has ended.
class BoundedLog final : public log::ForwardingLog {
 public:
  explicit BoundedLog(log::EventLog& real) : ForwardingLog(real) {}
  void allow(int appends) { left_ = appends; }
  [[nodiscard]] bool is_used_up() const { return left_ == 0; }

  base::Result<log::Ticket> append(const log::Claim& claim, log::Batch batch) override {
    if (left_.fetch_sub(1) > 0) return ForwardingLog::append(claim, std::move(batch));
    left_ = 0;
    return base::fail(base::ErrorCode::unavailable, "the process has ended");
  }

 private:
  std::atomic<int> left_ = INT32_MAX;
};

constexpr std::string_view work = R"(document: {dsl: '1.0.3', namespace: demo, name: work, version: '1.0.0'}
do:
  - call:
      call: http
      with: {method: get, endpoint: 'http://127.0.0.1:1/'}
  - pause:
      wait: {hours: 1}
)";
constexpr std::string_view nap = R"(document: {dsl: '1.0.3', namespace: demo, name: nap, version: '1.0.0'}
do:
  - note:
      set: {text: 'so far'}
  - pause:
      wait: {hours: 1}
)";

const base::TenantId acme("acme");

class MoverTest : public testing::Test {
 protected:
  MoverTest() { std::filesystem::remove_all(folder_); }
  ~MoverTest() override {
    stop();
    std::filesystem::remove_all(folder_);
  }

  void start() {
    auto log = log::LmdbEventLog::open(folder_ / "log", {.map_bytes = map_bytes, .shards_max = 16});
    ASSERT_TRUE(log) << log.error().message();
    log_ = *std::move(log);
    bounded_.emplace(*log_);
    auto node = Node::open({.folder = folder_ / "projection", .map_bytes = map_bytes, .shards = 4}, *bounded_, blobs_,
                           catalog_, clock_, random_);
    ASSERT_TRUE(node) << node.error().message();
    node_ = *std::move(node);
    mover_ = std::make_unique<Mover>(
        *node_, clock_,
        MoverPorts{.hold = [this](log::ShardId, const base::TenantId&) { return may_leave_.load(); },
                   .let_go = [](log::ShardId, const base::TenantId&) {},
                   .report = [](const std::string&) {}});
    const auto observer_of = [this](const Shard&) {
      ShardObserver observer;
      observer.effects = [](const shard::EffectChanges&) {};
      observer.taken_over = [] {};
      observer.failed = [](const base::Error&) {};
      observer.committed = [this](log::ShardId shard, log::Lsn) {
        mover_->wake(shard);
        const std::scoped_lock lock(mutex_);
        ++commits_;
        changed_.notify_all();
      };
      return observer;
    };
    const auto started = node_->start(observer_of);
    ASSERT_TRUE(started) << started.error().message();
    mover_->start();
  }
  void stop() {
    if (mover_) mover_->stop();
    if (node_) {
      EXPECT_TRUE(node_->stop());
    }
    node_.reset();
    mover_.reset();
    bounded_.reset();
    log_.reset();
  }

  template <typename Holds>
  bool comes(Holds holds) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, 20ms);
    }
    return true;
  }
  Shard& shard(std::uint64_t id) { return *node_->shards()[id]; }
  Shard& home() { return **node_->shard_of(acme); }
  tenancy::Tenant tenant() {
    const auto found = node_->tenant(acme);
    return found && *found ? **found : tenancy::Tenant{};
  }

  template <typename Decide>
  base::Status decide(Shard& where, const base::TenantId& who, Decide decide) {
    return where.decide_and_wait(who, decide);
  }
  template <typename Command>
  base::Status command(Shard& where, const base::TenantId& who, const Command& command) {
    return decide(where, who, [&](const lmdb::Txn& state, shard::DecisionContext& context) {
      return tenancy::decide(where.tenancy(), state, context, command);
    });
  }
  void create() {
    ASSERT_TRUE(command(shard(0), base::system_tenant(), tenancy::PlaceTenant{acme, "Acme", 4}));
    ASSERT_EQ(tenant().shard, log::ShardId(1));
    ASSERT_TRUE(command(shard(1), acme, tenancy::CreateTenant{acme, "Acme"}));
    for (const std::string_view text : {work, nap}) {
      const auto compiled = instance::ApplyDefinition::compile(std::string(text));
      ASSERT_TRUE(compiled) << compiled.error().message();
      ASSERT_TRUE(decide(shard(1), acme,
                         [&](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
                           TRV_TRY_ASSIGN(auto applied,
                                          apply_definition(state, context, shard(1).decision_state(), *compiled));
                           return std::move(applied.decision);
                         }));
    }
  }
  base::Result<instance::Started> run(const std::string& name, const std::string& trigger) {
    instance::Started started;
    TRV_TRY(decide(
        home(), acme, [&](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
          TRV_TRY_ASSIGN(
              started,
              instance::start(state, context, home().decision_state(),
                              {.space = "demo", .name = name, .version = {}, .input = "{}", .trigger = trigger}));
          return std::move(started.decision);
        }));
    return started;
  }
  base::Status ask_to_move(std::uint64_t to) {
    return command(shard(0), base::system_tenant(), tenancy::RequestMove{acme, to, 4});
  }
  bool has_moved(std::uint64_t to) {
    return comes([&] { return tenant().shard == log::ShardId(to) && !tenant().moves_to; });
  }
  std::vector<Event> events(log::Lsn after = log::Lsn(0)) {
    const auto page = home().events(acme, {.after = after, .count = 10'000, .bytes_max = std::size_t{1} << 30});
    EXPECT_TRUE(page) << page.error().message();
    return page ? page->events : std::vector<Event>();
  }
  std::vector<shard::Effect> pending(Shard& where) {
    const auto txn = where.begin_read();
    auto found = where.outbox().pending(*txn, acme, log::Lsn(0), 100);
    EXPECT_TRUE(found);
    return found ? *found : std::vector<shard::Effect>();
  }
  std::size_t timers(Shard& where) {
    const auto txn = where.begin_read();
    const auto found = where.stores().timers.due(*txn, base::Timestamp(INT64_MAX), 100);
    EXPECT_TRUE(found);
    return found ? static_cast<std::size_t>(std::ranges::count(*found, acme, &shard::Timer::tenant)) : 0;
  }
  std::size_t rows(Shard& where) {
    const auto txn = where.begin_read();
    return where.residence().rows().count(*txn, acme, 1'000'000).value_or(1'000'000);
  }
  std::vector<std::string> steps(const base::Uuid& id) {
    std::vector<std::string> types;
    const auto txn = home().begin_read();
    const auto stays = home().stays(*txn, acme);
    log::RecordLookup records(*log_, *stays);
    const auto page =
        instance::InstanceStore(home().workflows()).timeline(*txn, acme, id, {}, 100, [&](log::Lsn place) {
          return records.at(place);
        });
    EXPECT_TRUE(page) << page.error().message();
    if (!page) return types;
    for (const instance::InstanceStep& one : page->items) types.push_back(one.type);
    return types;
  }
  void replay_equals_live() {
    stop();
    const auto log = log::LmdbEventLog::open(folder_ / "log", {.map_bytes = map_bytes, .shards_max = 16});
    ASSERT_TRUE(log);
    for (std::uint64_t id = 0; id < 4; ++id) {
      ShardStores live;
      ShardStores rebuilt;
      ASSERT_TRUE(live.open({.id = log::ShardId(id), .folder = folder_ / "projection" / std::to_string(id)}));
      ASSERT_TRUE(rebuilt.open({.id = log::ShardId(id), .folder = folder_ / "rebuilt" / std::to_string(id)}));
      const auto caught_up = live.projection->catch_up(**log);
      ASSERT_TRUE(caught_up) << caught_up.error().message();
      EXPECT_FALSE(caught_up->rebuilt) << caught_up->reason;
      ASSERT_TRUE(rebuilt.projection->catch_up(**log));
      EXPECT_EQ(live.projection->content_digest().value(), rebuilt.projection->content_digest().value()) << id;
    }
    std::filesystem::remove_all(folder_ / "rebuilt");
  }

  static constexpr std::uint64_t map_bytes = std::uint64_t{1} << 30;
  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("mover_test_{}", ::getpid());
  const catalog::EventCatalog catalog_ = catalog::EventCatalog::make();
  const base::SystemClock clock_;
  base::SystemRandom random_;
  blob::InMemoryBlobStore blobs_;
  std::atomic<bool> may_leave_ = true;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t commits_ = 0;
  std::unique_ptr<log::LmdbEventLog> log_;
  std::optional<BoundedLog> bounded_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<Mover> mover_;
};

TEST_F(MoverTest, a_tenant_moves_with_all_that_it_has_and_goes_on_where_it_was) {
  start();
  create();
  const auto works = run("work", "key:one");
  const auto naps = run("nap", "api");
  ASSERT_TRUE(works && naps);
  const auto before = events();
  ASSERT_EQ(pending(shard(1)).size(), 1U);
  const std::string key = pending(shard(1)).front().key;
  EXPECT_EQ(timers(shard(1)), 1U);
  // An open stream, from the beginning.
  const auto queue = std::make_shared<http::StreamQueue>(std::size_t{1} << 20, nullptr);
  home().feed().follow({.tenant = acme, .after = log::Lsn(0), .right = "token", .may_follow = [] { return true; }},
                       http::EventStream(queue));
  may_leave_ = false;
  ASSERT_TRUE(ask_to_move(3));
  ASSERT_TRUE(ask_to_move(3)) << "the same request again changes nothing";
  EXPECT_EQ(ask_to_move(2).error().code(), base::ErrorCode::conflict);
  EXPECT_TRUE(run("nap", "key:while it waits for calls under way")) << "its work goes on";
  may_leave_ = true;
  ASSERT_TRUE(has_moved(3));

  EXPECT_EQ(rows(shard(1)), 0U);
  EXPECT_EQ(timers(shard(1)), 0U);
  EXPECT_EQ(timers(shard(3)), 2U);
  ASSERT_EQ(pending(shard(3)).size(), 1U);
  EXPECT_EQ(pending(shard(3)).front().key, key) << "the effect keeps its idempotency key";
  const auto again = run("work", "key:one");
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->existed) << "the idempotency key moved, too";
  EXPECT_EQ(again->instance, works->instance);
  EXPECT_EQ(steps(works->instance), (std::vector<std::string>{"trv.instance.started", "trv.effect.requested",
                                                              "trv.effect.parked", "trv.effect.released"}));

  // Every event once and in order; positions of before still lead to what followed.
  const auto after = events();
  std::set<std::string> ids;
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_TRUE(ids.insert(after[i].position).second);
    if (i > 0) {
      EXPECT_LT(after[i - 1].lsn, after[i].lsn);
    }
    EXPECT_FALSE(after[i].type.starts_with("trv.rows.")) << "the rows are not the tenant's events";
  }
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i].position, before[i].position);
  const auto place = home().place_of("after", before.back().position, acme);
  ASSERT_TRUE(place) << place.error().message();
  EXPECT_EQ(events(*place).size(), after.size() - before.size());
  EXPECT_FALSE(home().place_of("after", position_text(acme, log::ShardId(2), log::Lsn(1)), acme))
      << "it has never been there";
  // The stream has gone on in the other shard.
  ASSERT_TRUE(run("nap", "api"));
  const std::string last = events().back().position;
  std::string streamed;
  ASSERT_TRUE(comes([&] {
    (void)queue->take(streamed);
    return streamed.find("id: " + last) != std::string::npos;
  }));
  std::size_t at = 0;
  for (const Event& event : events()) {
    at = streamed.find("id: " + event.position + "\n", at);
    ASSERT_NE(at, std::string::npos) << event.position << " is missing or out of order";
  }
  replay_equals_live();
}

TEST_F(MoverTest, a_tenant_comes_back_and_its_history_goes_through_every_shard) {
  start();
  create();
  const auto naps = run("nap", "api");
  ASSERT_TRUE(naps);
  std::size_t count = events().size();
  std::size_t naps_under_way = 1;
  for (const std::uint64_t to : {2, 1, 3, 1}) {
    ASSERT_TRUE(ask_to_move(to));
    ASSERT_TRUE(has_moved(to)) << to;
    ASSERT_TRUE(run("nap", fmt::format("key:{}", count)));
    const auto all = events();
    EXPECT_GE(all.size(), count + 2);
    EXPECT_TRUE(std::ranges::is_sorted(all, {}, &Event::lsn));
    for (const Event& event : all) {
      const auto place = home().place_of("after", event.position, acme);
      ASSERT_TRUE(place) << place.error().message();
      EXPECT_EQ(*place, event.lsn);
    }
    count = all.size();
    EXPECT_EQ(timers(shard(to)), ++naps_under_way);
  }
  EXPECT_EQ(timers(shard(1)), 5U);
  EXPECT_EQ(steps(naps->instance).size(), 3U);
  stop();
  start();
  EXPECT_EQ(events().size(), count);
  replay_equals_live();
}

TEST_F(MoverTest, a_process_that_ends_at_any_step_leaves_a_move_that_the_next_one_finishes) {
  std::optional<std::vector<std::string>> outcome;
  for (int appends = 0;; ++appends) {
    SCOPED_TRACE(fmt::format("{} appends", appends));
    ASSERT_LT(appends, 20);
    std::filesystem::remove_all(folder_);
    start();
    create();
    const auto works = run("work", "key:one");
    ASSERT_TRUE(works);
    ASSERT_TRUE(ask_to_move(2));
    bounded_->allow(appends);
    const bool is_whole = comes([&] { return bounded_->is_used_up() || !tenant().moves_to; }) && !tenant().moves_to;
    stop();
    start();
    ASSERT_TRUE(has_moved(2));
    std::vector<std::string> types;
    for (const Event& event : events()) types.push_back(event.type);
    if (!outcome) outcome = types;
    EXPECT_EQ(types, *outcome);
    EXPECT_EQ(rows(shard(1)), 0U);
    EXPECT_EQ(pending(shard(2)).size(), 1U);
    EXPECT_EQ(steps(works->instance).size(), 4U);
    if (is_whole) break;
    stop();
  }
  replay_equals_live();
}

TEST_F(MoverTest, what_cannot_be_done_is_refused_and_named) {
  start();
  create();
  const auto refused = [&](const base::TenantId& who, std::uint64_t to) {
    const auto asked = command(shard(0), base::system_tenant(), tenancy::RequestMove{who, to, 4});
    return asked ? std::string()
                 : fmt::format("{}: {}", base::to_string(asked.error().code()), asked.error().message());
  };
  EXPECT_EQ(refused(base::TenantId("nobody"), 2), "not_found: tenant 'nobody' not found");
  EXPECT_EQ(refused(acme, 4), "invalid: shard is 4; tenants live in the shards 1 to 3");
  EXPECT_EQ(refused(acme, 0), "invalid: shard is 0; tenants live in the shards 1 to 3");
  EXPECT_EQ(refused(base::system_tenant(), 2),
            "invalid: tenant 'system' is the platform itself, which stays in shard 0");
  EXPECT_EQ(refused(acme, 1), "") << "it is there already";
  EXPECT_FALSE(tenant().moves_to);
}

TEST_F(MoverTest, rows_that_are_too_large_for_a_record_are_cut_and_put_together) {
  start();
  create();
  const std::string large(250'000, 'x');
  const std::string text = fmt::format(
      "document: {{dsl: '1.0.3', namespace: demo, name: large, version: '1.0.0'}}\ndo:\n  - a:\n      set: {{x: "
      "'{}'}}\n",
      large);
  const auto compiled = instance::ApplyDefinition::compile(text);
  ASSERT_TRUE(compiled) << compiled.error().message();
  ASSERT_TRUE(decide(
      shard(1), acme, [&](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(auto applied, apply_definition(state, context, shard(1).decision_state(), *compiled));
        return std::move(applied.decision);
      }));
  ASSERT_TRUE(ask_to_move(2));
  ASSERT_TRUE(has_moved(2));
  EXPECT_TRUE(run("large", "api"));
  replay_equals_live();
}

// A table of tenants that is not named in tenant_rows.cpp would stay behind.
TEST(TenantRows, every_table_of_a_projection_moves_with_its_tenants_or_is_known_to_stay) {
  const std::set<std::string> stays = {"projection.applied",
                                       "ingest_blobs",
                                       "outbox",
                                       "residence",
                                       "tenancy_loaded_packages",
                                       "tenancy_moves",
                                       "tenancy_packages",
                                       "tenancy_placements",
                                       "tenancy_refused_packages",
                                       "tenancy_revocations",
                                       "tenancy_tenants",
                                       "tenancy_tenants_in",
                                       "timers"};
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("tenant_rows_{}", ::getpid());
  std::filesystem::remove_all(folder);
  {
    ShardStores stores;
    ASSERT_TRUE(stores.open({.id = log::ShardId(1), .folder = folder}));
    const auto txn = stores.projection->begin_read();
    const auto names = txn->table_names();
    ASSERT_TRUE(names);
    std::set<std::string> all(names->begin(), names->end());
    for (const std::string& name : stays) EXPECT_EQ(all.erase(name), 1U) << name;
    std::set<std::string> moves;
    for (const std::string_view name : shard::TenantRows::tables()) moves.emplace(name);
    EXPECT_EQ(all, moves);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace trv::node
