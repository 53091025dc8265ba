#include "kernel/effects/effect_dispatcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::effects {
namespace {

using base::Duration;
using base::ErrorCode;

constexpr auto pull_again = std::chrono::seconds(1);
/// Deaths after which an effect is tried with no other such effect under way.
constexpr std::uint32_t suspect_deaths = 2;
/// Of the plugin's process during tries of one effect. Fewer than what leads to a quarantine: one input alone must not
/// take the plugin from all others.
constexpr std::uint32_t plugin_deaths_max = 2;
constexpr Duration offer_wait_max = std::chrono::seconds(5);
/// Between two looks at whether a stop has waited long enough, and between two offers meanwhile.
constexpr Duration stop_look = std::chrono::milliseconds(50);

}  // namespace

bool EffectDispatcher::Inbox::is_empty() const {
  return !stopping && pausing == 0 && !look_again && !holds && changes.empty() && ended.empty() && recorded.empty();
}

void EffectDispatcher::Inbox::clear() {
  changes.clear();
  ended.clear();
  recorded.clear();
  look_again = holds = stopping = false;
  pausing = 0;
}

template <typename Change>
void EffectDispatcher::Mailbox::post(Change change) {
  bool was_empty = false;
  {
    const std::scoped_lock lock(mutex);
    was_empty = inbox.is_empty();
    change(inbox);
  }
  if (was_empty) wake.notify_one();
}

EffectDispatcher::EffectDispatcher(DispatcherOptions options, const projection::Projection& projection,
                                   const shard::Outbox& outbox, TryJournal& journal, const base::Clock& clock,
                                   base::Random& random, DispatcherPorts ports)
    : options_(options),
      projection_(projection),
      outbox_(outbox),
      journal_(journal),
      clock_(clock),
      random_(random),
      ports_(std::move(ports)),
      concurrency_max_(options.concurrency_max),
      tries_max_(options.tries_max),
      window_(options_.window, projection, outbox) {
  TRV_EXPECTS(ports_.perform && ports_.settle && ports_.park && ports_.report);
  TRV_EXPECTS(options_.backoff_first > Duration::zero() && options_.backoff_first <= options_.backoff_max);
  TRV_EXPECTS(options_.concurrency_max > 0 && options_.tenant_concurrency_max > 0 && options_.tries_max > 0);
  TRV_EXPECTS(options_.deaths_max > suspect_deaths);
}

EffectDispatcher::~EffectDispatcher() {
  stop();
}

