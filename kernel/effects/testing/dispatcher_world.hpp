#pragma once
// A dispatcher with everything around it, for tests.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/effects/testing/outbox_fixture.hpp"

namespace trv::effects::testing {

using namespace std::chrono_literals;

inline TryResult success(std::string output = "{}") {
  TryResult result;
  result.outcome.ok = true;
  result.outcome.output = std::move(output);
  return result;
}

inline TryResult failure(bool retry, base::Duration retry_after = {}) {
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

}  // namespace trv::effects::testing
