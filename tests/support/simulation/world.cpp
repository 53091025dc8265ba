#include "tests/support/simulation/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <latch>
#include <thread>

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

/// `done` is given whether it was decided.
shard::Command nothing(std::function<void()> decided, std::function<void(bool)> done) {
  shard::Command command;
  command.tenant = base::system_tenant();
  command.actor = "kernel";
  command.decide = [decided = std::move(decided)](const lmdb::Txn&, shard::DecisionContext&) {
    if (decided) decided();
    return base::Result<shard::Decision>(shard::Decision{});
  };
  command.done = [done = std::move(done)](const base::Result<shard::Applied>& outcome) { done(outcome.has_value()); };
  return command;
}

/// A planted bug: the event asks for its effect by `key`, which is as long as its own.
void ask_by(record::Draft& event, const std::string& own, const std::string& key) {
  const auto at = std::ranges::search(event.payload, base::as_bytes(own)).begin();
  TRV_ASSERT(at != event.payload.end() && own.size() == key.size());
  std::ranges::copy(base::as_bytes(key), at);
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
  if (!bounds || bounds->last < effect.position)
    add_problem("an effect was handed out before it was durable: " + effect.key);
  const std::scoped_lock lock(seen_mutex_);
  handed_out_.push_back(std::move(effect));
}

std::vector<shard::Effect> World::take_handed_out() {
  const std::scoped_lock lock(seen_mutex_);
  return std::exchange(handed_out_, {});
}

void World::add_problem(std::string problem) {
  const std::scoped_lock lock(seen_mutex_);
  problems_.push_back(std::move(problem));
}

bool World::has_problem() {
  const std::scoped_lock lock(seen_mutex_);
  return !problems_.empty();
}

std::vector<std::string> World::take_problems() {
  const std::scoped_lock lock(seen_mutex_);
  return std::exchange(problems_, {});
}

log::Epoch World::epoch() const {
  const std::scoped_lock lock(seen_mutex_);
  return epoch_;
}

bool World::take_ceded() {
  const std::scoped_lock lock(seen_mutex_);
  return std::exchange(is_ceded_, false);
}

base::Status World::open() {
  TRV_TRY_ASSIGN(shard_, node::Shard::open({.id = options_.shard,
                                            .folder = options_.folder,
                                            .map_bytes = map_bytes,
                                            .snapshots = options_.snapshots,
                                            .append_bytes = options_.seed % 2 == 0 ? 1U : 4096U,
                                            .last_projector = extra_.get(),
                                            .aside = node::Aside::own_thread,
                                            .ownership = options_.ownership},
                                           log_, blobs_, catalog_, clock_, random_));
  return {};
}

void World::start() {
  base::Status opened = open();
  if (!opened) {
    // What a planted bug has made of it.
    add_problem(opened.error().message());
    std::filesystem::remove_all(options_.folder);
    opened = open();
  }
  TRV_ASSERT(opened.has_value());
  time_ = std::max(clock_.now(), projection().applied().time);
  node::ShardObserver observer;
  observer.effects = [this](const shard::EffectChanges& changes) {
    if (options_.bug == Bug::effect_before_durable) return;
    for (const shard::Effect& effect : changes.requested) hand_out(effect);
  };
  observer.taken_over = [this] {
    for (const shard::Effect& effect : pending()) hand_out(effect);
  };
  observer.claimed = [this](const log::Claim& claim) {
    const std::scoped_lock lock(seen_mutex_);
    epoch_ = claim.epoch;
    claimed_at_ = projection().applied().time;
  };
  observer.ceded = [this] {
    log_.begin_to_follow();
    const std::scoped_lock lock(seen_mutex_);
    is_ceded_ = true;
    handed_out_.clear();
  };
  observer.committed = [this](log::ShardId, log::Lsn) {
    if (options_.bug == Bug::applied_before_appended) taken_ = log_.catch_up_with_answers();
  };
  observer.failed = [this](const base::Error& error) {
    if (error.code() == base::ErrorCode::corrupt) add_problem(error.message());
  };
  if (const auto started = shard_->start(std::move(observer)); !started) add_problem(started.error().message());
}

