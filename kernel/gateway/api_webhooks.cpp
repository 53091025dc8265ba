#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/access.hpp"
#include "kernel/gateway/at_owner.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/receive.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

/// What deliveries are checked against.
struct Door {
  const node::Node& node;
  const plugin_host::PluginHost& plugins;
  egress::SecretStore& secrets;
  blob::BlobStore& blobs;
};

/// What is needed to believe a delivery, and where it goes.
struct Endpoint {
  node::Shard& shard;
  std::shared_ptr<const plugin_host::WebhookDeclaration> declaration;
  std::string version;     ///< of the plugin
  std::string connection;  ///< its name
  std::string secret;
};

// Whatever is missing answers alike, so that an outsider learns nothing about tenants and what they use.
base::Error not_found() {
  return {ErrorCode::not_found, "no such webhook"};
}

Result<Endpoint> find_endpoint(const Door& door, const http::Request& request) {
  const base::TenantId tenant(request.parameter("tenant"));
  const std::string_view plugin = request.parameter("plugin");
  if (!base::check_label("tenant id", tenant.value())) return fail(not_found());
  TRV_TRY_ASSIGN(node::Shard * shard, door.node.shard_of(tenant));
  TRV_TRY_ASSIGN(const auto txn, shard->begin_read());
  TRV_TRY_ASSIGN(const auto grant, shard->tenancy().grant(txn, tenant, plugin));
  if (!grant) return fail(not_found());
  auto declaration = door.plugins.webhook(plugin, grant->version, request.parameter("name"));
  if (!declaration) return fail(not_found());
  // The connection is the one named in ?connection=, by default the one named like the plugin.
  const std::string_view name = request.query("connection").value_or(plugin);
  if (!base::check_label("connection", name)) return fail(not_found());
  Endpoint endpoint{.shard = *shard,
                    .declaration = *std::move(declaration),
                    .version = grant->version,
                    .connection = std::string(name),
                    .secret = {}};
  if (endpoint.declaration->manifest.verification.scheme == package::VerificationScheme::none) return endpoint;
  TRV_TRY_ASSIGN(const auto connection, shard->tenancy().connection(txn, tenant, name));
  if (!connection || connection->plugin != plugin || connection->webhook_secret.empty()) return fail(not_found());
  TRV_TRY_ASSIGN(endpoint.secret, door.secrets.reveal(tenant, connection->webhook_secret));
  return endpoint;
}

std::vector<egress::Header> headers_of(const http::Request& request) {
  std::vector<egress::Header> headers;
  headers.reserve(request.header_count());
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const auto field = request.header_at(i);
    // What is not UTF-8 can neither be a signature nor part of an event.
    if (base::is_utf8(field.value)) headers.push_back({std::string(field.name), std::string(field.value)});
  }
  return headers;
}

std::string channel_of(const http::Request& request) {
  return fmt::format("webhook:{}/{}", request.parameter("plugin"), request.parameter("name"));
}

// A refused delivery is recorded before it is answered.
void refuse(node::Shard& shard, http::Responder responder, base::Error error) {
  const http::Request& request = responder.request();
  const ingest::Refused refused{.channel = channel_of(request),
                                .reason = error.message(),
                                .source_address = std::string(request.remote_address()),
                                .body_sha256 = base::sha256(base::as_bytes(request.body()))};
  shard::Command command;
  command.tenant = base::TenantId(request.parameter("tenant"));
  command.actor = "plugin:" + std::string(request.parameter("plugin"));
  command.decide = [refused](const lmdb::Txn&, shard::DecisionContext& context) -> Result<shard::Decision> {
    shard::Decision decision;
    decision.events.push_back(ingest::refused(context, refused));
    return decision;
  };
  auto held = std::make_shared<http::Responder>(std::move(responder));
  command.done = [held, error = std::move(error)](const Result<shard::Applied>& outcome) {
    held->fail(outcome ? error : outcome.error());
  };
  shard.submit(std::move(command));
}

