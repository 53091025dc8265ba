#pragma once
// One shard on the embedded log with every projector, composed as kernel/daemon/kernel.cpp does, without plugins and
// HTTP.

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "bench/report.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "kernel/node/shard_stores.hpp"
#include "kernel/shard/shard_processor.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "kernel/workflow/instance/decisions.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::bench {

inline constexpr log::ShardId only_shard{0};

/// submit() from one thread.
class ShardUnderTest {
 public:
  explicit ShardUnderTest(const std::filesystem::path& folder)
      : ShardUnderTest(folder / "projection", open_log(folder), only_shard) {}
  /// One of several on the same log.
  ShardUnderTest(const std::filesystem::path& projection_folder, std::shared_ptr<log::LmdbEventLog> log,
                 log::ShardId id)
      : log_(std::move(log)) {
    must(stores_.open({.id = id, .folder = projection_folder, .map_bytes = map_bytes}));
    shard::ShardListeners listeners;
    listeners.effects = [this](shard::EffectChanges changes) {
      if (hand_over_effects_) return hand_over_effects_(std::move(changes));
      for (const shard::Effect& effect : changes.requested) answer(effect);
    };
    listeners.timer = [this](const shard::Timer& timer) -> shard::Command {
      if (!fires_timers_) give_up("a timer is due that no benchmark set");
      shard::Command command = instance::timer_command(decision_state(), timer);
      command.done = [](const base::Result<shard::Applied>& outcome) {
        if (!outcome) give_up(outcome.error().message());
      };
      return command;
    };
    shard::ShardOptions options_of_shard;
    options_of_shard.shard = id;
    shard_ = std::make_unique<shard::ShardProcessor>(options_of_shard, *log_, *stores_.projection, stores_.timers,
                                                     clock_, random_, std::move(listeners));
    must(shard_->start());
    create_tenants();
  }
  ~ShardUnderTest() { shard_->stop(); }
  ShardUnderTest(const ShardUnderTest&) = delete;
  ShardUnderTest& operator=(const ShardUnderTest&) = delete;

  [[nodiscard]] static std::shared_ptr<log::LmdbEventLog> open_log(const std::filesystem::path& folder) {
    return must(log::LmdbEventLog::open(folder / "log", {.map_bytes = map_bytes, .shards_max = 256}));
  }

  template <typename Decide>
  void submit(Decide decide) {
    submit(tenant_, std::move(decide));
  }
  /// Until everything submitted is durable and projected.
  void drain() { wait_until_open(0); }

  /// Processor time of the shard's thread so far. Only while it is idle.
  [[nodiscard]] double cpu() {
    std::atomic<double> seconds{-1};
    shard::Command command;
    command.tenant = tenant_;
    command.actor = "kernel";
    command.decide = [](const lmdb::Txn&, shard::DecisionContext&) -> base::Result<shard::Decision> {
      return shard::Decision{};
    };
    command.done = [&seconds](const base::Result<shard::Applied>&) { seconds = cpu_seconds(); };
    shard_->submit(std::move(command));
    while (seconds < 0) pause();
    return seconds;
  }

  [[nodiscard]] instance::Workflows decision_state() {
    return {stores_.workflows.tables(), definitions_, stores_.outbox};
  }
  void apply_definition(std::string text) {
    submit([this, command = must(instance::ApplyDefinition::compile(std::move(text)))](
               const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
      TRV_TRY_ASSIGN(auto applied, instance::apply_definition(state, context, decision_state(), command));
      return std::move(applied.decision);
    });
    drain();
  }
  /// `started` is called on the shard's thread with the instance's id, before its effects leave.
  template <typename Started>
  void start_instance(const char* name, Started started) {
    submit([this, name, started](const lmdb::Txn& state,
                                 shard::DecisionContext& context) -> base::Result<shard::Decision> {
      TRV_TRY_ASSIGN(auto it, instance::start(state, context, decision_state(),
                                              {.space = "bench", .name = name, .version = {}, .input = {}}));
      started(it.instance.to_string());
      return std::move(it.decision);
    });
  }
  void start_instance(const char* name) {
    start_instance(name, [](const std::string&) {});
  }

  /// Of instances that compute longer than a decision may, and go on in the next one. Before they start.
  void fire_timers() { fires_timers_ = true; }

  /// Whether an instance has not ended yet. Any thread.
  [[nodiscard]] bool is_under_way(const std::string& id) {
    const auto txn = must(stores_.projection->begin_read());
    const instance::InstanceStore instances(stores_.workflows.tables());
    const auto found = must(instances.load(txn, tenant_, *base::Uuid::parse(id)));
    return !found || found->state.status == instance::Status::running;
  }

