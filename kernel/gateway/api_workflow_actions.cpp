// What operators do to a workflow as a whole: disable, enable, delete.

#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/instances.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/workflow/instance/workflow_actions.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

std::string why_of(const std::string& reason, const shard::DecisionContext& context) {
  return reason.empty() ? "asked for by " + context.actor : reason;
}

/// The body may be left out.
base::Status switches(Call& call, bool disables) {
  const http::Request& request = call.request();
  TRV_TRY_ASSIGN(const Body body, Body::parse(request.body().empty() ? "{}" : request.body(), {"reason"}));
  TRV_TRY_ASSIGN(const std::string reason, reason_of(body));
  const std::string space(request.parameter("namespace"));
  const std::string name(request.parameter("name"));
  const auto changed = std::make_shared<bool>(false);
  node::Shard& shard = call.shard;
  return submit(
      std::move(call),
      [&shard, space, name, reason, disables, changed](
          const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        const auto act = disables ? instance::disable_workflow : instance::enable_workflow;
        TRV_TRY_ASSIGN(instance::Switched switched,
                       act(state, context, shard.decision_state(), space, name, why_of(reason, context)));
        *changed = switched.changed;
        return std::move(switched.decision);
      },
      [space, name, disables, changed](const Change&) {
        return http::json(200, {{"namespace", space}, {"name", name}, {"disabled", disables}, {"changed", *changed}});
      });
}

base::Result<bool> flag_in(const http::Request& request, std::string_view name) {
  const auto text = request.query(name);
  if (!text || *text == "false") return false;
  if (*text == "true") return true;
  return fail(ErrorCode::invalid,
              fmt::format("{} must be true or false, not '{}'", name, base::utf8_prefix(*text, 40)));
}

/// Instances are counted before the decision: one that starts between goes on like those that `while_running` is about.
base::Status remove(Call& call) {
  const http::Request& request = call.request();
  instance::DeleteWorkflow command{.space = std::string(request.parameter("namespace")),
                                   .name = std::string(request.parameter("name"))};
  TRV_TRY_ASSIGN(command.while_running, flag_in(request, "while_running"));
  command.reason = std::string(request.query("reason").value_or(""));
  TRV_TRY(check_reason(command.reason));
  {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    TRV_TRY_ASSIGN(command.running,
                   instance::count_running(txn, call.shard.workflows(), call.tenant, command.space, command.name));
  }
  const auto deleted = std::make_shared<instance::DeletedWorkflow>();
  node::Shard& shard = call.shard;
  return submit(
      std::move(call),
      [&shard, command, deleted](const lmdb::Txn& state,
                                 shard::DecisionContext& context) -> base::Result<shard::Decision> {
        instance::DeleteWorkflow why = command;
        why.reason = why_of(command.reason, context);
        TRV_TRY_ASSIGN(*deleted, instance::delete_workflow(state, context, shard.decision_state(), why));
        return std::move(deleted->decision);
      },
      [command, deleted](const Change&) {
        json::Value versions = json::Value::array();
        for (const std::string& one : deleted->versions) versions.push_back(json::Value(one));
        return http::json(200, {{"namespace", command.space},
                                {"name", command.name},
                                {"versions", std::move(versions)},
                                {"running", std::uint64_t{command.running}}});
      });
}

}  // namespace

void add_workflow_action_routes(http::Router& router, const node::Node& node) {
  const auto workflows = [&node](const Handle& handle) { return guarded(node, Resource::workflows, handle); };
  router.route("POST", "/v1/tenants/{tenant}/workflows/{namespace}/{name}/disable",
               workflows([](Call& call) { return switches(call, true); }));
  router.route("POST", "/v1/tenants/{tenant}/workflows/{namespace}/{name}/enable",
               workflows([](Call& call) { return switches(call, false); }));
  router.route("DELETE", "/v1/tenants/{tenant}/workflows/{namespace}/{name}", workflows(remove), {.may_wait = true});
}

}  // namespace trv::gateway
