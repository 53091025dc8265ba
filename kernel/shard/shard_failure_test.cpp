// What a shard promises when the log, the projection or a command fails.

#include <atomic>

#include "events/lmdb/files_are_full.hpp"
#include "events/log/forwarding_log.hpp"
#include "kernel/shard/shard_processor.hpp"
#include "kernel/shard/testing/shard_fixture.hpp"

namespace trv::shard::testing {
namespace {

using namespace std::chrono_literals;

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
  const auto projection =
      *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30},
                                    log::ShardId(0), {&timers_, &outbox_, &counts_});
  std::vector<std::string> causes;
  std::atomic<int> handed_out = 0;
  std::atomic<int> taken_over = 0;
  std::atomic<std::uint64_t> committed = 0;
  ShardListeners listeners;
  listeners.committed = [&committed](log::Lsn last) { committed = last.value(); };
  listeners.failed = [&causes](const base::Error& error) { causes.emplace_back(error.message()); };
  listeners.effects = [&handed_out](const EffectChanges&) { ++handed_out; };
  listeners.taken_over = [&taken_over] { ++taken_over; };
  shard_ = std::make_unique<ShardProcessor>(ShardOptions{}, durable, *projection, timers_, clock_, random_,
                                            std::move(listeners));
  ASSERT_TRUE(shard_->start());
  ASSERT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  Command command = event_command("acme", "", "a");
  command.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Effect effect;
    effect.key = "k";
    effect.stream_kind = "instance";
    effect.owner = "1";
    Decision decision;
    record::Draft event = effect_requested(context, effect);
    decision.events.push_back(std::move(event));
    decision.request(std::move(effect));
    return decision;
  };
  {
    const lmdb::FilesAreFull full;
    const auto unknown = submit(std::move(command)).get();
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code(), base::ErrorCode::lost);
    EXPECT_TRUE(unknown.error().message().starts_with("it is not known whether")) << unknown.error().message();
    EXPECT_EQ(durable.bounds(log::ShardId(0))->last, log::Lsn(2));
    EXPECT_EQ(handed_out, 0);
    EXPECT_FALSE(shard_->ready());
    EXPECT_EQ(committed, 1U);
  }
  for (int i = 0; i < 3000 && committed != 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(committed, 2U) << "who follows the shard is not woken by what is projected with the next claim";
  EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get()->first, log::Lsn(3));
  EXPECT_EQ(handed_out, 0);
  EXPECT_EQ(taken_over, 2);
  EXPECT_EQ(projection->applied().lsn, log::Lsn(3));
  {
    const auto txn = projection->begin_read();
    EXPECT_EQ(outbox_.pending(*txn, base::TenantId("acme"), log::Lsn(0), 10)->size(), 1U);
  }
  shard_->stop();
  ASSERT_FALSE(causes.empty());
  EXPECT_EQ(causes.front().find("it is not known"), std::string::npos) << "the node learns the cause";
  shard_.reset();
}

TEST_F(ShardTest, a_state_that_cannot_be_read_now_costs_no_more_than_time) {
  log_ = *log::LmdbEventLog::open(folder_ / "log", {.map_bytes = std::uint64_t{1} << 30});
  projection_ = *projection::Projection::open(
      {.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30, .readers_max = 1}, log::ShardId(0),
      {&timers_, &outbox_, &counts_});
  auto only_reader = std::make_optional(*projection_->begin_read());
  start();
  only_reader.reset();
  ASSERT_TRUE(submit(event_command("acme", "test.alarm", "a")).get());
  // The shard's thread may have it for another moment.
  for (auto reader = projection_->begin_read(); !only_reader; reader = projection_->begin_read()) {
    if (reader) only_reader.emplace(*std::move(reader));
  }
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

TEST_F(ShardTest, a_disk_without_room_is_reported_to_the_node_and_not_blamed_on_the_caller) {
  log::InMemoryEventLog full_log;
  const auto projection =
      *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30},
                                    log::ShardId(0), {&timers_, &outbox_, &counts_});
  std::string reported;
  ShardListeners listeners;
  listeners.failed = [&reported](const base::Error& error) { reported = error.message(); };
  shard_ = std::make_unique<ShardProcessor>(ShardOptions{}, full_log, *projection, timers_, clock_, random_,
                                            std::move(listeners));
  ASSERT_TRUE(shard_->start());
  full_log.fail_next_settle(log::ShardId(0), base::Error(base::ErrorCode::exhausted, "/data/log: the disk is full"));
  const auto refused = submit(event_command("acme", "test.event", "a")).get();
  EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable);
  EXPECT_EQ(refused.error().message().find("/data"), std::string::npos);
  EXPECT_NE(shard_->why_not_ready().find("no room"), std::string::npos);
  EXPECT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  shard_->stop();
  EXPECT_EQ(reported, "/data/log: the disk is full");
}