  /// What every effect is answered with from now on; one that nobody answers stays pending. Only while the shard is
  /// idle.
  void answer_effects_with(std::string output) { answer_ = std::move(output); }

  /// Who gets the effects instead, on the shard's thread. Only while the shard is idle.
  void hand_effects_to(std::function<void(shard::EffectChanges)> take) { hand_over_effects_ = std::move(take); }
  /// Answers one that somebody else got. From the thread that submits.
  void settle(const shard::Effect& effect) { submit(effect.tenant, outcome_of(effect)); }
  /// As it is: not counted as under way.
  void submit_outcome(shard::Command command) { shard_->submit(std::move(command)); }

  [[nodiscard]] const node::ShardStores& stores() const { return stores_; }
  [[nodiscard]] const projection::Projection& projection() const { return *stores_.projection; }
  [[nodiscard]] shard::ShardMetrics metrics() const { return shard_->metrics(); }

 private:
  static constexpr std::uint64_t map_bytes = std::uint64_t{64} << 30;
  static constexpr std::uint64_t in_flight_max = 16'384;

  // As in every daemon: the keys of the system tenant come after those of "acme".
  void create_tenants() {
    for (const base::TenantId& id : {base::system_tenant(), tenant_}) {
      submit(id, [this, id](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(const bool existing, stores_.tenancy.is_here(state, id));
        if (existing) return shard::Decision{};
        return tenancy::decide(stores_.tenancy, state, context,
                               tenancy::CreateTenant{.id = id, .display_name = "A tenant"});
      });
    }
    drain();
  }

  [[nodiscard]] std::function<base::Result<shard::Decision>(const lmdb::Txn&, shard::DecisionContext&)> outcome_of(
      const shard::Effect& effect) {
    return [this, key = effect.key](const lmdb::Txn& state,
                                    shard::DecisionContext& context) -> base::Result<shard::Decision> {
      shard::Outcome outcome;
      outcome.ok = true;
      outcome.status = 200;
      outcome.output = answer_;
      outcome.duration = std::chrono::milliseconds(3);
      TRV_TRY_ASSIGN(auto settled, instance::outcome(state, context, decision_state(), key, outcome));
      return std::move(settled.decision);
    };
  }

  // On the shard's thread, which does not wait for itself.
  void answer(const shard::Effect& effect) {
    if (!answer_.empty()) hand_over(effect.tenant, outcome_of(effect));
  }

  template <typename Decide>
  void submit(const base::TenantId& tenant, Decide decide) {
    wait_until_open(in_flight_max - 1);
    hand_over(tenant, std::move(decide));
  }

  template <typename Decide>
  void hand_over(const base::TenantId& tenant, Decide decide) {
    in_flight_.fetch_add(1, std::memory_order_relaxed);
    shard::Command command;
    command.tenant = tenant;
    command.actor = "member:ada";
    command.decide = std::move(decide);
    command.done = [this](const base::Result<shard::Applied>& outcome) {
      if (!outcome) give_up(outcome.error().message());
      in_flight_.fetch_sub(1, std::memory_order_release);
    };
    shard_->submit(std::move(command));
  }

  static void pause() { std::this_thread::sleep_for(std::chrono::microseconds(200)); }
  void wait_until_open(std::uint64_t in_flight) {
    while (in_flight_.load(std::memory_order_acquire) > in_flight) pause();
  }

  base::TenantId tenant_{"acme"};
  base::SystemClock clock_;
  base::SystemRandom random_;
  std::shared_ptr<log::LmdbEventLog> log_;
  node::ShardStores stores_;
  instance::DefinitionCache definitions_;
  std::atomic<bool> fires_timers_{false};
  std::string answer_;  ///< empty: none
  std::function<void(shard::EffectChanges)> hand_over_effects_;
  std::atomic<std::uint64_t> in_flight_{0};
  std::unique_ptr<shard::ShardProcessor> shard_;
};

/// A piece of work: how long it took, the processor time of the shard's thread and the records that it made.
struct Run {
  double wall_seconds = 0;
  double cpu_seconds = 0;
  double records = 0;
};

template <typename Submit>
[[nodiscard]] Run timed(ShardUnderTest& shard, std::uint64_t count, Submit submit) {
  const double cpu_before = shard.cpu();
  const std::uint64_t records_before = shard.metrics().records;
  const Stopwatch watch;
  for (std::uint64_t i = 0; i < count; ++i) submit(i);
  shard.drain();
  const double wall = watch.seconds();
  return {wall, shard.cpu() - cpu_before, static_cast<double>(shard.metrics().records - records_before)};
}

}  // namespace trv::bench
