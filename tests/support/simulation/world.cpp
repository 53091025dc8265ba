#include "tests/support/simulation/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <latch>

#include "sdk/base/contract.hpp"
#include "tests/support/simulation/hasty_projector.hpp"
#include "tests/support/simulation/rows.hpp"

namespace trv::simulation {
namespace {

constexpr int rounds_to_rest = 3;

/// What is left to do between two batches.
struct Rest {
  std::vector<shard::Timer> timers;  ///< that are due
  std::uint64_t applied_lsn = 0;
  std::uint64_t claims = 0;
  bool operator==(const Rest&) const = default;
};

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
  start();
}

// The projection names its projectors to the last, the extra one among them.
World::~World() {
  shard_.reset();
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
  auto opened = node::Shard::open({.id = options_.shard,
                                   .folder = options_.folder,
                                   .map_bytes = map_bytes,
                                   .last_projector = extra_.get(),
                                   .aside = node::Aside::own_thread},
                                  log_, blobs_, catalog_, clock_, random_);
  TRV_ASSERT(opened.has_value());
  shard_ = *std::move(opened);
  time_ = std::max(clock_.now(), projection().applied().time);
  node::ShardObserver observer;
  observer.effects = [this](const shard::EffectChanges& changes) {
    if (options_.bug == Bug::effect_before_durable) return;
    for (const shard::Effect& effect : changes.requested) hand_out(effect);
  };
  observer.taken_over = [this] {
    for (const shard::Effect& effect : pending()) hand_out(effect);
  };
  observer.failed = [](const base::Error&) {};
  TRV_ASSERT(shard_->start(std::move(observer)).has_value());
}

// Where nothing is under way: an end amidst a batch would come at a moment of real time.
void World::restart() {
  quiesce();
  TRV_ASSERT(shard_->stop().has_value());
  claims += shard_->metrics().claims;
  shard_.reset();
  start();
}

Sent& World::add(std::string_view tenant, Decide decide) {
  auto& one = sent.emplace_back(std::make_unique<Sent>());
  one->tenant = base::TenantId(std::string(tenant));
  one->correlation = correlations_.next(clock_.now());
  shard::Command command;
  command.tenant = one->tenant;
  command.actor = "token:simulation";
  command.correlation_id = one->correlation;
  command.decide = [this, decide = std::move(decide)](const lmdb::Txn& txn, shard::DecisionContext& context) {
    if (options_.bug == Bug::decision_reads_the_clock) context.now = clock_.now();
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

// The clock moves only while the shard's thread is held: so what is done, and at which time, does not depend on when
// that thread looks. A due timer may be part of the very batch that holds the thread, or of the next one where the
// batch before failed. So time goes on for it only where rounds have changed nothing: then its decision has left it,
// and it is asked for again a second later.
void World::quiesce(const std::function<void()>& then) {
  Rest before;
  int unchanged = 0;
  for (int round = 0; round < 1'000; ++round) {
    if (!shard_->metrics().owner) {
      std::latch done(1);
      shard_->submit(nothing({}, [&done] { done.count_down(); }));
      done.wait();
      continue;
    }
    Rest now;
    hold([&] {
      const shard::ShardMetrics metrics = shard_->metrics();
      now = {.timers = due(), .applied_lsn = metrics.applied_lsn, .claims = metrics.claims};
      unchanged = now == before ? unchanged + 1 : 0;
      if (!now.timers.empty() && unchanged == rounds_to_rest) {
        unchanged = 0;
        clock_.advance(std::chrono::seconds(2));
      }
      if (now.timers.empty() && then) then();
    });
    if (now.timers.empty()) return;
    before = std::move(now);
  }
  problems.push_back(fmt::format("{} due timers are never fired", before.timers.size()));
}

void World::move_clock(base::Duration elapsed, base::Duration step) {
  quiesce([&] {
    clock_.advance(elapsed);
    clock_.step(step);
  });
}

lmdb::ReadTxn World::read() const {
  auto txn = shard_->begin_read();
  TRV_ASSERT(txn.has_value());
  return *std::move(txn);
}

std::vector<shard::Timer> World::due() {
  const base::Duration elapsed = clock_.monotonic() - std::exchange(read_at_, clock_.monotonic());
  time_ = std::max(clock_.now(), time_ + elapsed);
  return stores().timers.due(read(), time_, 1000).value();
}

std::size_t World::timers() const {
  const auto all = stores().timers.due(read(), base::Timestamp(INT64_MAX), 1000).value();
  return static_cast<std::size_t>(
      std::ranges::count_if(all, [](const shard::Timer& one) { return one.owner != retention::timer_owner; }));
}

std::vector<shard::Effect> World::pending() {
  std::vector<shard::Effect> effects;
  const lmdb::ReadTxn txn = read();
  for (auto tenant = stores().outbox.tenant_behind(txn, {}).value(); tenant;
       tenant = stores().outbox.tenant_behind(txn, tenant->value()).value()) {
    std::ranges::move(stores().outbox.pending(txn, *tenant, log::Lsn(0), 10'000).value(), std::back_inserter(effects));
  }
  return effects;
}

}  // namespace trv::simulation
