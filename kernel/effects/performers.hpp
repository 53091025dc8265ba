#pragma once
// How effects reach the world: plugin operations through the plugin host, HTTP through the egress broker.

#include "events/projection/projection.hpp"
#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/effects/http_memory.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/tenancy/tenancy_store.hpp"

namespace trv::effects {

/// A call of a plugin's operation. The tenant must have enabled this version, or one of the line that the effect names
/// ("1", "1.2"), or any where it names none; else the outcome is `denied` or `not_found`, and no plugin is asked. Any
/// thread.
[[nodiscard]] CancelTry perform_plugin_call(plugin_host::PluginHost& plugins, const projection::Projection& projection,
                                            const tenancy::TenancyStore& tenancy, const shard::Effect& effect,
                                            base::Duration left, TryDone done);

/// HTTP calls of workflows. The effect's operation is the method; its input is {"endpoint", "headers", "query", "body",
/// "authentication", "output"}: an absolute URL, or a path where the effect names a connection. Or it is {"document",
/// "documentAuthentication", "operationId", "parameters", "authentication", "output"}: the OpenAPI document is fetched,
/// or known from before, and says what the request is. What comes back, whatever its status, is as `output` says: the
/// body's content where it is absent, its bytes as base64 for "raw", and {"request", "statusCode", "headers",
/// "content"} for "response", in whose request a credential is never. An answer that is not UTF-8 fails as invalid, but
/// for "raw"; with a status of 400 and more its content is null.
///
/// A try is one request, and none asks for another. A second try is made only where the process ended during the first:
/// a method that is not idempotent then fails as `unavailable`, since what the first did is not known. Tokens of oauth2
/// and oidc are asked for within the same try and time, kept in memory until they end, and asked for again once where
/// the service answers with 401.
/// Any thread; outlives the broker's requests.
class HttpCalls {
 public:
  /// All outlive this.
  HttpCalls(egress::HttpSender& broker, egress::ConnectionSource& connections, egress::SecretSource& secrets,
            const base::Clock& clock)
      : broker_(broker), connections_(connections), secrets_(secrets), clock_(clock), memory_(clock) {}

  /// `left` 0: as long as the broker's limits let it.
  [[nodiscard]] CancelTry perform(const shard::Effect& effect, std::uint32_t try_number, base::Duration left,
                                  TryDone done);

 private:
  class Call;

  egress::HttpSender& broker_;
  egress::ConnectionSource& connections_;
  egress::SecretSource& secrets_;
  const base::Clock& clock_;
  HttpMemory memory_;
};

}  // namespace trv::effects
