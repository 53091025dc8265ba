#include "kernel/shard/shard_processor.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <future>
#include <map>

#include "events/log/in_memory_event_log.hpp"
#include "events/log/lmdb_event_log.hpp"

namespace trv::shard {
namespace {

using namespace std::chrono_literals;

/// Counts events per stream, sets a timer for "alarm" events and cancels it for "woken" ones.
class CountingProjector final : public projection::Projector {
 public:
  explicit CountingProjector(Timers& timers) : timers_(timers) {}
  std::string_view name() const override { return "counts"; }
  std::uint32_t layout_version() const override { return 1; }
  base::Status open(lmdb::WriteTxn& txn) override {
    TRV_TRY_ASSIGN(table_, txn.create_table("counts"));
    return {};
  }
  base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override {
    if (event.type() == "test.poison") return base::fail(base::ErrorCode::corrupt, "poison");
    TRV_TRY_ASSIGN(const std::uint64_t before, count(txn, event.stream_id()));
    const std::string text = std::to_string(before + 1);
    TRV_TRY(table_.put(txn, event.stream_id(), base::as_bytes(text)));
    const Timer timer{
        .due = base::Timestamp(2'000'000'000), .tenant = base::TenantId(event.tenant()), .owner = "alarm"};
    if (event.type() == "test.alarm") return timers_.set(txn, timer);
    if (event.type() == "test.woken") return timers_.cancel(txn, timer);
    return {};
  }
  base::Status finish(lmdb::WriteTxn&) override {
    return fail_finish ? base::fail(base::ErrorCode::exhausted, "no room in the projection") : base::Status();
  }
  base::Result<std::uint64_t> count(const lmdb::Txn& txn, std::string_view stream) const {
    TRV_TRY_ASSIGN(const auto value, table_.get(txn, stream));
    if (!value) return 0;
    return std::stoull(std::string(base::as_text(*value)));
  }

  std::atomic<bool> fail_finish = false;

 private:
  Timers& timers_;
  lmdb::Table table_;
};

/// While it lives, this process writes no file behind its first 8 KiB: a commit of LMDB fails.
class FilesAreFull {
 public:
  FilesAreFull() : before_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    rlimit limit = before_;
    limit.rlim_cur = 8192;
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FilesAreFull() {
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before_), 0);
    (void)std::signal(SIGXFSZ, before_handler_);
  }
  FilesAreFull(const FilesAreFull&) = delete;
  FilesAreFull& operator=(const FilesAreFull&) = delete;

