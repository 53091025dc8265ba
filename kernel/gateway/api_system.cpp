#include <boost/json/value.hpp>

#include "kernel/gateway/metrics.hpp"
#include "kernel/gateway/openapi.hpp"
#include "kernel/gateway/routes.hpp"
#include "sdk/abi/types.h"

namespace trv::gateway {
namespace {

http::Response version() {
  return http::json(200, boost::json::value{{"name", "travd"},
                                            {"version", TRV_VERSION},
                                            {"abi", {{"major", TRV_ABI_MAJOR}, {"minor", TRV_ABI_MINOR}}}});
}

// Ready to change something: this process owns its shard and the log takes appends.
http::Response readiness(const Services& services) {
  if (services.shard.ready()) return http::json(200, boost::json::value{{"status", "ok"}});
  return http::json(
      503, boost::json::value{{"status", "not ready"},
                              {"reason", "this process does not own its shard, or the log does not take appends"}});
}

}  // namespace

void add_system_routes(http::Router& router, Services& services) {
  router.route("GET", "/livez", [](const http::Request&, http::Responder responder) {
    responder.send(http::json(200, boost::json::value{{"status", "ok"}}));
  });
  router.route("GET", "/readyz",
               [&services](const http::Request&, http::Responder responder) { responder.send(readiness(services)); });
  router.route("GET", "/metrics", [&services](const http::Request&, http::Responder responder) {
    http::Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = render_metrics(services);
    responder.send(std::move(response));
  });
  router.route("GET", "/openapi.json", [](const http::Request&, http::Responder responder) {
    responder.send(http::json_text(200, std::string(openapi_document())));
  });
  router.route("GET", "/v1/version",
               [](const http::Request&, http::Responder responder) { responder.send(version()); });
}

http::Router make_router(Services& services) {
  http::Router router;
  add_system_routes(router, services);
  add_tenant_routes(router, services);
  add_token_routes(router, services);
  add_connection_routes(router, services);
  add_plugin_routes(router, services);
  add_workflow_routes(router, services);
  add_instance_routes(router, services);
  add_event_routes(router, services);
  add_webhook_routes(router, services);
  add_audit_routes(router, services);
  return router;
}

}  // namespace trv::gateway
