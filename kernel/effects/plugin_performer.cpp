#include <fmt/format.h>

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
  if (grant->quarantine) {
    return base::fail(
        base::ErrorCode::denied,
        fmt::format("plugin '{}' {} is in quarantine for tenant '{}' since {}: {}. Once that is mended: trav "
                    "plugin release {}",
                    effect.plugin, grant->version, effect.tenant.value(), grant->quarantine->since.to_rfc3339(),
                    grant->quarantine->reason, effect.plugin));
  }
  TRV_TRY_ASSIGN(auto configuration, tenancy.configuration(txn, effect.tenant, effect.plugin, grant->version));
  return Destination{grant->version, configuration ? std::optional(std::move(configuration->json)) : std::nullopt};
}

}  // namespace

CancelTry perform_plugin_call(plugin_host::PluginHost& plugins, const projection::Projection& projection,
                              const tenancy::TenancyStore& tenancy, const shard::Effect& effect, base::Duration left,
                              TryDone done) {
  auto destination = destination_of(projection, tenancy, effect);
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
      plugins.invoke(std::move(call), [done = std::move(done)](plugin_host::CallOutcome outcome) {
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

}  // namespace trv::effects
