#include <memory>

#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"

namespace trv::gateway {
namespace {

using instance::StoredDefinition;

boost::json::object to_object(const StoredDefinition& stored) {
  return {{"namespace", stored.name.space},        {"name", stored.name.name},
          {"version", stored.name.version},        {"title", stored.title},
          {"sha256", base::to_hex(stored.sha256)}, {"applied", stored.applied.to_rfc3339()}};
}

base::Result<definition::Format> format_of(const http::Request& request) {
  const std::string_view type = request.header("Content-Type").value_or("");
  const std::string_view media = type.substr(0, type.find(';'));
  if (media == "application/json") return definition::Format::json;
  if (media == "application/yaml" || media == "application/x-yaml" || media == "text/yaml")
    return definition::Format::yaml;
  return base::fail(base::ErrorCode::invalid,
                    "send the definition with Content-Type application/yaml or application/json");
}

// Compiled here first, on the server's thread: what is wrong is answered without a place in the shard's queue.
void apply(Services& services, Call call) {
  const auto format = format_of(call.request());
  if (!format) return call.responder.fail(format.error());
  const instance::ApplyDefinition apply{.text = std::string(call.request().body()), .format = *format};
  if (const auto compiled = definition::compile(apply.text, apply.format); !compiled) {
    return call.responder.fail(compiled.error());
  }
  auto applied = std::make_shared<instance::AppliedDefinition>();
  submit(
      services, std::move(call),
      [&services, apply, applied](const lmdb::Txn& state,
                                  shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(*applied, instance::apply_definition(state, context, services.decision_state(), apply));
        return std::move(applied->decision);
      },
      [applied](const Change& change) {
        return http::json(applied->existed ? 200 : 201, boost::json::value{{"namespace", applied->name.space},
                                                                           {"name", applied->name.name},
                                                                           {"version", applied->name.version},
                                                                           {"sha256", base::to_hex(applied->sha256)},
                                                                           {"created", !applied->existed},
                                                                           {"applied", change.time.to_rfc3339()}});
      });
}

void show(Services& services, Call call) {
  const http::Request& request = call.request();
  const auto txn = services.projection.begin_read();
  if (!txn) return call.responder.fail(txn.error());
  const instance::DefinitionStore store(services.workflows.tables());
  const auto found = store.find(*txn, call.tenant, request.parameter("namespace"), request.parameter("name"),
                                request.parameter("version"));
  if (!found) return call.responder.fail(found.error());
  if (!*found) {
    return call.responder.fail(
        base::Error(base::ErrorCode::not_found, "workflow '" + std::string(request.parameter("namespace")) + "/" +
                                                    std::string(request.parameter("name")) + "' version '" +
                                                    std::string(request.parameter("version")) + "' not found"));
  }
  http::Response response;
  response.content_type = (*found)->format == definition::Format::json ? "application/json" : "application/yaml";
  response.body = (*found)->text;
  call.responder.send(std::move(response).with("ETag", "\"" + base::to_hex((*found)->sha256) + "\""));
}

void list(Services& services, Call call) {
  const auto page = page_of(call.request());
  if (!page) return call.responder.fail(page.error());
  const auto txn = services.projection.begin_read();
  if (!txn) return call.responder.fail(txn.error());
  const instance::DefinitionStore store(services.workflows.tables());
  const auto found = store.list(*txn, call.tenant, page->after, page->limit);
  if (!found) return call.responder.fail(found.error());
  call.responder.send(page_response(*found, [](const StoredDefinition& one) { return to_object(one); }));
}

}  // namespace

void add_workflow_routes(http::Router& router, Services& services) {
  router.route("POST", "/v1/tenants/{tenant}/workflows",
               guarded(services, Resource::workflows, Verb::write,
                       [&services](Call call) { apply(services, std::move(call)); }));
  router.route(
      "GET", "/v1/tenants/{tenant}/workflows",
      guarded(services, Resource::workflows, Verb::read, [&services](Call call) { list(services, std::move(call)); }));
  router.route(
      "GET", "/v1/tenants/{tenant}/workflows/{namespace}/{name}/{version}",
      guarded(services, Resource::workflows, Verb::read, [&services](Call call) { show(services, std::move(call)); }));
}

}  // namespace trv::gateway
