#include "kernel/effects/effect_dispatcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

namespace trv::effects {
namespace {

using namespace std::chrono_literals;

shard::Effect effect_of(std::string tenant, std::string key) {
  shard::Effect effect;
  effect.tenant = base::TenantId(std::move(tenant));
  effect.key = std::move(key);
  effect.kind = "plugin";
  effect.timeout = 10s;
  return effect;
}

TryResult success(std::string output = "{}") {
  TryResult result;
  result.outcome.ok = true;
  result.outcome.output = std::move(output);
  return result;
}

TryResult failure(bool retry, base::Duration retry_after = {}) {
  TryResult result;
  result.outcome.code = "unavailable";
  result.outcome.message = "service is down";
  result.retry = retry;
  result.retry_after = retry_after;
  return result;
}

/// A dispatcher over a scripted world; collects the outcomes.
class World {
 public:
  explicit World(EffectDispatcher::Perform perform, DispatcherOptions options = {})
      : dispatcher_(options, clock_, random_, std::move(perform),
                    [this](const shard::Effect& effect, shard::Outcome outcome) {
                      const std::scoped_lock lock(mutex_);
                      settled_.emplace_back(effect.key, std::move(outcome));
                      changed_.notify_all();
                    }) {
    dispatcher_.start();
  }

  EffectDispatcher& dispatcher() { return dispatcher_; }

  std::vector<std::pair<std::string, shard::Outcome>> settled(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 10s, [&] { return settled_.size() >= count; }));
    return settled_;
  }

 private:
  base::SystemClock clock_;
  base::SimulatedRandom random_{1};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::string, shard::Outcome>> settled_;
  EffectDispatcher dispatcher_;
};

TEST(EffectDispatcher, an_effect_is_performed_and_its_outcome_reported_once) {
  World world([](const auto&, auto, auto, auto done) { done(success("{\"id\":1}")); });
  world.dispatcher().dispatch(effect_of("acme", "k1"));
  const auto settled = world.settled(1);
  ASSERT_EQ(settled.size(), 1U);
  EXPECT_EQ(settled[0].first, "k1");
  EXPECT_TRUE(settled[0].second.ok);
  EXPECT_EQ(settled[0].second.output, "{\"id\":1}");
  EXPECT_EQ(settled[0].second.tries, 1U);
}

TEST(EffectDispatcher, a_key_that_is_under_way_is_not_begun_again) {
  std::atomic<int> begun = 0;
  std::function<void(TryResult)> pending;
  std::mutex mutex;
  World world([&](const auto&, auto, auto, auto done) {
    const std::scoped_lock lock(mutex);
    ++begun;
    pending = std::move(done);
  });
  world.dispatcher().dispatch(effect_of("acme", "k1"));
  world.dispatcher().dispatch(effect_of("acme", "k1"));
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
  world.dispatcher().dispatch(effect_of("acme", "k1"));
  const auto settled = world.settled(1);
  EXPECT_TRUE(settled[0].second.ok);
  EXPECT_EQ(settled[0].second.tries, 3U);
}

TEST(EffectDispatcher, a_final_failure_is_not_tried_again) {
  std::atomic<int> tries = 0;
  World world([&](const auto&, auto, auto, auto done) {
    ++tries;
    done(failure(false));
  });
  world.dispatcher().dispatch(effect_of("acme", "k1"));
  const auto settled = world.settled(1);
  EXPECT_FALSE(settled[0].second.ok);
  EXPECT_EQ(settled[0].second.message, "service is down");
  EXPECT_EQ(tries, 1);
}

TEST(EffectDispatcher, retry_after_is_obeyed) {
  const auto start = std::chrono::steady_clock::now();
  World world(
      [&](const auto&, std::uint32_t number, auto, auto done) { done(number == 1 ? failure(true, 300ms) : success()); },
      {.backoff_first = 1ms, .backoff_max = 1ms});
  world.dispatcher().dispatch(effect_of("acme", "k1"));
  EXPECT_TRUE(world.settled(1)[0].second.ok);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 300ms);
}

TEST(EffectDispatcher, a_retry_that_would_pass_the_deadline_is_not_made) {
  World world([&](const auto&, auto, auto, auto done) { done(failure(true, 1h)); });
  world.dispatcher().dispatch(effect_of("acme", "k1"));
  EXPECT_FALSE(world.settled(1)[0].second.ok);
}

TEST(EffectDispatcher, a_tenant_with_a_long_queue_does_not_delay_another) {
  std::mutex mutex;
  std::vector<std::string> order;
  std::vector<std::function<void(TryResult)>> open;
  World world(
      [&](const shard::Effect& effect, auto, auto, auto done) {
        const std::scoped_lock lock(mutex);
        order.push_back(effect.tenant.value());
        open.push_back(std::move(done));
      },
      {.concurrency_max = 1});
  for (int i = 0; i < 50; ++i) world.dispatcher().dispatch(effect_of("big", "big" + std::to_string(i)));
  world.dispatcher().dispatch(effect_of("small", "small"));
  for (std::size_t i = 0; i < 51; ++i) {
    std::function<void(TryResult)> done;
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
  std::vector<std::function<void(TryResult)>> open;
  World world(
      [&](const auto&, auto, auto, auto done) {
        const std::scoped_lock lock(mutex);
        most = std::max(most, ++under_way);
        open.push_back(std::move(done));
      },
      {.concurrency_max = 100, .tenant_concurrency_max = 3});
  for (int i = 0; i < 12; ++i) world.dispatcher().dispatch(effect_of("acme", std::to_string(i)));
  for (int ended = 0; ended < 12;) {
    std::vector<std::function<void(TryResult)>> now;
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

TEST(EffectDispatcher, a_result_that_comes_after_stop_is_dropped_safely) {
  std::function<void(TryResult)> late;
  {
    std::atomic<bool> begun = false;
    World world([&](const auto&, auto, auto, auto done) {
      late = std::move(done);
      begun = true;
    });
    world.dispatcher().dispatch(effect_of("acme", "k1"));
    while (!begun) std::this_thread::yield();
    world.dispatcher().stop();
  }
  late(success());
}

}  // namespace
}  // namespace trv::effects
