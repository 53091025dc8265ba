#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "kernel/effects/performers.hpp"

namespace trv::effects {
namespace {

TryResult refused(const base::Error& error) {
  TryResult result;
  result.outcome.code = base::to_string(error.code());
  result.outcome.message = error.message();
  result.retry = error.code() == base::ErrorCode::unavailable || error.code() == base::ErrorCode::exhausted;
  return result;
}

/// The tenant's versions and what to type, for an effect whose version is none of them.
base::Error not_granted(const std::vector<tenancy::Grant>& enabled, const shard::Effect& effect) {
  if (enabled.empty()) {
    return {base::ErrorCode::denied,
            fmt::format("plugin '{}' is not enabled for tenant '{}'", effect.plugin, effect.tenant.value())};
  }
  std::vector<std::string> names;
  for (const tenancy::Grant& grant : enabled) names.push_back(grant.version + (grant.is_current ? " (current)" : ""));
  return {base::ErrorCode::denied,
          fmt::format("tenant '{}' has enabled {} of plugin '{}', not {}; enable it beside: trav plugin enable {} {}",
                      effect.tenant.value(), fmt::join(names, ", "), effect.plugin, effect.version, effect.plugin,
                      effect.version)};
}

/// Where a call goes, and what the tenant has set there.
struct Destination {
  std::string version;
  std::optional<std::string> configuration;
};

/// Of an effect that names no version, the current one.
base::Result<Destination> destination_of(const projection::Projection& projection, const tenancy::TenancyStore& tenancy,
                                         const shard::Effect& effect) {
  TRV_TRY_ASSIGN(const auto txn, projection.begin_read());
  TRV_TRY_ASSIGN(const auto grant, tenancy.grant(txn, effect.tenant, effect.plugin, effect.version));
  if (!grant) {
    TRV_TRY_ASSIGN(const auto enabled, tenancy.versions(txn, effect.tenant, effect.plugin));
    return base::fail(not_granted(enabled, effect));
  }
  if (grant->quarantine) return base::fail(tenancy::in_quarantine(effect.tenant, *grant));
  TRV_TRY_ASSIGN(auto configuration, tenancy.configuration(txn, effect.tenant, effect.plugin, grant->version));
  return Destination{grant->version, configuration ? std::optional(std::move(configuration->json)) : std::nullopt};
}

/// Where calls are begun.
struct Place {
  plugin_host::PluginHost& plugins;
  const projection::Projection& projection;
  const tenancy::TenancyStore& tenancy;
};

CancelTry begin_call(const Place& place, const shard::Effect& effect, base::Duration left, TryDone done) {
  auto destination = destination_of(place.projection, place.tenancy, effect);
  if (!destination) {
    done(refused(destination.error()));
    return {};
  }
  plugin_host::OperationCall call;
  call.tenant = effect.tenant;
  call.plugin = effect.plugin;
  call.version = std::move(destination->version);
  call.configuration = std::move(destination->configuration);
  call.operation = effect.operation;
  call.connection = effect.connection;
  call.idempotency_key = effect.key;
  call.attempt = effect.attempt;
  call.traceparent = effect.traceparent;
  call.timeout_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
  call.input_json = effect.input;
  plugin_host::CallHandle handle =
      place.plugins.invoke(std::move(call), [done = std::move(done)](plugin_host::CallOutcome outcome) {
        TryResult result;
        if (outcome) {
          result.outcome.ok = true;
          result.outcome.output = *std::move(outcome);
        } else {
          plugin_host::OperationError& error = outcome.error();
          result.outcome.code = base::to_string(error.code);
          result.outcome.status = error.status;
          result.outcome.message = std::move(error.message);
          result.outcome.detail = std::move(error.detail);
          result.retry = error.may_retry;
          result.plugin_died = error.has_died;
          result.retry_after = std::chrono::milliseconds(std::min<std::uint64_t>(error.retry_after_ms, 86'400'000));
        }
        done(std::move(result));
      });
  return [handle = std::move(handle)] { plugin_host::PluginHost::cancel(handle); };
}

/// A call that waits for its plugin's switch to another version, and then asks which one it goes to.
class WaitingCall : public std::enable_shared_from_this<WaitingCall> {
 public:
  WaitingCall(const Place& place, shard::Effect effect, base::Duration left, TryDone done)
      : place_(place), effect_(std::move(effect)), left_(left), done_(std::move(done)) {}

  void wait() {
    place_.plugins.gate().when_open(effect_.tenant, effect_.plugin,
                                    [alive = shared_from_this()](base::Duration waited) { alive->begin(waited); });
  }
  void cancel() {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = true;
    if (cancel_) return cancel_();
    if (done_) done_(refused({base::ErrorCode::cancelled, "cancelled before it began"}));
    done_ = nullptr;
  }

 private:
  // The lock is held throughout: where the call is cancelled its place may be gone.
  void begin(base::Duration waited) {
    const std::lock_guard lock(mutex_);
    if (is_cancelled_) return;
    if (left_ > base::Duration::zero()) left_ = std::max<base::Duration>(left_ - waited, std::chrono::milliseconds(1));
    const plugin_host::CallGate::Pass pass(place_.plugins.gate(), effect_.tenant, effect_.plugin);
    if (!pass.is_open()) return wait();
    cancel_ = begin_call(place_, effect_, left_, std::exchange(done_, nullptr));
  }

  const Place place_;
  const shard::Effect effect_;
  base::Duration left_;
  std::mutex mutex_;
  TryDone done_;
  CancelTry cancel_;
  bool is_cancelled_ = false;
};

}  // namespace

CancelTry perform_plugin_call(plugin_host::PluginHost& plugins, const projection::Projection& projection,
                              const tenancy::TenancyStore& tenancy, const shard::Effect& effect, base::Duration left,
                              TryDone done) {
  const Place place{.plugins = plugins, .projection = projection, .tenancy = tenancy};
  const plugin_host::CallGate::Pass pass(plugins.gate(), effect.tenant, effect.plugin);
  if (pass.is_open()) return begin_call(place, effect, left, std::move(done));
  const auto waiting = std::make_shared<WaitingCall>(place, effect, left, std::move(done));
  waiting->wait();
  return [waiting] { waiting->cancel(); };
}

}  // namespace trv::effects
