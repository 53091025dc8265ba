#include <fmt/format.h>

#include <expected>
#include <memory>

#include "kernel/gateway/list.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/plugin_subscriptions.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/gateway/whole_definition.hpp"
#include "kernel/gateway/workflow_obstacles.hpp"
#include "kernel/http/conditional.hpp"
#include "kernel/workflow/definition/check.hpp"
#include "kernel/workflow/definition/places.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using instance::StoredDefinition;

json::Value to_object(const StoredDefinition& stored) {
  json::Value object{{"namespace", stored.name.space},        {"name", stored.name.name},
                     {"version", stored.name.version},        {"title", stored.title},
                     {"sha256", base::to_hex(stored.sha256)}, {"applied", stored.applied.to_rfc3339()}};
  const instance::FilterFailures& failures = stored.filter_failures;
  if (failures.count > 0) {
    object.set("filter_failures", {{"count", failures.count},
                                   {"time", failures.time.to_rfc3339()},
                                   {"event", failures.event},
                                   {"reason", failures.reason}});
  }
  if (stored.schedule) {
    const instance::ScheduleState& schedule = *stored.schedule;
    json::Value shown = json::Value::object();
    if (!schedule.text.empty()) shown.set("text", json::Value(schedule.text));
    if (schedule.due) shown.set("next", json::Value(schedule.due->to_rfc3339()));
    if (schedule.last) shown.set("last", json::Value(schedule.last->to_rfc3339()));
    shown.set("missed", json::Value(schedule.missed));
    shown.set("waiting_events", json::Value(schedule.gathered));
    object.set("schedule", std::move(shown));
  }
  if (stored.disabled) {
    object.set("disabled", {{"since", stored.disabled->since.to_rfc3339()},
                            {"actor", stored.disabled->actor},
                            {"reason", stored.disabled->reason}});
  }
  return object;
}

/// The other value: the 415.
std::expected<definition::Format, http::Response> format_of(const http::Request& request) {
  const auto refuse = [&request]() -> std::optional<http::Response> {
    if (auto refused = refuse_encoding(request)) return refused;
    if (!media_type_of(request)) {
      return unsupported_media("send the definition with Content-Type application/yaml or application/json");
    }
    return refuse_media(request, {"application/yaml", "application/x-yaml", "text/yaml", "application/json"});
  };
  if (auto refused = refuse()) return std::unexpected(*std::move(refused));
  return media_type_of(request)->is_json() ? definition::Format::json : definition::Format::yaml;
}

/// The problems of one kind, as the members "errors" and "warnings" of answers have them.
json::Value shown(const definition::Findings& findings, bool warnings, std::string_view text) {
  json::Value out = json::Value::array();
  for (const definition::Problem& problem : findings.problems) {
    if (problem.is_warning != warnings) continue;
    json::Value one = definition::members_of(problem, text);
    one.set("detail", base::to_valid_utf8(problem.message));
    out.push_back(std::move(one));
  }
  return out;
}

// Compiled here, on the server's thread: what is wrong is answered without a place in the shard's queue.
base::Status apply(const Platform& platform, FunctionSource& functions, Call& call) {
  const auto format = format_of(call.request());
  if (!format) return call.send(format.error());
  const std::string text(call.request().body());
  base::Status known;
  TRV_TRY_ASSIGN(WholeDefinition whole,
                 whole_definition(text, *format, call.tenant, functions,
                                  [&](const definition::Definition& definition, const definition::Node& root,
                                      definition::Problems& problems) {
                                    known = warn_of_obstacles(platform, call, definition, root, problems);
                                  }));
  definition::Checked& checked = whole.checked;
  TRV_TRY(known);
  const json::Value warnings = shown(checked.findings, true, text);
  if (checked.error) {
    return call.send(http::problem_with(*checked.error, {{"errors", shown(checked.findings, false, text)},
                                                         {"error_count", checked.findings.errors},
                                                         {"warnings", warnings},
                                                         {"warning_count", checked.findings.warnings}}));
  }
  TRV_ASSERT(checked.definition.has_value());
  TRV_TRY(check_space(checked.definition->name.space));
  const instance::ApplyDefinition apply{std::make_shared<const definition::Definition>(*std::move(checked.definition)),
                                        std::move(whole.text), *format};
  json::Value fetched = json::Value::array();
  for (const definition::FetchedFunction& function : whole.fetched) {
    fetched.push_back({{"name", function.what.name}, {"address", function.what.address}});
  }
  auto applied = std::make_shared<instance::AppliedDefinition>();
  node::Shard& shard = call.shard;
  return submit(
      std::move(call),
      [&shard, apply, applied](const lmdb::Txn& state,
                               shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(*applied, instance::apply_definition(state, context, shard.decision_state(), apply));
        return std::move(applied->decision);
      },
      [applied, warnings, fetched, count = checked.findings.warnings](const Change& change) {
        return http::json(applied->existed ? 200 : 201, {{"namespace", applied->name.space},
                                                         {"name", applied->name.name},
                                                         {"version", applied->name.version},
                                                         {"sha256", base::to_hex(applied->sha256)},
                                                         {"created", !applied->existed},
                                                         {"applied", change.time.to_rfc3339()},
                                                         {"disabled", applied->is_disabled},
                                                         {"fetched", fetched},
                                                         {"warnings", warnings},
                                                         {"warning_count", count}});
      });
}

base::Status show(Call& call) {
  const http::Request& request = call.request();
  const std::string_view space = request.parameter("namespace");
  const std::string_view name = request.parameter("name");
  const std::string_view version = request.parameter("version");
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  const instance::DefinitionStore store(call.shard.workflows());
  TRV_TRY_ASSIGN(const auto found, store.find(txn, call.tenant, space, name, version));
  if (!found) {
    return fail(ErrorCode::not_found, fmt::format("workflow '{}/{}' version '{}' not found", space, name, version));
  }
  http::Response response;
  response.content_type = found->format == definition::Format::json ? "application/json" : "application/yaml";
  response.body = found->text;
  return call.send(http::tagged(request, "\"" + base::to_hex(found->sha256) + "\"", std::move(response)));
}

base::Status list(Call& call) {
  TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  const instance::DefinitionStore store(call.shard.workflows());
  TRV_TRY_ASSIGN(const auto found, store.list(txn, call.tenant, page.after, page.limit));
  return call.send(
      list_response(found.items, page, found.next, [](const StoredDefinition& one) { return to_object(one); }));
}

}  // namespace

void add_workflow_routes(http::Router& router, const node::Node& node, const plugin_host::PluginHost& plugins,
                         const effects::ProcessCalls& scripts, effects::HttpCalls& http_calls) {
  const auto functions = std::make_shared<FunctionSource>(http_calls);
  router.route("POST", "/v1/tenants/{tenant}/workflows",
               guarded(node, Resource::workflows,
                       [platform = Platform{node, plugins, scripts}, functions](Call& call) {
                         return apply(platform, *functions, call);
                       },
                       {.body = BodyRule::by_handler}),
               {.may_wait = true});
  router.route("GET", "/v1/tenants/{tenant}/workflows", guarded(node, Resource::workflows, list));
  router.route("GET", "/v1/tenants/{tenant}/workflows/{namespace}/{name}/{version}",
               guarded(node, Resource::workflows, show));
}

}  // namespace trv::gateway
