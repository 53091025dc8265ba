#pragma once
// A shard on real files, for tests of the processor.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <map>

#include "events/log/in_memory_event_log.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "kernel/shard/outbox.hpp"
#include "kernel/shard/shard_processor.hpp"

namespace trv::shard::testing {

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

/// A shard on a fresh folder, with the real embedded log.
class ShardTest : public ::testing::Test {
 protected:
  ShardTest() {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              (std::string("shard_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
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
    projection_ = *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30},
                                                log::ShardId(0), {&timers_, &outbox_, &counts_});
  }
  void start(ShardOptions options = {}) {
    if (!log_) open();
    ShardListeners listeners;
    listeners.effects = [this](EffectChanges changes) {
      const std::scoped_lock lock(mutex_);
      std::ranges::move(changes.requested, std::back_inserter(effects_));
      std::ranges::copy(changes.cancelled, std::back_inserter(cancelled_));
    };
    listeners.taken_over = [this] { ++taken_over_; };
    listeners.timer = [this](const Timer& timer) {
      ++timers_asked_;
      Command command = event_command(timer.tenant.value(), timer_answer_, "woken");
      command.decide = [this, decide = std::move(command.decide)](
                           const lmdb::Txn& txn, DecisionContext& context) mutable -> base::Result<Decision> {
        if (during_timer_) during_timer_();
        if (lacks_something_) {
          *context.prepare = [](const lmdb::Txn&) {};
          return base::fail(base::ErrorCode::unavailable, "something is not there yet");
        }
        return decide(txn, context);
      };
      return command;
    };
    listeners.prepare = prepare_;
    listeners.committed = [this](log::Lsn last) { committed_ = last.value(); };
    shard_ =
        std::make_unique<ShardProcessor>(options, *log_, *projection_, timers_, clock_, random_, std::move(listeners));
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
  std::vector<log::Lsn> cancelled_;
  std::atomic<int> taken_over_ = 0;
  std::atomic<int> timers_asked_ = 0;
  std::string timer_answer_ = "test.woken";
  std::function<void()> during_timer_;
  std::function<void(Command, Preparation)> prepare_;
  std::atomic<bool> lacks_something_ = false;  ///< the decision of a timer
  std::atomic<std::uint64_t> committed_ = 0;
};

}  // namespace trv::shard::testing
