// An instance as it once was: its state behind an event, and new instances that go on from there.

#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/instance_state.hpp"
#include "kernel/gateway/instances.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/node/position.hpp"
#include "kernel/workflow/instance/actions.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using instance::InstanceId;
using instance::Past;

/// A position, the id of an event, or a time.
base::Result<instance::At> at_of(const Call& call, std::string_view text) {
  if (const auto event = base::Uuid::parse(text)) return instance::At(*event);
  if (const auto time = base::Timestamp::from_rfc3339(text)) return instance::At(*time);
  if (auto place = call.shard.place_of("at", text, call.tenant)) return instance::At(*place);
  return fail(
      ErrorCode::invalid,
      fmt::format("at '{}' is not a position of this tenant's events, the id of an event or an RFC 3339 time such "
                  "as 2026-01-31T12:00:00Z; the list of steps has positions and ids",
                  base::utf8_prefix(text, 80)));
}

base::Result<Past> past_of(const Call& call, const InstanceId& id, const instance::At& at) {
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(const auto records, records_of(call, txn));
  return instance::behind(txn, call.shard.workflows(), call.tenant, id, at, records);
}

/// Its definition as it was, whatever became of the workflow.
base::Result<definition::Definition> definition_of(const Call& call, const definition::Name& name,
                                                   const base::Digest& sha256) {
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(const auto stored,
                 instance::DefinitionStore(call.shard.workflows()).find_text(txn, call.tenant, name, sha256));
  if (stored) return definition::compile(stored->text, stored->format);
  return base::fail(ErrorCode::not_found,
                    fmt::format("the version {} of {}/{} is not stored any more, so that its tasks "
                                "are not known",
                                name.version, name.space, name.name));
}

std::string to_json(const Call& call, const Past& past, const definition::Definition& definition) {
  const instance::InstanceDetail& detail = past.detail;
  const definition::Name& name = detail.summary.definition;
  const bool runs = past.instance.state.status == instance::Status::running;
  const json::Value object = {
      {"id", detail.summary.id.to_string()},
      {"workflow", {{"namespace", name.space}, {"name", name.name}, {"version", name.version}}},
      {"at",
       {{"position", node::position_text(call.tenant, call.shard.id(), past.place)},
        {"event", past.event.to_string()},
        {"time", past.time.to_rfc3339()}}},
      {"status", instance::to_string(detail.summary.status)},
      {"started", detail.summary.started.to_rfc3339()},
      {"trigger", shown_trigger(detail.summary.trigger)},
      {"steps", detail.summary.steps},
      {"current_task", detail.summary.current_task},
      {"due", detail.due ? json::Value(detail.due->to_rfc3339()) : json::Value()},
      {"branches", runs ? branches_object(past.instance.state, definition) : json::Value::array()}};
  return json::serialize_with(
      object,
      {{"input", detail.input}, {"output", detail.output}, {"error", detail.error}, {"context", detail.context}});
}

base::Status show_state(Call& call) {
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  const auto text = call.request().query("at");
  if (!text) return fail(ErrorCode::invalid, "at is missing: the position or the id of an event, or a time");
  TRV_TRY_ASSIGN(const instance::At at, at_of(call, *text));
  TRV_TRY_ASSIGN(const Past past, past_of(call, id, at));
  TRV_TRY_ASSIGN(const definition::Definition definition,
                 definition_of(call, past.instance.definition, past.instance.sha256));
  return call.send(http::json_text(200, to_json(call, past, definition)));
}

base::Status fork(Call& call) {
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"at", "input", "version", "reason", "dry_run"}));
  TRV_TRY_ASSIGN(const std::string text, body.text("at"));
  TRV_TRY_ASSIGN(auto version, body.optional_text("version"));
  TRV_TRY_ASSIGN(std::string reason, reason_of(body));
  TRV_TRY_ASSIGN(const instance::At at, at_of(call, text));
  TRV_TRY_ASSIGN(const bool is_dry, body.flag("dry_run"));
  const auto past = std::make_shared<Past>();
  TRV_TRY_ASSIGN(*past, past_of(call, id, at));
  const instance::Fork command{
      .input = body.optional_value("input"), .version = std::move(version).value_or(""), .reason = std::move(reason)};
  const auto forked = std::make_shared<instance::Forked>();
  node::Shard& shard = call.shard;
  const base::TenantId tenant = call.tenant;
  return submit(
      std::move(call),
      [&shard, id, past, command, forked, is_dry](const lmdb::Txn& state,
                                                  shard::DecisionContext& context) -> base::Result<shard::Decision> {
        instance::Fork why = command;
        if (why.reason.empty()) why.reason = "asked for by " + context.actor;
        TRV_TRY_ASSIGN(*forked, instance::fork(state, context, shard.decision_state(), id, *past, why));
        if (is_dry) return shard::Decision{};
        return std::move(forked->decision);
      },
      [&shard, id, past, forked, tenant, is_dry](const Change&) {
        if (is_dry) {
          return http::json(
              200, {{"id", id.to_string()}, {"status", instance::to_string(forked->status)}, {"dry_run", true}});
        }
        const definition::Name& name = forked->definition;
        return http::json(201,
                          {{"id", forked->instance.to_string()},
                           {"workflow", {{"namespace", name.space}, {"name", name.name}, {"version", name.version}}},
                           {"status", instance::to_string(forked->status)},
                           {"origin",
                            {{"instance", id.to_string()},
                             {"event", past->event.to_string()},
                             {"position", node::position_text(tenant, shard.id(), past->place)}}}});
      });
}

}  // namespace

void add_instance_past_routes(http::Router& router, const node::Node& node) {
  const auto instances = [&node](const Handle& handle) { return guarded(node, Resource::instances, handle); };
  router.route("GET", "/v1/tenants/{tenant}/instances/{id}/state", instances(show_state), {.may_wait = true});
  router.route("POST", "/v1/tenants/{tenant}/instances/{id}/fork", instances(fork), {.may_wait = true});
}

}  // namespace trv::gateway