 private:
  void (*before_handler_)(int);
  rlimit before_{};
};

/// A shard on a fresh folder, with the real embedded log.
class ShardTest : public testing::Test {
 protected:
  ShardTest() {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("shard_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ShardTest() override {
    shard_.reset();
    projection_.reset();
    log_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open() {
    log_ = *log::LmdbEventLog::open(folder_ / "log", {.map_bytes = std::uint64_t{1} << 30});
    projection_ = *projection::Projection::open(
        {.folder = folder_ / "projection", .snapshot_folder = {}, .map_bytes = std::uint64_t{1} << 30}, log::ShardId(0),
        {&timers_, &outbox_, &counts_});
  }
  void start(ShardOptions options = {}) {
    if (!log_) open();
    ShardListeners listeners;
    listeners.effect = [this](Effect effect) {
      const std::scoped_lock lock(mutex_);
      effects_.push_back(std::move(effect));
    };
    listeners.timer = [this](const Timer& timer) {
      ++timers_asked_;
      Command command = event_command(timer.tenant.value(), timer_answer_, "woken");
      command.decide = [this, decide = std::move(command.decide)](const lmdb::Txn& txn,
                                                                  DecisionContext& context) mutable {
        if (during_timer_) during_timer_();
        return decide(txn, context);
      };
      return command;
    };
    listeners.committed = [this](log::Lsn last) { committed_ = last.value(); };
    shard_ = std::make_unique<ShardProcessor>(options, *log_, *projection_, timers_, outbox_, clock_, random_,
                                              std::move(listeners));
    ASSERT_TRUE(shard_->start());
  }
  void restart() {
    shard_.reset();
    projection_.reset();
    log_.reset();
    effects_.clear();
    start();
  }

  static Command event_command(std::string tenant, std::string type, std::string stream) {
    Command command;
    command.tenant = base::TenantId(std::move(tenant));
    command.actor = "kernel";
    command.decide = [type, stream](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
      Decision decision;
      if (!type.empty()) decision.events.push_back(draft(context, "test", stream, type, {1, 2, 3}));
      return decision;
    };
    command.done = [](const base::Result<Applied>&) {};
    return command;
  }

  std::future<base::Result<Applied>> submit(Command command) {
    auto promise = std::make_shared<std::promise<base::Result<Applied>>>();
    command.done = [promise](const base::Result<Applied>& outcome) { promise->set_value(outcome); };
    auto future = promise->get_future();
    shard_->submit(std::move(command));
    return future;
  }
  std::uint64_t count_of(std::string_view stream) {
    const auto txn = projection_->begin_read();
    return *counts_.count(*txn, stream);
  }

  std::filesystem::path folder_;
  base::SimulatedClock clock_{base::Timestamp(1'000'000'000)};
  base::SimulatedRandom random_{1};
  Timers timers_;
  Outbox outbox_;
  CountingProjector counts_{timers_};
  std::unique_ptr<log::LmdbEventLog> log_;
  std::unique_ptr<projection::Projection> projection_;
  std::unique_ptr<ShardProcessor> shard_;
  std::mutex mutex_;
  std::vector<Effect> effects_;
  std::atomic<int> timers_asked_ = 0;
  std::string timer_answer_ = "test.woken";
  std::function<void()> during_timer_;
  std::atomic<std::uint64_t> committed_ = 0;
};

TEST_F(ShardTest, a_command_that_took_effect_is_durable_and_projected_when_it_is_answered) {
  start();
  const auto outcome = submit(event_command("acme", "test.event", "a")).get();
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->first, log::Lsn(1));
  EXPECT_EQ(outcome->last, log::Lsn(1));
  EXPECT_EQ(count_of("a"), 1U);
  EXPECT_EQ(committed_, 1U);
  EXPECT_EQ(log_->bounds(log::ShardId(0))->last, log::Lsn(1));
}

TEST_F(ShardTest, commands_are_decided_in_order_and_see_what_came_before_them) {
  start();
  std::vector<std::future<base::Result<Applied>>> futures;
  for (std::uint64_t i = 0; i < 500; ++i) {
    Command command = event_command("acme", "test.event", "a");
    command.decide = [this, i](const lmdb::Txn& state, DecisionContext& context) -> base::Result<Decision> {
      EXPECT_EQ(*counts_.count(state, "a"), i);
      Decision decision;
      decision.events.push_back(draft(context, "test", "a", "test.event", {}));
      return decision;
    };
    futures.push_back(submit(std::move(command)));
  }
  for (std::size_t i = 0; i < futures.size(); ++i) EXPECT_EQ(futures[i].get()->first, log::Lsn(i + 1));
  EXPECT_LT(shard_->metrics().batches, 500U);
}

TEST_F(ShardTest, a_refusal_changes_nothing_and_fails_no_other) {
  start();
  Command refused = event_command("acme", "test.event", "a");
  refused.decide = [](const lmdb::Txn&, DecisionContext&) -> base::Result<Decision> {
    return base::fail(base::ErrorCode::conflict, "no");
  };
  auto first = submit(std::move(refused));
  auto second = submit(event_command("acme", "test.event", "a"));
  EXPECT_EQ(first.get().error().message(), "no");
  EXPECT_TRUE(second.get());
  EXPECT_EQ(count_of("a"), 1U);
}

TEST_F(ShardTest, a_command_that_cannot_be_applied_fails_alone) {
  start();
  std::vector<std::future<base::Result<Applied>>> good;
  std::vector<std::future<base::Result<Applied>>> bad;
  for (int i = 0; i < 20; ++i) {
    good.push_back(submit(event_command("acme", "test.event", "a")));
    if (i % 5 == 0) bad.push_back(submit(event_command("acme", "test.poison", "a")));
  }
  for (auto& one : good) EXPECT_TRUE(one.get());
  for (auto& one : bad) EXPECT_EQ(one.get().error().code(), base::ErrorCode::corrupt);
  EXPECT_EQ(count_of("a"), 20U);
  EXPECT_EQ(log_->bounds(log::ShardId(0))->last, log::Lsn(20));
}

TEST_F(ShardTest, an_event_over_the_record_limit_is_refused_and_the_shard_goes_on) {
  start();
  Command large = event_command("acme", "test.event", "a");
  large.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Decision decision;
    decision.events.push_back(draft(context, "test", "a", "test.event", {}));
    decision.events.push_back(draft(context, "test", "a", "test.event", base::Bytes(1'100'000)));
    return decision;
  };
  const auto outcome = submit(std::move(large)).get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), base::ErrorCode::too_large);
  EXPECT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  EXPECT_EQ(count_of("a"), 1U);
}

TEST_F(ShardTest, an_event_that_cannot_be_stored_is_refused_alone_and_the_others_stay_one_batch) {
  start();
  std::promise<void> open;
  Command first = event_command("acme", "", "a");
  first.decide = [&open](const lmdb::Txn&, DecisionContext&) -> base::Result<Decision> {
    open.get_future().wait();
    return Decision{};
  };
  auto held = submit(std::move(first));
  while (shard_->metrics().queue_length > 0) std::this_thread::yield();
  std::vector<std::future<base::Result<Applied>>> good;
  std::future<base::Result<Applied>> bad;
  for (int i = 0; i < 1000; ++i) {
    good.push_back(submit(event_command("acme", "test.event", "a")));
    if (i != 500) continue;
    Command large = event_command("acme", "", "a");
    large.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
      Decision decision;
      for (const std::size_t bytes : {10, 1'100'000}) {
        decision.events.push_back(draft(context, "test", "a", "test.event", base::Bytes(bytes)));
      }
      return decision;
    };
    bad = submit(std::move(large));
  }
  open.set_value();
  ASSERT_TRUE(held.get());
  EXPECT_EQ(bad.get().error().code(), base::ErrorCode::too_large);
  for (std::size_t i = 0; i < good.size(); ++i) EXPECT_EQ(good[i].get()->first, log::Lsn(i + 1));
  EXPECT_EQ(shard_->metrics().batches, 1U);
  EXPECT_EQ(count_of("a"), 1000U);
}

TEST_F(ShardTest, a_decision_over_the_limit_of_the_log_is_refused) {
  start();
  Command large = event_command("acme", "", "a");
  large.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Decision decision;
    for (std::size_t bytes = 0; bytes <= record::decision_bytes_max; bytes += 900'000) {
      decision.events.push_back(draft(context, "test", "a", "test.event", base::Bytes(900'000)));
    }
    return decision;
  };
  EXPECT_EQ(submit(std::move(large)).get().error().code(), base::ErrorCode::too_large);
  EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get()->first, log::Lsn(1));
}

TEST_F(ShardTest, what_cannot_be_projected_is_refused_before_the_log_has_it) {
  start();
  ASSERT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  counts_.fail_finish = true;
  EXPECT_FALSE(submit(event_command("acme", "test.event", "a")).get());
  EXPECT_EQ(log_->bounds(log::ShardId(0))->last, log::Lsn(1));
  EXPECT_TRUE(shard_->ready());
  counts_.fail_finish = false;
  EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get()->first, log::Lsn(2));
  EXPECT_EQ(count_of("a"), 2U);
}

TEST_F(ShardTest, a_durable_append_that_the_projection_does_not_take_has_an_unknown_fate) {
  log::InMemoryEventLog durable;
  const auto projection = *projection::Projection::open(
      {.folder = folder_ / "projection", .snapshot_folder = {}, .map_bytes = std::uint64_t{1} << 30}, log::ShardId(0),
      {&timers_, &outbox_, &counts_});
  std::vector<std::string> causes;
  std::atomic<int> handed_out = 0;
  ShardListeners listeners;
  listeners.failed = [&causes](const base::Error& error) { causes.emplace_back(error.message()); };
  listeners.effect = [&handed_out](const Effect&) { ++handed_out; };
  shard_ = std::make_unique<ShardProcessor>(ShardOptions{}, durable, *projection, timers_, outbox_, clock_, random_,
                                            std::move(listeners));
  ASSERT_TRUE(shard_->start());
  ASSERT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  Command command = event_command("acme", "", "a");
  command.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Effect effect;
    effect.key = "k";
    effect.owner = "1";
    Decision decision;
    decision.events.push_back(effect_requested(context, "instance", effect));
    return decision;
  };
  {
    const FilesAreFull full;
    const auto unknown = submit(std::move(command)).get();
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code(), base::ErrorCode::lost);
    EXPECT_TRUE(unknown.error().message().starts_with("it is not known whether")) << unknown.error().message();
    EXPECT_EQ(durable.bounds(log::ShardId(0))->last, log::Lsn(2));
    EXPECT_EQ(handed_out, 0);
    EXPECT_FALSE(shard_->ready());
  }
  EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get()->first, log::Lsn(3));
  EXPECT_EQ(handed_out, 1);
  EXPECT_EQ(projection->applied().lsn, log::Lsn(3));
  shard_->stop();
  ASSERT_FALSE(causes.empty());
  EXPECT_EQ(causes.front().find("it is not known"), std::string::npos) << "the node learns the cause";
  shard_.reset();
}