// Where nothing is under way: an end amidst a batch would come at a moment of real time.
void World::restart(Found found) {
  quiesce();
  const std::filesystem::path older = options_.folder.string() + ".older";
  TRV_ASSERT(shard_->stop().has_value());
  claims_ += shard_->metrics().claims;
  shard_.reset();
  epoch_ = log::Epoch(0);
  handed_out_.clear();
  if (options_.ownership == shard::Ownership::assigned) {
    using std::filesystem::copy_options;
    const bool has_older = std::filesystem::exists(older);
    if (found == Found::nothing || (found == Found::older_state && has_older))
      std::filesystem::remove_all(options_.folder);
    if (found == Found::older_state && has_older) std::filesystem::rename(older, options_.folder);
    if (found == Found::its_state && !has_older) std::filesystem::copy(options_.folder, older, copy_options::recursive);
  }
  start();
}

void World::own() {
  const std::uint64_t before = shard_->metrics().claims;
  shard_->own();
  // A timer that is due then may lose it at once.
  await([&] { return owns() || shard_->metrics().claims > before; }, "does not claim the shard that it is assigned");
  quiesce();
}

void World::cede() {
  shard_->cede();
  await([this] { return shard_->follows(); }, "does not follow the shard that it has ceded");
}

void World::await(log::Lsn lsn) {
  await(
      [&] {
        const auto applied = projection().committed();
        return applied && applied->lsn >= lsn;
      },
      fmt::format("does not follow up to lsn {}", lsn.value()));
}

bool World::await(const std::function<bool()>& condition, std::string_view what) {
  constexpr auto pause = std::chrono::microseconds(200);
  constexpr auto patience = std::chrono::seconds(60);
  const base::SystemClock real;
  const base::Duration deadline = real.monotonic() + patience;
  while (!condition()) {
    if (has_problem()) return false;
    if (real.monotonic() > deadline) {
      const shard::ShardMetrics is = shard_->metrics();
      add_problem(fmt::format("it {} (owns it: {}, follows: {}, {} claims, lsn {})", what, is.owner, shard_->follows(),
                              is.claims, is.applied_lsn));
      return false;
    }
    std::this_thread::sleep_for(pause);
  }
  return true;
}

Sent& World::add(std::string_view tenant, Decide decide) {
  auto& one = sent.emplace_back(std::make_unique<Sent>());
  one->tenant = base::TenantId(std::string(tenant));
  one->correlation = correlations_.next(clock_.now());
  shard::Command command;
  command.tenant = one->tenant;
  command.actor = "token:simulation";
  command.correlation_id = one->correlation;
  command.decide = [this, wanted = std::move(decide)](const lmdb::Txn& txn, shard::DecisionContext& context) {
    return this->decide(wanted, txn, context);
  };
  next_.push_back(std::move(command));
  next_sent_.push_back(one.get());
  return *one;
}

base::Result<shard::Decision> World::decide(const Decide& wanted, const lmdb::Txn& txn,
                                            shard::DecisionContext& context) {
  if (options_.bug == Bug::decision_reads_the_clock) context.now = clock_.now();
  auto decision = wanted(*this, txn, context);
  if (!decision || options_.bug != Bug::effect_key_reused) return decision;
  for (shard::RequestedEffect& requested : decision->effects) {
    const std::string own = requested.effect.key;
    const std::string& first = first_keys_.emplace(own.substr(0, own.rfind('/')), own).first->second;
    if (first.size() != own.size()) continue;
    ask_by(decision->events[requested.event], own, first);
    requested.effect.key = first;
  }
  return decision;
}

