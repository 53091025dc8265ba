#include <prometheus/text_serializer.h>

#include "kernel/gateway/metrics.hpp"
#include "kernel/gateway/openapi.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/telemetry/open_metrics.hpp"
#include "sdk/abi/types.h"

namespace trv::gateway {
namespace {

http::Response version() {
  return http::json(
      200,
      {{"name", "travd"}, {"version", TRV_VERSION}, {"abi", {{"major", TRV_ABI_MAJOR}, {"minor", TRV_ABI_MINOR}}}});
}

// Ready to change something: the process takes requests and owns its shards, the log takes appends, and there is room
// for more.
http::Response readiness(const node::Node& node, std::string reasons) {
  json::Value shards = json::Value::array();
  for (const auto& shard : node.shards()) {
    const std::string reason = shard->why_not_ready();
    json::Value one = {{"shard", shard->id().value()}, {"status", reason.empty() ? "ok" : "not ready"}};
    if (node.is_shared()) one.set("role", shard->is_owned() ? "owner" : "standby");
    if (!reason.empty()) one.set("reason", reason);
    shards.push_back(std::move(one));
    // What several have in common is said once.
    if (reasons.find(reason) == std::string::npos) reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  if (reasons.empty()) return http::json(200, {{"status", "ok"}, {"shards", std::move(shards)}});
  return http::json(503, {{"status", "not ready"}, {"reason", reasons}, {"shards", std::move(shards)}})
      .with("Retry-After", "1");
}

}  // namespace

void add_system_routes(http::Router& router, const node::Node& node, std::function<std::string()> why_not_ready,
                       std::function<telemetry::Metrics()> metrics) {
  router.route(
      "GET", "/livez",
      [](const http::Request&, http::Responder responder) { responder.send(http::json(200, {{"status", "ok"}})); },
      {.before_open = true});
  router.route("GET", "/readyz",
               [&node, why_not_ready = std::move(why_not_ready)](const http::Request&, http::Responder responder) {
                 responder.send(readiness(node, why_not_ready()));
               },
               {.before_open = true});
  router.route("GET", "/metrics",
               [metrics = std::move(metrics)](const http::Request& request, http::Responder responder) {
                 const bool is_open = telemetry::accepts_open_metrics(request.header("accept").value_or(""));
                 const telemetry::Metrics now = metrics();
                 http::Response response;
                 response.content_type =
                     is_open ? telemetry::open_metrics_type : "text/plain; version=0.0.4; charset=utf-8";
                 response.body =
                     is_open ? telemetry::to_open_metrics(now) : prometheus::TextSerializer().Serialize(now.families);
                 responder.send(std::move(response).with("Vary", "Accept"));
               },
               {.may_wait = true});
  router.route("GET", "/openapi.json", [](const http::Request&, http::Responder responder) {
    responder.send(http::json_text(200, std::string(openapi_document())));
  });
  router.route("GET", "/v1/version",
               [](const http::Request&, http::Responder responder) { responder.send(version()); });
}

http::Router make_router(const Ports& ports) {
  http::Router router;
  add_system_routes(router, ports.node, ports.why_not_ready, [ports] { return collect_metrics(ports); });
  add_status_routes(router, ports.watching);
  add_tenant_routes(router, ports.node, ports.random);
  add_token_routes(router, ports.node, ports.random);
  add_connection_routes(router, ports.node, ports.secrets);
  add_plugin_routes(router, ports.node, ports.packages);
  add_revocation_routes(router, ports.node, ports.packages);
  add_enabled_plugin_routes(router, ports.node, ports.packages);
  add_serve_routes(router, ports.node, ports.packages);
  add_page_routes(router, ports.node, ports.packages);
  add_workflow_routes(router, ports.node, ports.packages.host, ports.scripts, ports.http_calls);
  add_workflow_action_routes(router, ports.node);
  add_instance_routes(router, ports.node, ports.packages.host);
  add_instance_action_routes(router, ports.node);
  add_bulk_action_routes(router, ports.node);
  add_batch_routes(router, ports.node);
  add_instance_past_routes(router, ports.node);
  add_tenant_status_routes(router, ports.node);
  add_effect_routes(router, ports.node);
  add_event_routes(router, ports.node, ports.blobs);
  add_webhook_routes(router, ports.node, ports.packages.host, ports.secrets.store, ports.blobs);
  add_hook_routes(router, ports.node, ports.secrets, ports.blobs, ports.random, ports.deliveries);
  add_audit_routes(router, ports.node, ports.signer);
  add_node_routes(router, ports.node, ports.nodes);
  add_snapshot_routes(router, ports.node, ports.snapshots, ports.snapshot_keeper);
  return router;
}

}  // namespace trv::gateway