TEST_F(ShardTest, a_state_that_cannot_be_read_now_costs_no_more_than_time) {
  log_ = *log::LmdbEventLog::open(folder_ / "log", {.map_bytes = std::uint64_t{1} << 30});
  projection_ = *projection::Projection::open(
      {.folder = folder_ / "projection", .snapshot_folder = {}, .map_bytes = std::uint64_t{1} << 30, .readers_max = 1},
      log::ShardId(0), {&timers_, &outbox_, &counts_});
  auto only_reader = std::make_optional(*projection_->begin_read());
  ShardProcessor refused({}, *log_, *projection_, timers_, outbox_, clock_, random_, {});
  EXPECT_FALSE(refused.start());
  only_reader.reset();
  start();
  ASSERT_TRUE(submit(event_command("acme", "test.alarm", "a")).get());
  only_reader.emplace(*projection_->begin_read());
  clock_.advance(3s);
  for (int i = 0; i < 10; ++i) {
    shard_->poke();
    ASSERT_TRUE(submit(event_command("acme", "test.event", "b")).get());
  }
  EXPECT_EQ(timers_asked_, 0);
  only_reader.reset();
  clock_.advance(2s);
  shard_->poke();
  while (shard_->metrics().timers_fired == 0) std::this_thread::yield();
  EXPECT_EQ(timers_asked_, 1);
}

