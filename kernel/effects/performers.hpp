#pragma once
// How effects reach the world: plugin operations through the plugin host, HTTP through the egress broker.

#include "events/projection/projection.hpp"
#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/tenancy/tenancy_store.hpp"

namespace trv::effects {

/// A call of a plugin's operation. The tenant must have enabled this version; else the outcome is `denied` or
/// `not_found`, and no plugin is asked. Any thread.
[[nodiscard]] CancelTry perform_plugin_call(plugin_host::PluginHost& plugins, const projection::Projection& projection,
                                            const tenancy::TenancyStore& tenancy, const shard::Effect& effect,
                                            base::Duration left, TryDone done);

/// An HTTP request of a workflow. The effect's operation is the method; its input is {"endpoint", "headers", "query",
/// "body", "output"}: an absolute URL, or a path where the effect names a connection. What comes back, whatever its
/// status, is as `output` says: the body's content where it is absent, its bytes as base64 for "raw", and {"request",
/// "statusCode", "headers", "content"} for "response". An answer that is not UTF-8 fails as invalid, but for "raw";
/// with a status of 400 and more its content is null.
/// Statuses 429, 502, 503 and 504 of idempotent methods are tried again. Any thread.
[[nodiscard]] CancelTry perform_http_request(egress::Broker& broker, const shard::Effect& effect, base::Duration left,
                                             TryDone done);

}  // namespace trv::effects
