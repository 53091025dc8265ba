#include "kernel/effects/effect_dispatcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "kernel/effects/testing/outbox_fixture.hpp"

namespace trv::effects {
namespace {

using namespace std::chrono_literals;
using testing::OutboxFixture;

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

using Perform = std::function<void(const shard::Effect& effect, std::uint32_t, base::Duration, TryDone done)>;

/// A dispatcher over an outbox of its own and a scripted world; records and collects the outcomes.
class World {
 public:
  explicit World(Perform perform, DispatcherOptions options = {}) : World(options) {
    perform_ = std::move(perform);
    start();
  }
  explicit World(DispatcherOptions options) : options_(options) {}
  ~World() { dispatcher_.reset(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void start() {
    journal_ = *TryJournal::open(outbox.folder() / "tries", 2 * options_.window.effects_max, LastEnd::crashed);
    DispatcherPorts ports;
    ports.perform = [this](const shard::Effect& effect, std::uint32_t number, base::Duration left, TryDone done) {
      perform_(effect, number, left, std::move(done));
      return CancelTry([this, key = effect.key] {
        const std::scoped_lock lock(mutex_);
        asked_to_end_.push_back(key);
        changed_.notify_all();
      });
    };
    ports.settle = [this](const shard::Effect& effect, std::shared_ptr<const shard::Outcome> outcome, auto done) {
      if (refuse) {
        if (const base::Status refused = refuse(effect); !refused) return done(settle_only ? base::Status{} : refused);
      }
      outbox.settle(effect, *outcome);
      done({});
      const std::scoped_lock lock(mutex_);
      settled_.emplace_back(effect.key, *outcome);
      changed_.notify_all();
    };
    ports.park = [this](const shard::Effect& effect, std::uint32_t deaths, auto done) {
      outbox.park(effect, deaths);
      done({});
    };
    ports.report = [this](const std::string& line) {
      const std::scoped_lock lock(mutex_);
      lines_.push_back(line);
      changed_.notify_all();
    };
    dispatcher_ = std::make_unique<EffectDispatcher>(options_, outbox.projection(), outbox.outbox(), *journal_, clock,
                                                     random_, std::move(ports));
    dispatcher_->start();
  }
  /// Ends the dispatcher as the end of the process would: what is under way is a death.
  void die() {
    const auto file = outbox.folder() / "tries";
    // What the file says now outlives the farewell of the journal.
    std::filesystem::copy_file(file, outbox.folder() / "kept", std::filesystem::copy_options::overwrite_existing);
    dispatcher_.reset();
    journal_.reset();
    std::filesystem::rename(outbox.folder() / "kept", file);
    const std::scoped_lock lock(mutex_);
    settled_.clear();
  }

  EffectDispatcher& dispatcher() { return *dispatcher_; }
  shard::Effect request(shard::Effect effect) {
    auto requested = outbox.request({std::move(effect)});
    if (dispatcher_) dispatcher_->dispatch({.requested = requested, .cancelled = {}});
    return requested[0];
  }
  shard::Effect request(std::string tenant, std::string key) {
    return request(OutboxFixture::effect(std::move(tenant), std::move(key)));
  }

  std::vector<std::pair<std::string, shard::Outcome>> settled(std::size_t count) { return wait_for(settled_, count); }
  std::vector<std::string> asked_to_end(std::size_t count) { return wait_for(asked_to_end_, count); }
  std::vector<std::string> lines(std::size_t count) { return wait_for(lines_, count); }

  base::SystemClock clock;
  OutboxFixture outbox{clock};
  std::function<base::Status(const shard::Effect&)> refuse;  ///< set before start()
  bool settle_only = false;                                  ///< what is refused counts as recorded
  Perform perform_ = [](const auto&, auto, auto, auto done) { done(success()); };

 private:
  template <typename Items>
  Items wait_for(const Items& items, std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 60s, [&] { return items.size() >= count; }));
    return items;
  }

  DispatcherOptions options_;
  base::SimulatedRandom random_{1};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::string, shard::Outcome>> settled_;
  std::vector<std::string> asked_to_end_;
  std::vector<std::string> lines_;
  std::unique_ptr<TryJournal> journal_;
  std::unique_ptr<EffectDispatcher> dispatcher_;
};

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

}  // namespace
}  // namespace trv::effects