TEST_F(ShardTest, a_timer_fires_once_when_it_is_due_and_survives_a_restart) {
  start();
  ASSERT_TRUE(submit(event_command("acme", "test.alarm", "a")).get());
  restart();
  shard_->poke();
  ASSERT_TRUE(submit(event_command("acme", "", "a")).get());
  EXPECT_EQ(timers_asked_, 0);
  clock_.advance(2s);
  shard_->poke();
  while (count_of("woken") == 0) std::this_thread::yield();
  shard_->poke();
  ASSERT_TRUE(submit(event_command("acme", "", "a")).get());
  EXPECT_EQ(timers_asked_, 1);
}

TEST_F(ShardTest, a_timer_that_its_decision_leaves_is_asked_for_again_once_a_second) {
  timer_answer_ = "";
  start();
  ASSERT_TRUE(submit(event_command("acme", "test.alarm", "a")).get());
  clock_.advance(2s);
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 50; ++i) {
      shard_->poke();
      ASSERT_TRUE(submit(event_command("acme", "", "a")).get());
    }
    EXPECT_EQ(timers_asked_, round);
    clock_.advance(1s);
  }
  timer_answer_ = "test.woken";
  shard_->poke();
  while (count_of("woken") == 0) std::this_thread::yield();
}

TEST_F(ShardTest, time_never_runs_backwards_not_even_over_a_restart) {
  start();
  std::vector<std::int64_t> times;
  const auto decide = [&] {
    Command command = event_command("acme", "test.event", "a");
    command.decide = [&times, decide = std::move(command.decide)](const lmdb::Txn& txn,
                                                                  DecisionContext& context) mutable {
      times.push_back(context.now.ns());
      return decide(txn, context);
    };
    ASSERT_TRUE(submit(std::move(command)).get());
  };
  clock_.advance(3600s);
  decide();
  clock_.step(-1800s);
  decide();
  clock_.advance(1s);
  decide();
  clock_.step(-600s);
  restart();
  decide();
  clock_.step(7200s);
  decide();
  shard_->stop();
  EXPECT_TRUE(std::ranges::is_sorted(times));
  EXPECT_EQ(times[1], times[0]);
  EXPECT_EQ(times[2], times[1] + 1'000'000'000) << "time goes on while the clock is behind";
  EXPECT_EQ(times[3], times[2]);
  EXPECT_EQ(times[4], clock_.now().ns());
  EXPECT_EQ(projection_->applied().time, clock_.now());
}

TEST_F(ShardTest, a_timer_fires_in_time_though_the_clock_was_set_back) {
  start();
  ASSERT_TRUE(submit(event_command("acme", "test.alarm", "a")).get());
  clock_.step(-900ms);
  clock_.advance(1s);
  shard_->poke();
  while (count_of("woken") == 0) std::this_thread::yield();
  EXPECT_LT(clock_.now(), base::Timestamp(2'000'000'000));
  EXPECT_EQ(timers_asked_, 1);
}

TEST_F(ShardTest, timers_that_take_long_let_commands_in_between) {
  constexpr int timers = 20;
  start();
  for (int i = 0; i < timers; ++i) {
    ASSERT_TRUE(submit(event_command("tenant-" + std::to_string(i), "test.alarm", "a")).get());
  }
  std::vector<std::string> order;  // of the shard's thread
  std::future<base::Result<Applied>> command;
  during_timer_ = [&] {
    order.emplace_back("timer");
    clock_.advance(30ms);
    if (order.size() > 1) return;
    Command between = event_command("acme", "test.event", "b");
    between.decide = [&order, decide = std::move(between.decide)](const lmdb::Txn& txn,
                                                                  DecisionContext& context) mutable {
      order.emplace_back("command");
      return decide(txn, context);
    };
    command = submit(std::move(between));
  };
  clock_.advance(2s);
  shard_->poke();
  while (count_of("woken") < timers) std::this_thread::yield();
  shard_->stop();
  EXPECT_TRUE(command.get());
  ASSERT_EQ(order.size(), timers + 1U);
  EXPECT_EQ(order[1], "command");
}

TEST_F(ShardTest, a_disk_without_room_is_told_to_the_node_and_not_blamed_on_the_caller) {
  log::InMemoryEventLog full_log;
  const auto projection = *projection::Projection::open(
      {.folder = folder_ / "projection", .snapshot_folder = {}, .map_bytes = std::uint64_t{1} << 30}, log::ShardId(0),
      {&timers_, &outbox_, &counts_});
  std::string told;
  ShardListeners listeners;
  listeners.failed = [&told](const base::Error& error) { told = error.message(); };
  shard_ = std::make_unique<ShardProcessor>(ShardOptions{}, full_log, *projection, timers_, outbox_, clock_, random_,
                                            std::move(listeners));
  ASSERT_TRUE(shard_->start());
  full_log.fail_next_settle(log::ShardId(0), base::Error(base::ErrorCode::exhausted, "/data/log: the disk is full"));
  const auto refused = submit(event_command("acme", "test.event", "a")).get();
  EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable);
  EXPECT_EQ(refused.error().message().find("/data"), std::string::npos);
  EXPECT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  shard_->stop();
  EXPECT_EQ(told, "/data/log: the disk is full");
}

TEST_F(ShardTest, an_effect_is_handed_out_after_it_is_durable_and_again_after_a_restart_until_it_is_settled) {
  start();
  Command command = event_command("acme", "", "a");
  command.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Effect effect;
    effect.key = "acme/1/2/1";
    effect.owner = "1";
    effect.kind = "plugin";
    effect.operation = "do";
    effect.input = "{}";
    effect.timeout = 5s;
    Decision decision;
    decision.events.push_back(effect_requested(context, "instance", effect));
    return decision;
  };
  ASSERT_TRUE(submit(std::move(command)).get());
  {
    const std::scoped_lock lock(mutex_);
    ASSERT_EQ(effects_.size(), 1U);
    EXPECT_EQ(effects_[0].key, "acme/1/2/1");
    EXPECT_EQ(effects_[0].tenant, base::TenantId("acme"));
    EXPECT_EQ(effects_[0].timeout, 5s);
  }
  restart();
  ASSERT_EQ(effects_.size(), 1U);
  Command settle = event_command("acme", "", "a");
  settle.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Outcome outcome;
    outcome.ok = true;
    outcome.output = "{}";
    Decision decision;
    decision.events.push_back(effect_settled(context, "instance", "1", "acme/1/2/1", outcome));
    return decision;
  };
  ASSERT_TRUE(submit(std::move(settle)).get());
  const auto txn = projection_->begin_read();
  EXPECT_EQ(*outbox_.state_of(*txn, base::TenantId("acme"), "acme/1/2/1"), EffectState::settled);
  EXPECT_EQ(*outbox_.state_of(*txn, base::TenantId("other"), "acme/1/2/1"), EffectState::unknown);
}

