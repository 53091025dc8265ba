#pragma once
// The routes of the API, one file per noun.

#include "kernel/gateway/services.hpp"
#include "kernel/http/router.hpp"

namespace trv::gateway {

void add_system_routes(http::Router& router, Services& services);
void add_tenant_routes(http::Router& router, Services& services);
void add_token_routes(http::Router& router, Services& services);
void add_connection_routes(http::Router& router, Services& services);
void add_plugin_routes(http::Router& router, Services& services);
void add_workflow_routes(http::Router& router, Services& services);
void add_instance_routes(http::Router& router, Services& services);
void add_event_routes(http::Router& router, Services& services);
void add_webhook_routes(http::Router& router, Services& services);
void add_audit_routes(http::Router& router, Services& services);

/// All of them.
[[nodiscard]] http::Router make_router(Services& services);

}  // namespace trv::gateway