void EffectDispatcher::start() {
  TRV_EXPECTS(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void EffectDispatcher::begin_stop() {
  mailbox_->post([](Inbox& inbox) { inbox.stopping = true; });
}

void EffectDispatcher::stop() {
  begin_stop();
  if (!thread_.joinable()) return;
  thread_.join();
  journal_.close();
}

void EffectDispatcher::begin_pause() {
  ask_for_pause();
}

std::uint64_t EffectDispatcher::ask_for_pause() {
  const std::uint64_t number = ++pauses_asked_;
  mailbox_->post([number](Inbox& inbox) {
    inbox.pausing = std::max(inbox.pausing, number);
    inbox.look_again = false;
  });
  return number;
}

// It may live again, because it was asked to since, before this returns.
void EffectDispatcher::pause() {
  const std::uint64_t number = ask_for_pause();
  if (!thread_.joinable()) return;
  std::unique_lock lock(metrics_mutex_);
  paused_.wait(lock, [&] { return pauses_done_ >= number; });
}

void EffectDispatcher::see_pause(const Inbox& inbox) {
  pause_seen_ = std::max(pause_seen_, inbox.pausing);
}

void EffectDispatcher::note_paused(std::uint64_t pause) {
  const std::scoped_lock lock(metrics_mutex_);
  pauses_done_ = std::max(pauses_done_, pause);
  paused_.notify_all();
}

bool EffectDispatcher::hold(const base::TenantId& tenant) {
  {
    const std::scoped_lock lock(metrics_mutex_);
    const auto [held, is_new] = held_.try_emplace(tenant, false);
    if (!is_new && held->second) return true;
  }
  mailbox_->post([](Inbox& inbox) { inbox.holds = true; });
  return false;
}

void EffectDispatcher::let_go(const base::TenantId& tenant) {
  {
    const std::scoped_lock lock(metrics_mutex_);
    if (held_.erase(tenant) == 0) return;
  }
  mailbox_->post([](Inbox& inbox) { inbox.holds = true; });
}

void EffectDispatcher::look_at_held() {
  const std::scoped_lock lock(metrics_mutex_);
  no_tries_of_.clear();
  for (auto& [tenant, is_idle] : held_) {
    no_tries_of_.insert(tenant);
    is_idle = std::ranges::none_of(jobs_, [&tenant = tenant](const auto& job) {
      const State state = job.second.state;
      return job.second.effect.tenant == tenant && state != State::ready && state != State::delayed;
    });
  }
}

void EffectDispatcher::dispatch(shard::EffectChanges changes) {
  mailbox_->post([&changes](Inbox& inbox) { inbox.changes.push_back(std::move(changes)); });
}

void EffectDispatcher::look_again() {
  mailbox_->post([](Inbox& inbox) { inbox.look_again = true; });
}

void EffectDispatcher::replace_limits(std::size_t concurrency_max, std::uint32_t tries_max) noexcept {
  TRV_EXPECTS(concurrency_max > 0 && tries_max > 0);
  concurrency_max_ = concurrency_max;
  tries_max_ = tries_max;
  mailbox_->post([](Inbox&) {});
}

DispatcherMetrics EffectDispatcher::metrics() const {
  const std::scoped_lock lock(metrics_mutex_);
  return metrics_;
}

void EffectDispatcher::publish_metrics() {
  counted_.under_way = under_way_;
  counted_.waiting = jobs_.size() - under_way_ - counted_.outcomes;
  const std::scoped_lock lock(metrics_mutex_);
  metrics_ = counted_;
}

void EffectDispatcher::run() {
  bool lives = !options_.begins_paused || wait_for_life();
  while (lives) {
    live();
    forget_all();
    note_paused(pause_seen_);
    lives = !is_ending_ && wait_for_life();
  }
  note_paused(UINT64_MAX);
}

// Tries under way may end on; nobody waits for what they report.
void EffectDispatcher::forget_all() {
  for (auto& [position, job] : jobs_) {
    if (job.state == State::under_way && job.cancel) job.cancel();
    if (job.state == State::under_way) journal_.end(job.effect.position);
  }
  jobs_.clear();
  ready_.clear();
  under_way_of_.clear();
  processes_under_way_ = 0;
  suspects_.clear();
  suspect_under_way_ = false;
  alarms_.clear();
  under_way_ = 0;
  counted_.outcomes = 0;
  window_.forget();
  stop_began_.reset();
  no_tries_of_.clear();
  {
    const std::scoped_lock lock(metrics_mutex_);
    held_.clear();
  }
  ++life_;
  publish_metrics();
}

// False: it is to stop. Effects that were named meanwhile are in the outbox, of which the next life begins.
bool EffectDispatcher::wait_for_life() {
  while (!lives_again_ && !is_ending_) {
    {
      std::unique_lock lock(mailbox_->mutex);
      mailbox_->wake.wait(lock, [this] { return !mailbox_->inbox.is_empty(); });
      see_pause(mailbox_->inbox);
      lives_again_ = mailbox_->inbox.look_again;
      is_ending_ = mailbox_->inbox.stopping;
      mailbox_->inbox.clear();
    }
    note_paused(pause_seen_);
  }
  lives_again_ = false;
  return !is_ending_;
}

void EffectDispatcher::live() {
  if (const auto txn = projection_.begin_read()) {
    journal_.keep([&](const base::TenantId& tenant, record::Lsn position) {
      const auto is_pending = outbox_.is_pending(*txn, tenant, position);
      return !is_pending || *is_pending;
    });
  }
  while (!is_over()) {
    look_at_held();
    if (!stop_began_) {
      pull();
      begin_tries();
    }
    publish_metrics();
    wait();
    see_pause(inbox_);
    if (inbox_.stopping || inbox_.pausing > 0) end_soon();
    is_ending_ |= inbox_.stopping;
    if (inbox_.pausing > 0) lives_again_ = false;
    if (stop_began_ && inbox_.look_again) lives_again_ = true;
    handle_inbox();
    ring_alarms();
    TRV_ASSERT(jobs_.size() == window_.held());
  }
}

// Whatever can be recorded is, at once: an outcome that is lost is an effect performed again.
void EffectDispatcher::end_soon() {
  if (stop_began_) return;
  stop_began_ = clock_.monotonic();
  for (auto& [position, job] : jobs_) {
    if (job.state == State::refused) offer(job);
  }
}

bool EffectDispatcher::is_over() const {
  if (!stop_began_) return false;
  const Duration waited = clock_.monotonic() - *stop_began_;
  return (under_way_ == 0 || waited >= options_.stop_tries_max) &&
         (counted_.outcomes == 0 || waited >= options_.stop_outcomes_max);
}

void EffectDispatcher::wait() {
  inbox_.clear();
  std::unique_lock lock(mailbox_->mutex);
  const auto something = [this] { return !mailbox_->inbox.is_empty(); };
  Duration until = alarms_.empty() ? Duration::max() : alarms_.begin()->first;
  if (window_.wants_pull()) until = std::min(until, pull_not_before_);
  if (stop_began_) until = clock_.monotonic() + stop_look;
  if (until == Duration::max()) {
    mailbox_->wake.wait(lock, something);
  } else {
    const Duration left = until - clock_.monotonic();
    mailbox_->wake.wait_for(lock, std::clamp<Duration>(left, Duration(0), std::chrono::seconds(1)), something);
  }
  std::swap(mailbox_->inbox, inbox_);
}

void EffectDispatcher::handle_inbox() {
  for (Ended& one : inbox_.ended) {
    if (one.life == life_) end_try(std::move(one));
  }
  for (shard::EffectChanges& changes : inbox_.changes) {
    for (shard::Effect& effect : changes.requested) {
      if (window_.take(effect)) admit(std::move(effect));
    }
    for (const record::Lsn position : changes.cancelled) cancel(position);
  }
  for (const Recorded& one : inbox_.recorded) {
    if (one.life == life_) end_offer(one);
  }
  if (inbox_.look_again) window_.look_again();
}

void EffectDispatcher::pull() {
  const Duration now = clock_.monotonic();
  if (!window_.wants_pull() || now < pull_not_before_) return;
  auto pulled = window_.pull();
  if (!pulled) {
    ports_.report(fmt::format("effects that wait cannot be read: {}", pulled.error().message()));
    pull_not_before_ = now + pull_again;
    return;
  }
  for (shard::Effect& effect : *pulled) admit(std::move(effect));
}

// The effect is in the window.
void EffectDispatcher::admit(shard::Effect&& effect) {
  const std::uint64_t position = effect.position.value();
  const auto [at, is_new] = jobs_.try_emplace(position);
  TRV_ASSERT(is_new);
  Job& job = at->second;
  job.effect = std::move(effect);
  ++counted_.dispatched;
  const PastTries past = journal_.past(job.effect.position);
  job.tries = past.tries;
  job.deaths = past.deaths;
  job.first_try = clock_.monotonic();
  if (job.effect.timeout > Duration::zero()) {
    job.deadline = job.first_try + (job.effect.requested + job.effect.timeout - clock_.now());
  }
  if (job.deaths >= options_.deaths_max && job.effect.kind == "plugin") return offer(job);
  if (job.tries >= tries_max_) {
    return fail(job, ErrorCode::unavailable, fmt::format("the process ended during the last of {} tries", job.tries));
  }
  make_ready(job);
}

bool EffectDispatcher::is_suspect(const Job& job) const {
  return job.deaths >= suspect_deaths && job.effect.kind == "plugin";
}

void EffectDispatcher::make_ready(Job& job) {
  job.state = State::ready;
  if (job.deadline != Duration::max()) set_alarm(job, job.deadline);
  (is_suspect(job) ? suspects_ : ready_[line_of(job.effect)]).push_back(job.effect.position);
}

void EffectDispatcher::ring_alarms() {
  const Duration now = clock_.monotonic();
  while (!alarms_.empty() && alarms_.begin()->first <= now) {
    Job& job = jobs_.at(alarms_.begin()->second);
    clear_alarm(job);
    if (job.state == State::refused) {
      offer(job);
    } else if (job.deadline <= now) {
      fail_late(job);
    } else {
      TRV_ASSERT(job.state == State::delayed);
      make_ready(job);
    }
  }
}

// Lines are served in turn, one try each, so that a tenant with a long queue delays nobody else's next try.
void EffectDispatcher::begin_tries() {
  begin_suspect();
  std::size_t skipped = 0;
  while (under_way_ < concurrency_max_ && skipped < ready_.size()) {
    auto at = ready_.upper_bound(last_served_);
    if (at == ready_.end()) at = ready_.begin();
    last_served_ = at->first;
    skipped = begin_next_of(last_served_) ? 0 : skipped + 1;
  }
}

bool EffectDispatcher::begin_next_of(const Line& line) {
  const auto at = ready_.find(line);
  TRV_EXPECTS(at != ready_.end());
  const auto busy = under_way_of_.find(line);
  if (busy != under_way_of_.end() && busy->second >= options_.tenant_concurrency_max) return false;
  if (line.is_process && processes_under_way_ >= options_.processes_max) return false;
  if (no_tries_of_.contains(line.tenant)) return false;
  Job* const job = take_next(at->second);
  if (at->second.empty()) ready_.erase(at);
  if (job != nullptr) begin_try(*job);
  return true;
}

void EffectDispatcher::begin_suspect() {
  if (suspect_under_way_) return;
  if (Job* const job = take_next(suspects_)) {
    if (no_tries_of_.contains(job->effect.tenant)) return suspects_.push_back(job->effect.position);
    suspect_under_way_ = true;
    begin_try(*job);
  }
}

EffectDispatcher::Job* EffectDispatcher::take_next(std::deque<record::Lsn>& positions) {
  while (!positions.empty()) {
    const auto at = jobs_.find(positions.front().value());
    positions.pop_front();
    if (at == jobs_.end() || at->second.state != State::ready) continue;
    if (clock_.monotonic() < at->second.deadline) return &at->second;
    fail_late(at->second);
  }
  return nullptr;
}

void EffectDispatcher::begin_try(Job& job) {
  TRV_EXPECTS(job.state == State::ready);
  clear_alarm(job);
  const Duration now = clock_.monotonic();
  Duration left{};
  if (job.deadline != Duration::max()) left = std::max<Duration>(job.deadline - now, std::chrono::milliseconds(1));
  ++job.tries;
  job.state = State::under_way;
  ++under_way_;
  const Line line = line_of(job.effect);
  ++under_way_of_[line];
  if (line.is_process) ++processes_under_way_;
  ++counted_.tries;
  if (job.tries > 1) ++counted_.retries;
  journal_.begin(job.effect.tenant, job.effect.position);
  job.cancel =
      ports_.perform(job.effect, job.tries, left,
                     [mailbox = mailbox_, life = life_, position = job.effect.position](TryResult result) {
                       mailbox->post([&](Inbox& inbox) { inbox.ended.push_back({life, position, std::move(result)}); });
                     });
}

void EffectDispatcher::end_try(Ended ended) {
  const auto at = jobs_.find(ended.position.value());
  TRV_ASSERT(at != jobs_.end() && at->second.state == State::under_way);
  Job& job = at->second;
  journal_.end(ended.position);
  job.cancel = nullptr;
  --under_way_;
  if (is_suspect(job)) suspect_under_way_ = false;
  const auto line = under_way_of_.find(line_of(job.effect));
  TRV_ASSERT(line != under_way_of_.end() && line->second > 0);
  if (line->first.is_process) --processes_under_way_;
  if (--line->second == 0) under_way_of_.erase(line);
  if (job.cancelled) return drop(job);
  if (ended.result.plugin_died && ++job.plugin_deaths >= plugin_deaths_max && ended.result.retry) {
    // Once more would be the plugin's quarantine, which is of all its calls.
    ended.result.retry = false;
    ended.result.outcome.message =
        fmt::format("the plugin's process ended during {} tries of this call, which is not made again: {}",
                    job.plugin_deaths, ended.result.outcome.message);
  }
  if (!ended.result.outcome.ok && ended.result.retry && !job.effect.is_tried_once && job.tries < tries_max_) {
    const Duration next = clock_.monotonic() + std::max(backoff(job.tries), ended.result.retry_after);
    if (next < job.deadline) {
      job.state = State::delayed;
      return set_alarm(job, next);
    }
  }
  conclude(job, std::move(ended.result.outcome));
}

void EffectDispatcher::fail(Job& job, ErrorCode code, std::string message) {
  shard::Outcome outcome;
  outcome.code = base::to_string(code);
  outcome.message = std::move(message);
  conclude(job, std::move(outcome));
}

void EffectDispatcher::fail_late(Job& job) {
  TRV_EXPECTS(job.state == State::ready || job.state == State::delayed);
  const auto timeout_ms = std::chrono::duration_cast<std::chrono::milliseconds>(job.effect.timeout).count();
  fail(job, ErrorCode::timeout,
       fmt::format("its time of {} ms was over before {} try", timeout_ms, job.tries == 0 ? "the first" : "another"));
}

void EffectDispatcher::conclude(Job& job, shard::Outcome outcome) {
  TRV_EXPECTS(job.outcome == nullptr);
  outcome.tries = job.tries;
  outcome.duration = clock_.monotonic() - job.first_try;
  ++(outcome.ok ? counted_.succeeded : counted_.failed);
  job.outcome_bytes = outcome.output.size() + outcome.detail.size() + outcome.message.size();
  window_.grow(job.outcome_bytes);
  job.outcome = std::make_shared<const shard::Outcome>(std::move(outcome));
  offer(job);
}

void EffectDispatcher::offer(Job& job) {
  clear_alarm(job);
  if (job.state != State::refused) ++counted_.outcomes;
  job.state = State::offered;
  ++job.offers;
  auto done = [mailbox = mailbox_, life = life_, position = job.effect.position](base::Status status) {
    mailbox->post([&](Inbox& inbox) { inbox.recorded.push_back({life, position, std::move(status)}); });
  };
  if (job.outcome) {
    ports_.settle(job.effect, job.outcome, std::move(done));
  } else {
    ports_.park(job.effect, job.deaths, std::move(done));
  }
}

void EffectDispatcher::end_offer(const Recorded& recorded) {
  const auto at = jobs_.find(recorded.position.value());
  TRV_ASSERT(at != jobs_.end() && at->second.state == State::offered);
  Job& job = at->second;
  const shard::Effect& effect = job.effect;
  if (recorded.status || job.cancelled) {
    if (!job.outcome && recorded.status) {
      ++counted_.parked;
      ports_.report(fmt::format(
          "effect {} of tenant '{}' is parked: the process ended {} times during the operation '{}' of plugin '{}' {} "
          "for {} {}; mend the plugin and run 'trav effect release {}', or cancel the {}",
          effect.key, effect.tenant.value(), job.deaths, effect.operation, effect.plugin, effect.version,
          effect.stream_kind, effect.owner, shard::effect_id(effect.key), effect.stream_kind));
    }
    --counted_.outcomes;
    return drop(job);
  }
  if (std::has_single_bit(job.offers)) {
    ports_.report(fmt::format("the outcome of effect {} is not recorded yet ({} offers): {}", effect.key, job.offers,
                              recorded.status.error().message()));
  }
  job.state = State::refused;
  const Duration wait = std::min(backoff(job.offers) + options_.backoff_first, offer_wait_max);
  set_alarm(job, clock_.monotonic() + (stop_began_ ? stop_look : wait));
}

void EffectDispatcher::cancel(record::Lsn position) {
  const auto at = jobs_.find(position.value());
  if (at == jobs_.end()) return;
  Job& job = at->second;
  switch (job.state) {
    case State::offered: job.cancelled = true; break;  // the shard answers that nobody waits, or does not answer
    case State::under_way:
      job.cancelled = true;
      if (job.cancel) job.cancel();
      break;
    case State::refused: --counted_.outcomes; [[fallthrough]];
    case State::ready:
    case State::delayed: drop(job); break;
  }
}

void EffectDispatcher::drop(Job& job) {
  clear_alarm(job);
  journal_.forget(job.effect.position);
  window_.release(job.effect, job.outcome_bytes);
  jobs_.erase(job.effect.position.value());
}

void EffectDispatcher::set_alarm(Job& job, Duration at) {
  clear_alarm(job);
  job.alarm = at;
  alarms_.emplace(at, job.effect.position.value());
}

void EffectDispatcher::clear_alarm(Job& job) {
  if (job.alarm != Duration::zero()) alarms_.erase({job.alarm, job.effect.position.value()});
  job.alarm = Duration::zero();
}

// Exponential with full jitter, so that effects that failed together do not come back together.
Duration EffectDispatcher::backoff(std::uint32_t tries) {
  TRV_EXPECTS(tries >= 1);
  Duration ceiling = options_.backoff_first;
  for (std::uint32_t i = 1; i < tries && ceiling < options_.backoff_max; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, options_.backoff_max);
  return Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(ceiling.count()) + 1)));
}

}  // namespace trv::effects