TEST_F(ShardTest, settled_effects_are_not_handed_out_after_a_restart) {
  start();
  Command both = event_command("acme", "", "a");
  both.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Effect effect;
    effect.key = "k";
    Outcome done;
    done.ok = true;
    done.output = "1";
    effect.owner = "1";
    Decision decision;
    decision.events.push_back(effect_requested(context, "instance", effect));
    decision.events.push_back(effect_settled(context, "instance", "1", "k", done));
    return decision;
  };
  ASSERT_TRUE(submit(std::move(both)).get());
  restart();
  EXPECT_TRUE(effects_.empty());
}

TEST_F(ShardTest, a_shard_that_was_claimed_by_another_acknowledges_nothing_until_it_owns_it_again) {
  start();
  ASSERT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  ASSERT_TRUE(log_->claim(log::ShardId(0), "thief", base::Uuid::v7(clock_.now(), random_)));
  const auto lost = submit(event_command("acme", "test.event", "a")).get();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), base::ErrorCode::lost);
  EXPECT_EQ(count_of("a"), 1U);
  ASSERT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  EXPECT_EQ(count_of("a"), 2U);
  EXPECT_EQ(shard_->metrics().claims, 2U);
}

TEST_F(ShardTest, a_shard_that_was_claimed_by_another_is_not_ready_before_it_is_owned_again) {
  start();
  ASSERT_TRUE(shard_->ready());
  ASSERT_TRUE(log_->claim(log::ShardId(0), "thief", base::Uuid::v7(clock_.now(), random_)));
  bool ready_when_lost = true;
  std::promise<void> answered;
  Command command = event_command("acme", "test.event", "a");
  command.done = [&](const base::Result<Applied>& outcome) {
    EXPECT_EQ(outcome.error().code(), base::ErrorCode::lost);
    ready_when_lost = shard_->ready();
    answered.set_value();
  };
  shard_->submit(std::move(command));
  answered.get_future().wait();
  EXPECT_FALSE(ready_when_lost);
  ASSERT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  EXPECT_TRUE(shard_->ready());
}

