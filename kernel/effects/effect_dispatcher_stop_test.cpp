// A dispatcher that stops, and one that pauses.

#include <atomic>
#include <future>

#include "kernel/effects/testing/dispatcher_world.hpp"

namespace trv::effects::testing {
namespace {

TEST(EffectDispatcher, an_orderly_stop_records_the_outcomes_that_wait) {
  std::atomic<bool> full = true;
  std::atomic<int> performed = 0;
  World world({.backoff_first = 60s, .backoff_max = 60s, .stop_outcomes_max = 60s});
  world.perform_ = [&](const auto&, auto, auto, auto done) {
    ++performed;
    done(success());
  };
  world.refuse = [&](const auto&) {
    return full ? base::Status(base::fail(base::ErrorCode::unavailable, "no room")) : base::Status();
  };
  world.start();
  world.request("acme", "k1");
  ASSERT_FALSE(world.lines(1).empty());  // refused, and offered again in a minute
  full = false;
  world.dispatcher().stop();
  EXPECT_EQ(world.settled(1)[0].first, "k1");
  EXPECT_EQ(world.outbox.pending("acme"), 0U);
  world.start();
  EXPECT_EQ(performed, 1) << "nothing is left to perform";
}

TEST(EffectDispatcher, an_orderly_stop_waits_for_a_try_that_ends_soon_and_begins_none) {
  std::mutex mutex;
  std::map<std::string, TryDone> under_way;
  World world({.tenant_concurrency_max = 1, .stop_tries_max = 60s, .stop_outcomes_max = 60s});
  world.perform_ = [&](const shard::Effect& effect, auto, auto, auto done) {
    const std::scoped_lock lock(mutex);
    under_way.emplace(effect.key, std::move(done));
  };
  world.start();
  world.request("acme", "first");
  world.request("acme", "second");
  const auto count = [&] {
    const std::scoped_lock lock(mutex);
    return under_way.size();
  };
  while (count() == 0) std::this_thread::sleep_for(1ms);
  world.dispatcher().begin_stop();
  {
    const std::scoped_lock lock(mutex);
    under_way.at("first")(success());
  }
  world.dispatcher().stop();
  EXPECT_EQ(world.settled(1)[0].first, "first");
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(world.outbox.pending("acme"), 1U);
}

TEST(EffectDispatcher, a_stop_gives_up_what_does_not_end_or_cannot_be_recorded) {
  World world({.stop_tries_max = 100ms, .stop_outcomes_max = 300ms});
  std::atomic<int> hang = 0;
  world.perform_ = [&](const shard::Effect& effect, auto, auto, auto done) {
    if (effect.key == "refused") return done(success());
    ++hang;
  };
  world.refuse = [](const auto&) { return base::Status(base::fail(base::ErrorCode::unavailable, "no room")); };
  world.start();
  world.request("acme", "refused");
  world.request("acme", "hangs");
  ASSERT_FALSE(world.lines(1).empty());
  while (hang == 0) std::this_thread::sleep_for(1ms);
  const auto began = std::chrono::steady_clock::now();
  world.dispatcher().stop();
  EXPECT_GE(std::chrono::steady_clock::now() - began, 300ms);
  EXPECT_EQ(world.outbox.pending("acme"), 2U);
}

TEST(EffectDispatcher, a_paused_one_begins_nothing_and_goes_on_from_the_outbox_when_it_is_to) {
  std::mutex mutex;
  std::vector<std::pair<std::string, TryDone>> under_way;
  World world({.begins_paused = true, .stop_tries_max = 50ms, .stop_outcomes_max = 50ms});
  world.perform_ = [&](const shard::Effect& effect, auto, auto, auto done) {
    const std::scoped_lock lock(mutex);
    under_way.emplace_back(effect.key, std::move(done));
  };
  const auto begun = [&] {
    const std::scoped_lock lock(mutex);
    return under_way.size();
  };
  const auto wait_for = [&](std::size_t count) {
    for (int i = 0; i < 6000 && begun() < count; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(begun(), count);
  };
  world.start();
  world.request("acme", "k1");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(begun(), 0U);
  world.dispatcher().look_again();
  wait_for(1);
  // Its try does not end in time: another node makes it again, and what this one says then is dropped.
  world.dispatcher().pause();
  EXPECT_EQ(world.dispatcher().metrics().under_way, 0U);
  world.request("acme", "k2");
  under_way[0].second(success("\"late\""));
  world.dispatcher().pause();
  EXPECT_EQ(begun(), 1U);
  EXPECT_EQ(world.outbox.pending("acme"), 2U);
  world.dispatcher().look_again();
  wait_for(3);
  {
    const std::scoped_lock lock(mutex);
    under_way[1].second(success("\"again\""));
    under_way[2].second(success());
  }
  const auto settled = world.settled(2);
  EXPECT_EQ(settled[0].first, "k1");
  EXPECT_EQ(settled[0].second.output, "\"again\"");
  EXPECT_EQ(settled[1].first, "k2");
}

TEST(EffectDispatcher, a_pause_records_the_outcomes_under_way_and_can_be_taken_back) {
  std::mutex mutex;
  std::map<std::string, TryDone> under_way;
  World world({.stop_tries_max = 60s, .stop_outcomes_max = 60s});
  world.perform_ = [&](const shard::Effect& effect, auto, auto, auto done) {
    const std::scoped_lock lock(mutex);
    under_way.emplace(effect.key, std::move(done));
  };
  const auto count = [&] {
    const std::scoped_lock lock(mutex);
    return under_way.size();
  };
  world.start();
  world.request("acme", "k1");
  for (int i = 0; i < 6000 && count() == 0; ++i) std::this_thread::sleep_for(10ms);
  world.dispatcher().begin_pause();
  world.dispatcher().look_again();
  world.request("acme", "k2");
  {
    const std::scoped_lock lock(mutex);
    under_way.at("k1")(success());
  }
  EXPECT_EQ(world.settled(1)[0].first, "k1");
  for (int i = 0; i < 6000 && count() < 2; ++i) std::this_thread::sleep_for(10ms);
  ASSERT_EQ(count(), 2U);
  {
    const std::scoped_lock lock(mutex);
    under_way.at("k2")(success());
  }
  EXPECT_EQ(world.settled(2)[1].first, "k2");
}

// As when a shard is claimed anew while it is being given up.
TEST(EffectDispatcher, a_pause_ends_also_when_it_is_to_live_again_meanwhile) {
  World world({.begins_paused = true, .stop_tries_max = 1ms, .stop_outcomes_max = 1ms});
  world.perform_ = [](const shard::Effect&, auto, auto, auto) {};
  world.start();
  world.request("acme", "k1");
  std::atomic<bool> is_over = false;
  std::thread claims([&] {
    while (!is_over) world.dispatcher().look_again();
  });
  std::promise<void> paused;
  std::thread gives_up([&] {
    for (int i = 0; i < 200; ++i) world.dispatcher().pause();
    paused.set_value();
  });
  const bool has_paused = paused.get_future().wait_for(60s) == std::future_status::ready;
  is_over = true;
  claims.join();
  EXPECT_TRUE(has_paused);
  // Where a pause has not ended, the end of the dispatcher ends it.
  world.dispatcher().stop();
  gives_up.join();
}

}  // namespace
}  // namespace trv::effects::testing
