#include "tests/support/simulation/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <latch>

#include "kernel/workflow/instance/projector.hpp"
#include "sdk/base/contract.hpp"
#include "tests/support/simulation/hasty_projector.hpp"

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

World::World(const WorldOptions& options, log::InMemoryEventLog& log, std::unique_ptr<projection::Projector> extra)
    : options_(options),
      log_(log, options.bug == Bug::torn_decision_is_read ? Bug::none : options.bug),
      extra_(std::move(extra)),
      random_(options.seed),
      correlations_(correlation_random_),
      correlation_random_(~options.seed) {
  if (options_.bug == Bug::effect_before_durable) {
    TRV_EXPECTS(extra_ == nullptr);
    extra_ = std::make_unique<HastyProjector>([this](shard::Effect effect) { hand_out(std::move(effect)); });
  }
  TRV_ASSERT(state.open(options_.shard, options_.folder, {}, extra_.get()).has_value());
  start();
}

// The projection names its projectors to the last, the extra one among them.
World::~World() {
  shard_.reset();
  state.projection.reset();
}

// On the shard's thread, as a dispatcher would get it.
void World::hand_out(shard::Effect effect) {
  const auto bounds = log_.bounds(options_.shard);
  const std::scoped_lock lock(handed_out_mutex_);
  if (!bounds || bounds->last < effect.position)
    handed_out_problems_.push_back("an effect was handed out before it was durable: " + effect.key);
  handed_out_.push_back(std::move(effect));
}

std::vector<shard::Effect> World::take_handed_out() {
  const std::scoped_lock lock(handed_out_mutex_);
  for (std::string& problem : std::exchange(handed_out_problems_, {})) problems.push_back(std::move(problem));
  return std::exchange(handed_out_, {});
}

void World::start() {
  shard::ShardListeners listeners;
  listeners.effects = [this](const shard::EffectChanges& changes) {
    if (options_.bug == Bug::effect_before_durable) return;
    for (const shard::Effect& effect : changes.requested) hand_out(effect);
  };
  listeners.taken_over = [this] {
    for (const shard::Effect& effect : pending()) hand_out(effect);
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
  shard_ =
      std::make_unique<shard::ShardProcessor>(shard::ShardOptions{.shard = options_.shard}, log_, *state.projection,
                                              state.timers, clock, random_, std::move(listeners));
  TRV_ASSERT(shard_->start().has_value());
}

void World::restart() {
  shard_->stop();
  claims += shard_->metrics().claims;
  shard_.reset();
  start();
}

Sent& World::add(std::string_view tenant, Decide decide) {
  auto& one = sent.emplace_back(std::make_unique<Sent>());
  one->tenant = base::TenantId(std::string(tenant));
  one->correlation = correlations_.next(clock.now());
  shard::Command command;
  command.tenant = one->tenant;
  command.actor = "token:simulation";
  command.correlation_id = one->correlation;
  command.decide = [this, decide = std::move(decide)](const lmdb::Txn& txn, shard::DecisionContext& context) {
    if (options_.bug == Bug::decision_reads_the_clock) context.now = clock.now();
    return decide(txn, context);
  };
  next_.push_back(std::move(command));
  next_sent_.push_back(one.get());
  return *one;
}

// The shard takes everything that waits as one batch. So it is held within an empty one until everything waits.
void World::send(const std::function<void()>& fault) {
  std::latch answered(static_cast<std::ptrdiff_t>(next_.size()));
  hold([&] {
    for (std::size_t i = 0; i < next_.size(); ++i) {
      next_[i].done = [&answered, to = next_sent_[i]](const base::Result<shard::Applied>& outcome) {
        to->outcome = outcome;
        answered.count_down();
      };
      shard_->submit(std::move(next_[i]));
    }
    if (fault) fault();
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
    if (shard_->ready() && due() == 0) {
      // Until the batch of the last timer is over: what it committed is handed out.
      hold([] {});
      return;
    }
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

}  // namespace trv::simulation