TEST_F(ShardTest, replay_gives_the_same_projection_as_live) {
  start();
  base::SimulatedRandom random(99);
  for (int i = 0; i < 300; ++i) {
    (void)submit(event_command("t" + std::to_string(random.below(3)), "test.event", std::to_string(random.below(20))))
        .get();
  }
  const auto live = projection_->content_digest();
  shard_.reset();
  ASSERT_TRUE(projection_->rebuild(*log_));
  EXPECT_EQ(*projection_->content_digest(), *live);
}

TEST_F(ShardTest, commands_after_stop_are_refused) {
  start();
  shard_->stop();
  EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get().error().code(), base::ErrorCode::unavailable);
  EXPECT_FALSE(shard_->ready());
}

TEST_F(ShardTest, a_full_queue_refuses_as_exhausted) {
  ShardOptions options;
  options.queue_commands_max = 2;
  start(options);
  std::promise<void> hold;
  Command slow = event_command("acme", "test.event", "a");
  slow.decide = [&hold](const lmdb::Txn&, DecisionContext&) -> base::Result<Decision> {
    hold.get_future().wait();
    return Decision{};
  };
  auto first = submit(std::move(slow));
  while (shard_->metrics().queue_length > 0) std::this_thread::yield();
  auto second = submit(event_command("acme", "test.event", "a"));
  auto third = submit(event_command("acme", "test.event", "a"));
  const auto fourth = submit(event_command("acme", "test.event", "a")).get();
  EXPECT_EQ(fourth.error().code(), base::ErrorCode::exhausted);
  hold.set_value();
  EXPECT_TRUE(second.get());
  EXPECT_TRUE(third.get());
}

