// What a shard promises while nothing fails.

#include "kernel/shard/shard_processor.hpp"

#include <algorithm>
#include <atomic>

#include "kernel/shard/testing/shard_fixture.hpp"

namespace trv::shard::testing {
namespace {

using namespace std::chrono_literals;

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

TEST_F(ShardTest, a_timer_whose_decision_lacks_something_is_asked_for_once_and_waits_without_work) {
  std::mutex mutex;
  std::vector<std::pair<Command, Preparation>> waiting;
  prepare_ = [&](Command command, Preparation preparation) {
    const std::scoped_lock lock(mutex);
    waiting.emplace_back(std::move(command), std::move(preparation));
  };
  lacks_something_ = true;
  start();
  ASSERT_TRUE(submit(event_command("acme", "test.alarm", "a")).get());
  clock_.advance(2s);
  shard_->poke();
  const auto is_waiting = [&] {
    const std::scoped_lock lock(mutex);
    return !waiting.empty();
  };
  while (!is_waiting()) std::this_thread::yield();
  ASSERT_TRUE(submit(event_command("acme", "", "b")).get()) << "others do not wait";
  EXPECT_EQ(timers_asked_, 1);
  EXPECT_EQ(count_of("woken"), 0U);
  lacks_something_ = false;
  auto& [command, preparation] = waiting.front();
  EXPECT_EQ(command.preparations, 1U);
  preparation(*projection_->begin_read());
  shard_->submit(std::move(command));
  while (count_of("woken") == 0) std::this_thread::yield();
  ASSERT_TRUE(submit(event_command("acme", "", "b")).get());
  EXPECT_EQ(timers_asked_, 1);
  EXPECT_EQ(waiting.size(), 1U);
}

TEST_F(ShardTest, what_was_decided_without_what_is_prepared_is_decided_once) {
  std::atomic<int> prepared = 0;
  prepare_ = [&](Command command, const Preparation&) {
    ++prepared;
    shard_->submit(std::move(command));
  };
  start();
  int decided = 0;
  Command command = event_command("acme", "test.event", "a");
  command.decide = [&decided, decide = std::move(command.decide)](const lmdb::Txn& txn,
                                                                  DecisionContext& context) mutable {
    ++decided;
    *context.prepare = [](const lmdb::Txn&) {};
    return decide(txn, context);
  };
  ASSERT_TRUE(submit(std::move(command)).get());
  ASSERT_TRUE(submit(event_command("acme", "", "b")).get());
  EXPECT_EQ(decided, 1);
  EXPECT_EQ(prepared, 0);
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

/// Requests the effect "1/2" of the stream "1" behind another event.
Command request_effect() {
  Command command;
  command.tenant = base::TenantId("acme");
  command.actor = "kernel";
  command.decide = [](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    Effect effect;
    effect.key = "acme/1/2/1";
    effect.stream_kind = "instance";
    effect.owner = "1";
    effect.kind = "plugin";
    effect.operation = "do";
    effect.input = "{}";
    effect.timeout = 5s;
    Decision decision;
    decision.events.push_back(draft(context, "test", "a", "test.event", {1}));
    Decision more;
    record::Draft event = effect_requested(context, effect);
    more.events.push_back(std::move(event));
    more.request(std::move(effect));
    decision.append(std::move(more));
    return decision;
  };
  return command;
}

TEST_F(ShardTest, an_effect_is_handed_out_once_with_its_position_after_it_is_durable) {
  start();
  const auto applied = submit(request_effect()).get();
  ASSERT_TRUE(applied);
  {
    const std::scoped_lock lock(mutex_);
    ASSERT_EQ(effects_.size(), 1U);
    EXPECT_EQ(effects_[0].key, "acme/1/2/1");
    EXPECT_EQ(effects_[0].tenant, base::TenantId("acme"));
    EXPECT_EQ(effects_[0].timeout, 5s);
    EXPECT_EQ(effects_[0].requested, clock_.now());
    EXPECT_EQ(effects_[0].position, applied->last);
    const auto txn = projection_->begin_read();
    EXPECT_EQ(outbox_.pending(*txn, base::TenantId("acme"), log::Lsn(0), 10)->front().position, applied->last);
  }
  restart();
  EXPECT_TRUE(effects_.empty());
  EXPECT_EQ(taken_over_, 2);
}

TEST_F(ShardTest, what_a_decision_cancels_is_handed_out_after_it_is_durable) {
  start();
  const log::Lsn position = submit(request_effect()).get()->last;
  Command cancel = event_command("acme", "", "a");
  cancel.decide = [position](const lmdb::Txn&, DecisionContext& context) -> base::Result<Decision> {
    return Decision{.events = {effect_cancelled(context, "instance", "1", {"acme/1/2/1", position})},
                    .effects = {},
                    .cancelled = {position}};
  };
  ASSERT_TRUE(submit(std::move(cancel)).get());
  shard_->stop();
  EXPECT_EQ(cancelled_, std::vector<log::Lsn>{position});
  const auto txn = projection_->begin_read();
  EXPECT_TRUE(outbox_.pending(*txn, base::TenantId("acme"), log::Lsn(0), 10)->empty());
}

TEST_F(ShardTest, an_effect_whose_batch_was_undone_is_not_handed_out) {
  start();
  Command poison = request_effect();
  poison.decide = [inner = std::move(poison.decide)](const lmdb::Txn& txn, DecisionContext& context) mutable {
    auto decision = inner(txn, context);
    decision->events.push_back(draft(context, "test", "a", "test.poison", {1}));
    return decision;
  };
  EXPECT_FALSE(submit(std::move(poison)).get());
  shard_->stop();
  EXPECT_TRUE(effects_.empty());
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

}  // namespace
}  // namespace trv::shard::testing