ingest::Received received_of(const plugin_host::WebhookEvent& event, base::Timestamp now, const http::Request& request,
                             const Endpoint& endpoint) {
  TRV_EXPECTS(!event.challenge);
  ingest::Received received;
  received.id = event.delivery_id.empty() ? endpoint.shard.new_id().to_string() : event.delivery_id;
  received.source = event.source;
  received.type = event.type;
  received.subject = event.subject;
  received.time = now;
  received.data = json::serialize(event.data);
  received.channel = channel_of(request);
  received.connection = endpoint.connection;
  received.body_sha256 = base::sha256(base::as_bytes(request.body()));
  return received;
}

void deliver(const Door& door, http::Responder responder) {
  const http::Request& request = responder.request();
  const auto endpoint = find_endpoint(door, request);
  if (!endpoint) return responder.fail(endpoint.error());
  const auto headers = headers_of(request);
  if (auto verified = plugin_host::verify_webhook(*endpoint->declaration, headers, base::as_bytes(request.body()),
                                                  endpoint->secret, door.node.now());
      !verified) {
    return refuse(endpoint->shard, std::move(responder), std::move(verified).error());
  }
  // Only a sender that is believed learns of it.
  if (auto permitted = door.plugins.check_permission(request.parameter("plugin"), endpoint->version,
                                                     base::TenantId(request.parameter("tenant")),
                                                     {.kind = package::Permission::Kind::webhooks});
      !permitted) {
    return refuse(endpoint->shard, std::move(responder), std::move(permitted).error());
  }
  const package::Webhook& webhook = endpoint->declaration->manifest;
  const bool is_form = webhook.body == package::WebhookBody::form;
  if (auto refused = refuse_media(request, {is_form ? "application/x-www-form-urlencoded" : "application/json"})) {
    return responder.send(*std::move(refused));
  }
  const base::Timestamp now = door.node.now();
  const auto event = plugin_host::map_webhook(*endpoint->declaration, headers, request.body(), now);
  if (!event) return responder.fail(event.error());
  if (event->challenge) return responder.send(http::text(200, *event->challenge));
  ingest::Received received = received_of(*event, now, request, *endpoint);
  if (auto kept = keep_large_data(door.blobs, received); !kept) return responder.fail_storing(kept.error());

  auto receipt = std::make_shared<Receipt>();
  shard::Command command;
  command.tenant = base::TenantId(request.parameter("tenant"));
  command.actor = "plugin:" + std::string(request.parameter("plugin"));
  command.correlation_id = endpoint->shard.new_id();
  command.traceparent = traceparent_of(request);
  command.decide = [&shard = endpoint->shard, received = std::move(received), receipt](
                       const lmdb::Txn& state, shard::DecisionContext& context) {
    instance::DecisionBudget budget;
    return receive(shard.ingest(), shard.decision_state(), state, context, received, *receipt, budget);
  };
  auto held = std::make_shared<http::Responder>(std::move(responder));
  command.done = [held, receipt, answer = webhook.answer](const Result<shard::Applied>& outcome) {
    if (!outcome) return held->fail(outcome.error());
    if (answer == package::WebhookAnswer::empty) return held->send(http::empty(200));
    json::Value started = json::Value::array();
    json::Value heard = json::Value::array();
    for (const base::Uuid& id : receipt->started) started.push_back(id.to_string());
    for (const base::Uuid& id : receipt->heard) heard.push_back(id.to_string());
    held->send(http::json(202, {{"event", receipt->event.to_string()},
                                {"duplicate", receipt->duplicate},
                                {"started", std::move(started)},
                                {"heard", std::move(heard)}}));
  };
  endpoint->shard.submit(std::move(command));
}

}  // namespace

void add_webhook_routes(http::Router& router, const node::Node& node, const plugin_host::PluginHost& plugins,
                        egress::SecretStore& secrets, blob::BlobStore& blobs) {
  router.route(
      "POST", "/v1/tenants/{tenant}/webhooks/{plugin}/{name}",
      at_owner(node, [door = Door{node, plugins, secrets, blobs}](
                         const http::Request&, http::Responder responder) { deliver(door, std::move(responder)); }),
      {.body_bytes_max = event_body_bytes_max, .may_wait = true});
}

}  // namespace trv::gateway