TEST_F(ShardTest, a_decision_that_the_log_tore_never_happened) {
  log::InMemoryEventLog torn_log;
  const auto projection = *projection::Projection::open(
      {.folder = folder_ / "projection", .snapshot_folder = {}, .map_bytes = std::uint64_t{1} << 30}, log::ShardId(0),
      {&timers_, &outbox_, &counts_});
  shard_ = std::make_unique<ShardProcessor>(ShardOptions{}, torn_log, *projection, timers_, outbox_, clock_, random_,
                                            ShardListeners{});
  ASSERT_TRUE(shard_->start());
  Command three = event_command("acme", "", "a");
  three.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Decision decision;
    for (int i = 0; i < 3; ++i) decision.events.push_back(draft(context, "test", "a", "test.event", {1}));
    return decision;
  };
  ASSERT_TRUE(submit(event_command("acme", "test.before", "a")).get());
  torn_log.tear_next_settle(log::ShardId(0), 2);
  EXPECT_EQ(submit(std::move(three)).get().error().code(), base::ErrorCode::lost);
  const auto later = submit(event_command("acme", "test.later", "a")).get();
  ASSERT_TRUE(later) << later.error().message();
  EXPECT_EQ(later->first, log::Lsn(2));
  shard_->stop();

  std::vector<std::string> types;
  const auto reader = *torn_log.read(log::ShardId(0), log::Lsn(1));
  while (const auto stored = *reader->next(0ms)) types.emplace_back(record::RecordView::over(stored->bytes)->type());
  EXPECT_EQ(types, (std::vector<std::string>{"test.before", "test.later"}));
  const auto txn = projection->begin_read();
  EXPECT_EQ(*counts_.count(*txn, "a"), 2U);
  shard_.reset();
}

}  // namespace
}  // namespace trv::shard
