#include "kernel/effects/effect_dispatcher.hpp"

#include "kernel/effects/testing/dispatcher_world.hpp"

namespace trv::effects::testing {
namespace {

TEST(EffectDispatcher, an_effect_is_performed_and_its_outcome_reported_once) {
  World world([](const auto&, auto, auto, auto done) { done(success("{\"id\":1}")); });
  world.request("acme", "k1");
  const auto settled = world.settled(1);
  ASSERT_EQ(settled.size(), 1U);
  EXPECT_EQ(settled[0].first, "k1");
  EXPECT_TRUE(settled[0].second.ok);
  EXPECT_EQ(settled[0].second.output, "{\"id\":1}");
  EXPECT_EQ(settled[0].second.tries, 1U);
}

TEST(EffectDispatcher, a_key_that_is_under_way_is_not_begun_again) {
  std::atomic<int> begun = 0;
  TryDone pending;
  std::mutex mutex;
  World world([&](const auto&, auto, auto, auto done) {
    const std::scoped_lock lock(mutex);
    ++begun;
    pending = std::move(done);
  });
  const shard::Effect effect = world.request("acme", "k1");
  world.dispatcher().dispatch({.requested = {effect}, .cancelled = {}});
  while (begun == 0) std::this_thread::yield();
  {
    const std::scoped_lock lock(mutex);
    pending(success());
  }
  EXPECT_EQ(world.settled(1).size(), 1U);
  EXPECT_EQ(begun, 1);
}

TEST(EffectDispatcher, a_retryable_failure_is_tried_again_with_the_same_key) {
  std::atomic<int> tries = 0;
  World world(
      [&](const shard::Effect& effect, std::uint32_t number, auto, auto done) {
        EXPECT_EQ(effect.key, "k1");
        EXPECT_EQ(static_cast<int>(number), ++tries);
        done(number < 3 ? failure(true) : success());
      },
      {.backoff_first = 1ms, .backoff_max = 2ms});
  world.request("acme", "k1");
  const auto settled = world.settled(1);
  EXPECT_TRUE(settled[0].second.ok);
  EXPECT_EQ(settled[0].second.tries, 3U);
}

TEST(EffectDispatcher, a_call_that_ends_the_plugins_process_twice_is_not_made_again) {
  std::atomic<int> tries = 0;
  World world(
      [&](const auto&, std::uint32_t number, auto, auto done) {
        ++tries;
        TryResult result = failure(true);
        result.plugin_died = number != 2;  // between, the service was away
        done(std::move(result));
      },
      {.backoff_first = 1ms, .backoff_max = 2ms});
  world.request("acme", "k1");
  const auto settled = world.settled(1);
  EXPECT_FALSE(settled[0].second.ok);
  EXPECT_EQ(settled[0].second.message,
            "the plugin's process ended during 2 tries of this call, which is not made again: service is down");
  EXPECT_EQ(tries, 3);
}

TEST(EffectDispatcher, a_final_failure_is_not_tried_again) {
  std::atomic<int> tries = 0;
  World world([&](const auto&, auto, auto, auto done) {
    ++tries;
    done(failure(false));
  });
  world.request("acme", "k1");
  const auto settled = world.settled(1);
  EXPECT_FALSE(settled[0].second.ok);
  EXPECT_EQ(settled[0].second.message, "service is down");
  EXPECT_EQ(tries, 1);
}

TEST(EffectDispatcher, what_the_workflow_itself_repeats_is_tried_once) {
  std::atomic<int> tries = 0;
  World world(
      [&](const auto&, auto, auto, auto done) {
        ++tries;
        done(failure(true));
      },
      {.backoff_first = 1ms, .backoff_max = 2ms});
  shard::Effect effect = OutboxFixture::effect("acme", "k1");
  effect.is_tried_once = true;
  world.request(std::move(effect));
  const auto settled = world.settled(1);
  EXPECT_FALSE(settled[0].second.ok);
  EXPECT_EQ(settled[0].second.tries, 1U);
  EXPECT_EQ(tries, 1);
}

TEST(EffectDispatcher, retry_after_is_obeyed) {
  const auto start = std::chrono::steady_clock::now();
  World world(
      [&](const auto&, std::uint32_t number, auto, auto done) { done(number == 1 ? failure(true, 300ms) : success()); },
      {.backoff_first = 1ms, .backoff_max = 1ms});
  world.request("acme", "k1");
  EXPECT_TRUE(world.settled(1)[0].second.ok);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 300ms);
}

TEST(EffectDispatcher, a_retry_that_would_pass_the_deadline_is_not_made) {
  World world([&](const auto&, auto, auto, auto done) { done(failure(true, 1h)); });
  world.request("acme", "k1");
  EXPECT_FALSE(world.settled(1)[0].second.ok);
}

TEST(EffectDispatcher, a_tenant_with_a_long_queue_does_not_delay_another) {
  std::mutex mutex;
  std::vector<std::string> order;
  std::vector<TryDone> open;
  World world(
      [&](const shard::Effect& effect, auto, auto, auto done) {
        const std::scoped_lock lock(mutex);
        order.push_back(effect.tenant.value());
        open.push_back(std::move(done));
      },
      {.concurrency_max = 1});
  for (int i = 0; i < 50; ++i) world.request("big", "big" + std::to_string(i));
  world.request("small", "small");
  for (std::size_t i = 0; i < 51; ++i) {
    TryDone done;
    while (!done) {
      const std::scoped_lock lock(mutex);
      if (open.size() > i) done = open[i];
    }
    done(success());
  }
  EXPECT_EQ(world.settled(51).size(), 51U);
  const auto at = std::ranges::find(order, "small") - order.begin();
  EXPECT_LE(at, 2);
}

TEST(EffectDispatcher, a_tenant_never_has_more_tries_under_way_than_its_share) {
  std::mutex mutex;
  std::size_t under_way = 0;
  std::size_t most = 0;
  std::vector<TryDone> open;
  World world(
      [&](const auto&, auto, auto, auto done) {
        const std::scoped_lock lock(mutex);
        most = std::max(most, ++under_way);
        open.push_back(std::move(done));
      },
      {.concurrency_max = 100, .tenant_concurrency_max = 3});
  for (int i = 0; i < 12; ++i) world.request("acme", std::to_string(i));
  for (int ended = 0; ended < 12;) {
    std::vector<TryDone> now;
    {
      const std::scoped_lock lock(mutex);
      now.swap(open);
      under_way -= now.size();
    }
    for (auto& done : now) done(success());
    ended += static_cast<int>(now.size());
  }
  EXPECT_EQ(world.settled(12).size(), 12U);
  EXPECT_LE(most, 3U);
}

TEST(EffectDispatcher, scripts_wait_for_each_other_and_hold_up_no_call) {
  std::mutex mutex;
  std::vector<TryDone> scripts;
  World world(
      [&](const shard::Effect& effect, auto, auto, auto done) {
        if (effect.kind != "process") return done(success());
        const std::scoped_lock lock(mutex);
        scripts.push_back(std::move(done));
      },
      {.tenant_concurrency_max = 3, .processes_max = 2});
  for (int i = 0; i < 8; ++i) {
    shard::Effect script = OutboxFixture::effect("acme", "script" + std::to_string(i));
    script.kind = "process";
    world.request(std::move(script));
  }
  world.request("acme", "call");
  EXPECT_EQ(world.settled(1).at(0).first, "call");
  for (std::size_t ended = 0; ended < 8;) {
    std::vector<TryDone> now;
    {
      const std::scoped_lock lock(mutex);
      EXPECT_LE(scripts.size(), 2U);
      now.swap(scripts);
    }
    for (auto& done : now) done(success());
    ended += now.size();
  }
  EXPECT_EQ(world.settled(9).size(), 9U);
}

TEST(EffectDispatcher, a_result_that_comes_after_stop_is_dropped_safely) {
  TryDone late;
  {
    std::atomic<bool> begun = false;
    World world([&](const auto&, auto, auto, auto done) {
      late = std::move(done);
      begun = true;
    });
    world.request("acme", "k1");
    while (!begun) std::this_thread::yield();
    world.dispatcher().stop();
  }
  late(success());
}

TEST(EffectDispatcher, a_start_with_many_pending_effects_holds_a_window_of_them_and_performs_all_fairly) {
  constexpr int count = 200'000;
  constexpr std::size_t window = 1'000;
  const std::vector<std::string> tenants = {"a", "b", "c", "d"};
  World world({.window = {.effects_max = window, .bytes_max = 1U << 30}});
  {
    // Tenant "a" has nine tenths, and all of it before the others'.
    std::vector<shard::Effect> effects;
    for (int i = 0; i < count; ++i) {
      const std::string& tenant = i < count * 9 / 10 ? tenants[0] : tenants[static_cast<std::size_t>(1 + i % 3)];
      effects.push_back(OutboxFixture::effect(tenant, tenant + std::to_string(i)));
      effects.back().timeout = 1h;
    }
    world.outbox.request(std::move(effects));
  }
  std::atomic<std::uint64_t> performed = 0;
  std::map<std::string, std::uint64_t> last_of;  // the dispatcher's thread
  world.perform_ = [&](const shard::Effect& effect, auto, auto, auto done) {
    last_of[effect.tenant.value()] = ++performed;
    done(success());
  };
  std::atomic<std::uint64_t> recorded = 0;
  std::atomic<std::uint64_t> most = 0;
  // Nothing is recorded: each outcome counts as known.
  world.refuse = [&](const shard::Effect&) -> base::Status {
    ++recorded;
    const DispatcherMetrics now = world.dispatcher().metrics();
    most = std::max(most.load(), now.waiting + now.under_way + now.outcomes);
    return base::fail(base::ErrorCode::unavailable, "never");
  };
  world.settle_only = true;
  world.start();
  while (recorded < count) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(performed, count);
  EXPECT_LE(most, window);
  EXPECT_GT(most, 0U);
  for (const char* small : {"b", "c", "d"}) EXPECT_LT(last_of[small], count / 3U) << small;
}

TEST(EffectDispatcher, an_outcome_that_is_refused_is_offered_again_and_the_effect_is_not_performed_again) {
  std::atomic<int> performed = 0;
  std::atomic<int> refused = 0;
  World world(DispatcherOptions{.backoff_first = 1ms, .backoff_max = 5ms});
  world.perform_ = [&](const auto&, auto, auto, auto done) {
    ++performed;
    done(success("{\"id\":1}"));
  };
  world.refuse = [&](const shard::Effect&) -> base::Status {
    if (++refused <= 5) return base::fail(base::ErrorCode::unavailable, "the disk is full");
    return {};
  };
  world.start();
  world.request("acme", "k1");
  const auto settled = world.settled(1);
  EXPECT_EQ(settled[0].second.output, "{\"id\":1}");
  EXPECT_EQ(performed, 1);
  EXPECT_EQ(refused, 6);
  EXPECT_NE(world.lines(1)[0].find("the disk is full"), std::string::npos);
}

TEST(EffectDispatcher, while_outcomes_wait_no_effect_beyond_the_window_is_tried) {
  std::atomic<int> performed = 0;
  std::atomic<bool> full = true;
  World world(DispatcherOptions{.window = {.effects_max = 8}, .backoff_first = 1ms, .backoff_max = 5ms});
  world.perform_ = [&](const auto&, auto, auto, auto done) {
    ++performed;
    done(success());
  };
  world.refuse = [&](const shard::Effect&) -> base::Status {
    if (full) return base::fail(base::ErrorCode::unavailable, "the disk is full");
    return {};
  };
  world.start();
  for (int i = 0; i < 40; ++i) world.request("t" + std::to_string(i % 4), std::to_string(i));
  std::this_thread::sleep_for(200ms);
  EXPECT_LE(performed, 8);
  EXPECT_GE(performed, 4);
  full = false;
  EXPECT_EQ(world.settled(40).size(), 40U);
  EXPECT_EQ(performed, 40);
}

TEST(EffectDispatcher, the_deadline_counts_from_the_request_and_over_restarts) {
  std::atomic<int> performed = 0;
  World world(DispatcherOptions{});
  base::Duration left_seen{};
  world.perform_ = [&](const auto&, auto, base::Duration left, auto done) {
    ++performed;
    left_seen = left;
    done(success());
  };
  shard::Effect late = OutboxFixture::effect("acme", "late");
  late.timeout = 50ms;
  shard::Effect in_time = OutboxFixture::effect("acme", "in time");
  in_time.timeout = 100s;
  world.request(late);
  world.request(in_time);
  std::this_thread::sleep_for(100ms);
  world.start();
  auto settled = world.settled(2);
  std::ranges::sort(settled, {}, [](const auto& one) { return one.first; });
  EXPECT_TRUE(settled[0].second.ok);
  EXPECT_FALSE(settled[1].second.ok);
  EXPECT_EQ(settled[1].second.code, "timeout");
  EXPECT_EQ(settled[1].second.tries, 0U);
  EXPECT_EQ(performed, 1);
  EXPECT_LT(left_seen, 100s - 90ms);
  EXPECT_GT(left_seen, 90s);
}

TEST(EffectDispatcher, an_effect_that_waits_in_line_past_its_deadline_fails_in_time) {
  std::vector<TryDone> open;
  World world([&](const auto&, auto, auto, auto done) { open.push_back(std::move(done)); }, {.concurrency_max = 1});
  world.request("acme", "first");
  shard::Effect second = OutboxFixture::effect("acme", "second");
  second.timeout = 50ms;
  world.request(second);
  const auto settled = world.settled(1);
  EXPECT_EQ(settled[0].first, "second");
  EXPECT_EQ(settled[0].second.code, "timeout");
}

TEST(EffectDispatcher, its_limits_can_be_replaced_while_it_works) {
  std::mutex mutex;
  std::vector<TryDone> open;
  const auto under_way = [&] {
    const std::scoped_lock lock(mutex);
    return open.size();
  };
  World world(
      [&](const auto&, auto, auto, auto done) {
        const std::scoped_lock lock(mutex);
        open.push_back(std::move(done));
      },
      {.concurrency_max = 1, .tries_max = 100, .backoff_first = 1ms, .backoff_max = 1ms});
  world.request("acme", "first");
  world.request("acme", "second");
  while (under_way() < 1) std::this_thread::yield();
  world.dispatcher().replace_limits(2, 1);
  while (under_way() < 2) std::this_thread::yield();
  for (const TryDone& done : open) done(failure(true));
  for (const auto& [key, outcome] : world.settled(2)) EXPECT_EQ(outcome.tries, 1U) << key;
}

TEST(EffectDispatcher, tries_count_over_restarts) {
  World world(DispatcherOptions{.tries_max = 4, .backoff_first = 1ms, .backoff_max = 1ms});
  std::atomic<int> tries = 0;
  world.perform_ = [&](const auto&, std::uint32_t number, auto, auto done) {
    EXPECT_EQ(static_cast<int>(number), ++tries);
    done(failure(true, number == 2 ? base::Duration(1h) : base::Duration(0)));
  };
  shard::Effect effect = OutboxFixture::effect("acme", "k");
  effect.kind = "http";
  effect.timeout = 24h;
  world.start();
  world.request(effect);
  while (tries < 2) std::this_thread::yield();
  world.die();
  world.start();
  EXPECT_EQ(world.settled(1)[0].second.tries, 4U);
  EXPECT_EQ(tries, 4);
}

TEST(EffectDispatcher, a_tenant_that_is_held_begins_no_try_and_its_effects_wait_until_it_is_let_go) {
  std::mutex mutex;
  std::vector<TryDone> open;
  std::vector<std::string> begun;
  World world([&](const shard::Effect& effect, auto, auto, auto done) {
    const std::scoped_lock lock(mutex);
    begun.push_back(effect.key);
    open.push_back(std::move(done));
  });
  const auto count = [&] {
    const std::scoped_lock lock(mutex);
    return begun.size();
  };
  const base::TenantId acme("acme");
  world.request("acme", "under way");
  while (count() < 1) std::this_thread::yield();
  EXPECT_FALSE(world.dispatcher().hold(acme));
  world.request("acme", "waits");
  world.request("beta", "of another tenant");
  while (count() < 2) std::this_thread::yield();
  EXPECT_FALSE(world.dispatcher().hold(acme)) << "a try is under way";
  for (const TryDone& done : open) done(success());
  EXPECT_EQ(world.settled(2).size(), 2U);
  while (!world.dispatcher().hold(acme)) std::this_thread::yield();
  EXPECT_EQ(count(), 2U);
  world.dispatcher().let_go(acme);
  while (count() < 3) std::this_thread::yield();
  EXPECT_EQ(begun.back(), "waits");
  open.back()(success());
  EXPECT_EQ(world.settled(3).size(), 3U);
}

TEST(EffectDispatcher, a_cancelled_effect_is_not_tried_and_one_under_way_is_asked_to_end) {
  std::atomic<int> performed = 0;
  std::vector<TryDone> open;
  std::mutex mutex;
  World world(
      [&](const auto&, auto, auto, auto done) {
        const std::scoped_lock lock(mutex);
        open.push_back(std::move(done));
        ++performed;
      },
      {.concurrency_max = 1});
  const shard::Effect first = world.request("acme", "first");
  while (performed < 1) std::this_thread::yield();
  const shard::Effect second = world.request("acme", "second");
  world.dispatcher().dispatch({.requested = {}, .cancelled = {first.position, second.position}});
  EXPECT_EQ(world.asked_to_end(1), std::vector<std::string>{"first"});
  world.request("acme", "third");
  {
    const std::scoped_lock lock(mutex);
    open[0](failure(true));
  }
  while (performed < 2) std::this_thread::yield();
  {
    const std::scoped_lock lock(mutex);
    open[1](success());
  }
  EXPECT_EQ(world.settled(1)[0].first, "third");
  EXPECT_EQ(performed, 2);
}

TEST(EffectDispatcher, a_plugin_call_that_ends_the_process_three_times_is_parked_and_others_are_not) {
  World world(DispatcherOptions{});
  std::mutex mutex;
  std::vector<std::string> begun;
  const auto begun_now = [&] {
    const std::scoped_lock lock(mutex);
    return begun;
  };
  // Nothing comes back from a process that dies.
  world.perform_ = [&](const shard::Effect& effect, auto, auto, auto) {
    const std::scoped_lock lock(mutex);
    begun.push_back(effect.key);
  };
  for (const char* key : {"innocent 1", "poison", "innocent 2"}) world.request("acme", key);
  for (int life = 0; life < 2; ++life) {
    begun.clear();
    world.start();
    while (begun_now().size() < 3) std::this_thread::yield();
    world.die();
  }
  // The third life tries them one at a time, so that the third death is the poison's alone.
  world.perform_ = [&](const shard::Effect& effect, auto, auto, auto done) {
    const std::scoped_lock lock(mutex);
    begun.push_back(effect.key);
    if (effect.key != "poison") done(success());
  };
  begun.clear();
  world.start();
  while (begun_now().size() < 2) std::this_thread::yield();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(begun_now(), (std::vector<std::string>{"innocent 1", "poison"}));
  world.die();
  begun.clear();
  world.start();
  EXPECT_EQ(world.settled(1)[0].first, "innocent 2");
  const std::string line = world.lines(1)[0];
  for (const char* part : {"poison", "tracker", "1.2.3", "'open'", "instance i", "3 times", "trav effect release"}) {
    EXPECT_NE(line.find(part), std::string::npos) << line;
  }
  EXPECT_EQ(begun_now(), std::vector<std::string>{"innocent 2"});
  EXPECT_EQ(world.outbox.pending("acme"), 0U);
  const auto txn = *world.outbox.projection().begin_read();
  EXPECT_EQ(world.outbox.outbox().parked(txn, base::TenantId("acme"), {}, 10)->at(0).effect.key, "poison");
}

TEST(EffectDispatcher, an_http_request_is_never_parked) {
  World world(DispatcherOptions{});
  std::atomic<int> begun = 0;
  world.perform_ = [&](const auto&, std::uint32_t number, auto, auto done) {
    ++begun;
    if (number > 4) done(success());
  };
  shard::Effect effect = OutboxFixture::effect("acme", "k");
  effect.kind = "http";
  world.request(effect);
  for (int life = 1; life <= 4; ++life) {
    world.start();
    while (begun < life) std::this_thread::yield();
    world.die();
  }
  world.start();
  EXPECT_TRUE(world.settled(1)[0].second.ok);
}

}  // namespace
}  // namespace trv::effects::testing
