#include "kernel/effects/effect_dispatcher.hpp"

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::effects {

EffectDispatcher::EffectDispatcher(DispatcherOptions options, const base::Clock& clock, base::Random& random,
                                   Perform perform, Settle settle)
    : options_(options), clock_(clock), random_(random), perform_(std::move(perform)), settle_(std::move(settle)) {
  TRV_EXPECTS(perform_ != nullptr && settle_ != nullptr);
  TRV_EXPECTS(options_.backoff_first > base::Duration::zero() && options_.backoff_first <= options_.backoff_max);
  TRV_EXPECTS(options_.concurrency_max > 0 && options_.tenant_concurrency_max > 0 && options_.tries_max > 0);
}

EffectDispatcher::~EffectDispatcher() {
  stop();
}

void EffectDispatcher::start() {
  TRV_EXPECTS(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void EffectDispatcher::stop() {
  {
    const std::scoped_lock lock(inbox_->mutex);
    inbox_->stopping = true;
  }
  inbox_->wake.notify_all();
  if (thread_.joinable()) thread_.join();
}

void EffectDispatcher::dispatch(shard::Effect effect) {
  TRV_EXPECTS(!effect.key.empty());
  {
    const std::scoped_lock lock(inbox_->mutex);
    inbox_->arrived.push_back(std::move(effect));
  }
  inbox_->wake.notify_one();
}

DispatcherMetrics EffectDispatcher::metrics() const {
  const std::scoped_lock lock(metrics_mutex_);
  return metrics_;
}

void EffectDispatcher::run() {
  for (;;) {
    std::deque<shard::Effect> arrived;
    std::vector<Ended> ended;
    {
      std::unique_lock lock(inbox_->mutex);
      const auto something = [this] { return inbox_->stopping || !inbox_->arrived.empty() || !inbox_->ended.empty(); };
      if (delayed_.empty()) {
        inbox_->wake.wait(lock, something);
      } else {
        const base::Duration wait = delayed_.begin()->first - clock_.monotonic();
        inbox_->wake.wait_for(lock, std::clamp<base::Duration>(wait, base::Duration(0), std::chrono::seconds(1)),
                              something);
      }
      if (inbox_->stopping) return;
      arrived.swap(inbox_->arrived);
      ended.swap(inbox_->ended);
    }
    for (Ended& one : ended) end_try(std::move(one));
    for (shard::Effect& effect : arrived) admit(std::move(effect));
    const base::Duration now = clock_.monotonic();
    while (!delayed_.empty() && delayed_.begin()->first <= now) {
      const auto node = delayed_.extract(delayed_.begin());
      const Job& job = jobs_.at(node.mapped());
      ready_[job.effect.tenant].push_back(node.mapped());
    }
    begin_tries();
    const std::scoped_lock lock(metrics_mutex_);
    metrics_.under_way = under_way_;
    metrics_.waiting = jobs_.size() - under_way_;
  }
}

void EffectDispatcher::admit(shard::Effect effect) {
  const std::string key = effect.key;
  const base::TenantId tenant = effect.tenant;
  const auto [at, is_new] = jobs_.try_emplace(key, Job{.effect = std::move(effect)});
  if (!is_new) return;
  ready_[tenant].push_back(key);
  const std::scoped_lock lock(metrics_mutex_);
  ++metrics_.dispatched;
}

// Tenants are served in turn, one try each, so that a tenant with a long queue delays nobody else's next try.
void EffectDispatcher::begin_tries() {
  std::size_t skipped = 0;
  while (under_way_ < options_.concurrency_max && !ready_.empty() && skipped < ready_.size()) {
    auto at = ready_.upper_bound(last_served_);
    if (at == ready_.end()) at = ready_.begin();
    last_served_ = at->first;
    if (under_way_of_[at->first] >= options_.tenant_concurrency_max) {
      ++skipped;
      continue;
    }
    skipped = 0;
    TRV_ASSERT(!at->second.empty());
    const std::string key = std::move(at->second.front());
    at->second.pop_front();
    if (at->second.empty()) ready_.erase(at);
    begin_try(jobs_.at(key));
  }
}

void EffectDispatcher::begin_try(Job& job) {
  if (job.tries == 0) job.first_try = clock_.monotonic();
  ++job.tries;
  ++under_way_;
  ++under_way_of_[job.effect.tenant];
  TRV_ASSERT(under_way_ <= options_.concurrency_max && under_way_ <= jobs_.size());
  TRV_ASSERT(job.tries <= options_.tries_max);
  {
    const std::scoped_lock lock(metrics_mutex_);
    ++metrics_.tries;
    if (job.tries > 1) ++metrics_.retries;
  }
  perform_(job.effect, job.tries, left_of(job), [inbox = inbox_, key = job.effect.key](TryResult result) {
    {
      const std::scoped_lock lock(inbox->mutex);
      inbox->ended.push_back({key, std::move(result)});
    }
    inbox->wake.notify_one();
  });
}

void EffectDispatcher::end_try(Ended ended) {
  const auto at = jobs_.find(ended.key);
  TRV_ASSERT(at != jobs_.end());
  Job& job = at->second;
  TRV_ASSERT(under_way_ > 0 && job.tries >= 1);
  --under_way_;
  const auto tenant = under_way_of_.find(job.effect.tenant);
  TRV_ASSERT(tenant != under_way_of_.end() && tenant->second > 0);
  if (--tenant->second == 0) under_way_of_.erase(tenant);

  shard::Outcome& outcome = ended.result.outcome;
  if (!outcome.ok && ended.result.retry && job.tries < options_.tries_max) {
    const base::Duration wait = std::max(backoff(job.tries), ended.result.retry_after);
    if (job.effect.timeout.count() == 0 || wait < left_of(job)) {
      delayed_.emplace(clock_.monotonic() + wait, ended.key);
      return;
    }
  }
  outcome.tries = job.tries;
  outcome.duration = clock_.monotonic() - job.first_try;
  {
    const std::scoped_lock lock(metrics_mutex_);
    ++(outcome.ok ? metrics_.succeeded : metrics_.failed);
  }
  const shard::Effect effect = std::move(job.effect);
  jobs_.erase(at);
  settle_(effect, std::move(outcome));
}

// Exponential with full jitter, so that effects that failed together do not come back together.
base::Duration EffectDispatcher::backoff(std::uint32_t tries) {
  TRV_EXPECTS(tries >= 1);
  base::Duration ceiling = options_.backoff_first;
  for (std::uint32_t i = 1; i < tries && ceiling < options_.backoff_max; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, options_.backoff_max);
  return base::Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(ceiling.count()) + 1)));
}

base::Duration EffectDispatcher::left_of(const Job& job) const {
  if (job.effect.timeout.count() == 0) return base::Duration(0);
  const base::Duration left = job.first_try + job.effect.timeout - clock_.monotonic();
  return std::max<base::Duration>(left, std::chrono::milliseconds(1));
}

}  // namespace trv::effects