/// Its claims are refused while it says so, as by brokers that take a right away.
class RefusingLog final : public log::ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  base::Result<log::Claim> claim(log::ShardId shard, std::string_view node, const base::Uuid& nonce,
                                 const log::EnginePosition& hint) override {
    if (const auto refusal = refusal_.load())
      return base::fail(*refusal, "writing to partition 0 at 10.0.0.1:9092: refused");
    return ForwardingLog::claim(shard, node, nonce, hint);
  }
  void refuse(std::optional<base::ErrorCode> code) { refusal_ = code; }

 private:
  std::atomic<std::optional<base::ErrorCode>> refusal_{};
};

TEST_F(ShardTest, a_log_that_refuses_this_node_is_not_blamed_on_the_caller_and_is_claimed_again) {
  log::InMemoryEventLog real;
  RefusingLog refusing(real);
  const auto projection =
      *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30},
                                    log::ShardId(0), {&timers_, &outbox_, &counts_});
  shard_ = std::make_unique<ShardProcessor>(ShardOptions{}, refusing, *projection, timers_, clock_, random_,
                                            ShardListeners{});
  ASSERT_TRUE(shard_->start());
  for (const auto code : {base::ErrorCode::denied, base::ErrorCode::invalid, base::ErrorCode::conflict}) {
    real.fail_next_settle(log::ShardId(0), base::Error(base::ErrorCode::unavailable, "the broker does not answer"));
    refusing.refuse(code);
    EXPECT_EQ(submit(event_command("acme", "test.event", "a")).get().error().code(), base::ErrorCode::lost);
    const auto refused = submit(event_command("acme", "test.event", "a")).get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable) << refused.error().message();
    EXPECT_EQ(refused.error().message().find("10.0.0.1"), std::string::npos) << refused.error().message();
    EXPECT_FALSE(shard_->ready());
    refusing.refuse(std::nullopt);
    EXPECT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  }
  shard_->stop();
  shard_.reset();
}

TEST_F(ShardTest, without_room_only_what_frees_some_is_taken_and_the_rest_when_room_is_back) {
  log::InMemoryEventLog log;
  const auto projection =
      *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30},
                                    log::ShardId(0), {&timers_, &outbox_, &counts_});
  std::atomic<bool> has_room = false;
  ShardListeners listeners;
  listeners.room = [&has_room]() -> base::Status {
    if (has_room) return {};
    return base::fail(base::ErrorCode::unavailable, "the disk is nearly full");
  };
  shard_ = std::make_unique<ShardProcessor>(ShardOptions{}, log, *projection, timers_, clock_, random_,
                                            std::move(listeners));
  ASSERT_TRUE(shard_->start());
  EXPECT_EQ(shard_->why_not_ready(), "the disk is nearly full");
  const auto refused = submit(event_command("acme", "test.event", "a")).get();
  EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable);
  EXPECT_EQ(refused.error().message(), "nothing was changed: the disk is nearly full");
  Command frees = event_command("acme", "test.event", "b");
  frees.frees_room = true;
  EXPECT_TRUE(submit(std::move(frees)).get());
  has_room = true;
  EXPECT_TRUE(submit(event_command("acme", "test.event", "a")).get());
  EXPECT_EQ(shard_->why_not_ready(), "");
  shard_->stop();
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

TEST_F(ShardTest, a_decision_that_the_log_tore_never_happened) {
  log::InMemoryEventLog torn_log;
  const auto projection =
      *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30},
                                    log::ShardId(0), {&timers_, &outbox_, &counts_});
  shard_ = std::make_unique<ShardProcessor>(ShardOptions{}, torn_log, *projection, timers_, clock_, random_,
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
}  // namespace trv::shard::testing