// A planted bug: what it would have decided is the answer.
void World::answer_as_standby() {
  const lmdb::ReadTxn state = read();
  const log::Lsn applied = projection().committed().value().lsn;
  for (std::size_t i = 0; i < next_.size(); ++i) {
    base::SimulatedRandom random(i);
    base::UuidSource ids(random);
    shard::DecisionContext context{.tenant = next_[i].tenant,
                                   .actor = next_[i].actor,
                                   .now = clock_.now(),
                                   .ids = ids,
                                   .causation_id = {},
                                   .correlation_id = next_[i].correlation_id,
                                   .traceparent = {}};
    const auto decision = next_[i].decide(state, context);
    if (decision) {
      next_sent_[i]->outcome =
          shard::Applied{.first = applied.next(), .last = log::Lsn(applied.value() + decision->events.size())};
    } else {
      next_sent_[i]->outcome = base::fail(decision.error());
    }
  }
  next_.clear();
  next_sent_.clear();
}

// The shard takes everything that waits as one batch. So it is held within an empty one until everything waits.
void World::send(const std::function<void()>& fault) {
  if (options_.bug == Bug::standby_answers_writes && !owns()) return answer_as_standby();
  std::latch answered(static_cast<std::ptrdiff_t>(next_.size()));
  const auto submit = [&] {
    for (std::size_t i = 0; i < next_.size(); ++i) {
      next_[i].done = [this, &answered, to = next_sent_[i]](const base::Result<shard::Applied>& outcome) {
        to->outcome = outcome;
        if (outcome && !taken_) to->outcome = base::fail(base::ErrorCode::lost, taken_.error().message());
        answered.count_down();
      };
      shard_->submit(std::move(next_[i]));
    }
    if (fault) fault();
  };
  if (!hold(submit)) submit();
  answered.wait();
  next_.clear();
  next_sent_.clear();
}

bool World::hold(const std::function<void()>& work) {
  enum State : std::uint8_t { waits, is_held, is_refused };
  std::atomic<State> state = waits;
  std::atomic<bool> open = false;
  std::latch done(1);
  shard_->submit(nothing(
      [&] {
        state = is_held;
        state.notify_all();
        open.wait(false);
      },
      [&](bool) {
        if (state == waits) state = is_refused;
        state.notify_all();
        done.count_down();
      }));
  state.wait(waits);
  if (state == is_held) work();
  open = true;
  open.notify_all();
  done.wait();
  return state == is_held;
}

// The clock moves only while the shard's thread is held: so what is done, and at which time, does not depend on when
// that thread looks. A due timer may be part of the very batch that holds the thread, or of the next one where the
// batch before failed. So time goes on for it only where rounds have changed nothing: then its decision has left it,
// and it is asked for again a second later.
void World::quiesce(const std::function<void()>& then) {
  (void)log_.catch_up_with_answers();
  Rest before;
  int unchanged = 0;
  for (int round = 0; round < 1'000; ++round) {
    if (has_problem()) return;
    if (!owns()) {
      std::latch done(1);
      bool is_decided = false;
      shard_->submit(nothing({}, [&](bool decided) {
        is_decided = decided;
        done.count_down();
      }));
      done.wait();
      if (is_decided || options_.ownership == shard::Ownership::sole) continue;
      if (!await([this] { return shard_->follows(); }, "neither owns its shard nor follows it")) return;
      if (then) then();
      return;
    }
    Rest now;
    const bool is_held = hold([&] {
      const shard::ShardMetrics metrics = shard_->metrics();
      now = {.timers = due(), .applied_lsn = metrics.applied_lsn, .claims = metrics.claims};
      unchanged = now == before ? unchanged + 1 : 0;
      if (!now.timers.empty() && unchanged == rounds_to_rest) {
        unchanged = 0;
        clock_.advance(std::chrono::seconds(2));
      }
      if (now.timers.empty() && then) then();
    });
    if (is_held && now.timers.empty()) return;
    before = std::move(now);
  }
  add_problem(fmt::format("{} due timers are never fired", before.timers.size()));
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
  {
    const std::scoped_lock lock(seen_mutex_);
    time_ = std::max({clock_.now(), time_ + elapsed, claimed_at_});
  }
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
