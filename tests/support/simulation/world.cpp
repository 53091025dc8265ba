#include "tests/support/simulation/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <latch>

#include "kernel/workflow/instance/projector.hpp"
#include "sdk/base/contract.hpp"

namespace trv::simulation {
namespace {

shard::Command nothing(std::function<void()> decided, std::function<void()> done) {
  shard::Command command;
  command.tenant = base::system_tenant();
  command.actor = "kernel";
  command.decide = [decided = std::move(decided)](const lmdb::Txn&, shard::DecisionContext&) {
    if (decided) decided();
    return base::Result<shard::Decision>(shard::Decision{});
  };
  command.done = [done = std::move(done)](const base::Result<shard::Applied>&) {
    if (done) done();
  };
  return command;
}

}  // namespace

World::World(std::uint64_t seed, const std::filesystem::path& folder, std::unique_ptr<projection::Projector> extra)
    : extra_(std::move(extra)), random_(seed), correlations_(correlation_random_), correlation_random_(~seed) {
  TRV_ASSERT(state.open(folder, {}, extra_.get()).has_value());
  start();
}

// The projection names its projectors to the last, the extra one among them.
World::~World() {
  shard_.reset();
  state.projection.reset();
}

void World::start() {
  shard::ShardListeners listeners;
  listeners.effects = [this](const shard::EffectChanges& changes) {
    const std::scoped_lock lock(handed_out_mutex_);
    for (const shard::Effect& effect : changes.requested) handed_out_.insert(effect.position);
  };
  listeners.taken_over = [this] {
    const std::scoped_lock lock(handed_out_mutex_);
    found_by_owner_ = state.projection->applied().lsn;
  };
  listeners.timer = [this](const shard::Timer& timer) {
    shard::Command command;
    command.tenant = timer.tenant;
    command.actor = "kernel";
    command.decide = [this, owner = timer.owner](const lmdb::Txn& txn, shard::DecisionContext& context) {
      return instance::timer(txn, context, workflows(), *instance::instance_of_timer(owner));
    };
    command.done = [](const base::Result<shard::Applied>&) {};
    return command;
  };
  shard_ = std::make_unique<shard::ShardProcessor>(shard::ShardOptions{.shard = shard_id}, log, *state.projection,
                                                   state.timers, clock, random_, std::move(listeners));
  TRV_ASSERT(shard_->start().has_value());
}

void World::restart() {
  shard_->stop();
  claims += shard_->metrics().claims;
  shard_.reset();
  start();
}

void World::add(std::string_view tenant, Decide decide) {
  auto& one = sent.emplace_back(std::make_unique<Sent>());
  one->tenant = base::TenantId(std::string(tenant));
  one->correlation = correlations_.next(clock.now());
  shard::Command command;
  command.tenant = one->tenant;
  command.actor = "token:simulation";
  command.correlation_id = one->correlation;
  command.decide = std::move(decide);
  next_.push_back(std::move(command));
  next_sent_.push_back(one.get());
}

// The shard takes everything that waits as one batch. So it is held within an empty one until everything waits.
void World::send(const std::function<void(log::InMemoryEventLog&)>& fault) {
  std::latch answered(static_cast<std::ptrdiff_t>(next_.size()));
  hold([&] {
    for (std::size_t i = 0; i < next_.size(); ++i) {
      next_[i].done = [&answered, to = next_sent_[i]](const base::Result<shard::Applied>& outcome) {
        to->outcome = outcome;
        answered.count_down();
      };
      shard_->submit(std::move(next_[i]));
    }
    if (fault) fault(log);
  });
  answered.wait();
  next_.clear();
  next_sent_.clear();
}

void World::hold(const std::function<void()>& work) {
  std::atomic<bool> entered = false;
  std::atomic<bool> open = false;
  std::latch done(1);
  shard_->submit(nothing(
      [&] {
        entered = true;
        entered.notify_all();
        open.wait(false);
      },
      [&done] { done.count_down(); }));
  entered.wait(false);
  work();
  open = true;
  open.notify_all();
  done.wait();
}

void World::quiesce() {
  for (int round = 0; round < 100; ++round) {
    std::latch done(1);
    shard_->submit(nothing({}, [&done] { done.count_down(); }));
    done.wait();
    if (shard_->ready() && due() == 0) return;
    clock.advance(std::chrono::seconds(2));
  }
  problems.push_back(fmt::format("{} due timers are never fired", due()));
}

lmdb::ReadTxn World::read() const {
  auto txn = state.projection->begin_read();
  TRV_ASSERT(txn.has_value());
  return *std::move(txn);
}

std::size_t World::due() {
  const lmdb::ReadTxn txn = read();
  return state.timers.due(txn, clock.now(), 1000).value().size();
}

std::size_t World::timers() {
  const lmdb::ReadTxn txn = read();
  return state.timers.due(txn, base::Timestamp(INT64_MAX), 1000).value().size();
}

std::vector<shard::Effect> World::pending() {
  std::vector<shard::Effect> effects;
  const lmdb::ReadTxn txn = read();
  for (auto tenant = state.outbox.tenant_behind(txn, {}).value(); tenant;
       tenant = state.outbox.tenant_behind(txn, tenant->value()).value()) {
    std::ranges::move(state.outbox.pending(txn, *tenant, log::Lsn(0), 10'000).value(), std::back_inserter(effects));
  }
  return effects;
}

std::vector<log::Lsn> World::forgotten() {
  std::vector<log::Lsn> positions;
  const std::vector<shard::Effect> effects = pending();
  const std::scoped_lock lock(handed_out_mutex_);
  for (const shard::Effect& effect : effects) {
    if (effect.position > found_by_owner_ && !handed_out_.contains(effect.position)) {
      positions.push_back(effect.position);
    }
  }
  return positions;
}

}  // namespace trv::simulation
