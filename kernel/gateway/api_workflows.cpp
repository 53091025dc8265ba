#include <fmt/format.h>

#include <expected>
#include <memory>

#include "kernel/gateway/list.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/http/conditional.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::gateway {
namespace {

using instance::StoredDefinition;

constexpr std::size_t warnings_max = 100;

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

/// What a call of a plugin may fail for, beside the tenant's own grants.
struct Platform {
  const node::Node& node;
  const plugin_host::PluginHost& plugins;
};

/// Why this call would fail now; empty where nothing is known against it.
base::Result<std::string> obstacle(const Platform& platform, const Call& call, const definition::PluginCall& called) {
  const tenancy::TenancyStore& packages = platform.node.platform().tenancy();
  TRV_TRY_ASSIGN(const auto installed_now, platform.node.platform().begin_read());
  TRV_TRY_ASSIGN(const auto package, packages.package(installed_now, called.plugin, called.version));
  if (!package || package->status != tenancy::PackageStatus::loaded) {
    TRV_TRY_ASSIGN(const bool installed, packages.has_loaded_package(installed_now, called.plugin));
    return installed ? fmt::format("version {} of plugin '{}' is not installed", called.version, called.plugin)
                     : fmt::format("plugin '{}' is not installed", called.plugin);
  }
  const auto manifest = platform.plugins.manifest(called.plugin, called.version);
  if (!manifest) return manifest.error().message();
  if ((*manifest)->find_operation(called.operation) == nullptr) {
    return fmt::format("plugin '{}' version {} has no operation '{}'", called.plugin, called.version, called.operation);
  }
  TRV_TRY_ASSIGN(const auto granted_now, call.shard.begin_read());
  TRV_TRY_ASSIGN(const auto grant, call.shard.tenancy().grant(granted_now, call.tenant, called.plugin));
  if (!grant) return fmt::format("plugin '{}' is not enabled for tenant '{}'", called.plugin, call.tenant.value());
  if (grant->version != called.version) {
    return fmt::format("tenant '{}' has enabled version {} of plugin '{}'", call.tenant.value(), grant->version,
                       called.plugin);
  }
  if (called.input.is_constant()) {
    const auto matches = platform.plugins.check_input(called.plugin, called.version, called.operation,
                                                      json::serialize(called.input.constant_value()));
    if (!matches) return matches.error().message();
  }
  return std::string();
}

/// What the author should know: calls that would fail today, and credentials in the text. What is missing may come
/// later, so it is not an error.
base::Result<json::Value> warnings_of(const Platform& platform, const Call& call,
                                      const definition::Definition& definition) {
  json::Value warnings = json::Value::array();
  for (const definition::Task& task : definition.tasks) {
    if (warnings.size() == warnings_max) break;
    const auto* http = std::get_if<definition::HttpCall>(&task.body);
    if (http != nullptr && http->authentication && http->authentication->has_literal) {
      warnings.push_back(
          fmt::format("line {}, column {}: task '{}' has a credential in the workflow's text, where everybody who may "
                      "read workflows "
                      "and events sees it; keep it in a connection and write 'use: <connection>' in its place",
                      task.position.line, task.position.column, task.name));
    }
    const auto* called = std::get_if<definition::PluginCall>(&task.body);
    if (called == nullptr) continue;
    TRV_TRY_ASSIGN(const std::string reason, obstacle(platform, call, *called));
    if (reason.empty()) continue;
    warnings.push_back(fmt::format("line {}, column {}: task '{}' calls {}.{}:{}: {}", task.position.line,
                                   task.position.column, task.name, called->plugin, called->operation, called->version,
                                   reason));
  }
  return warnings;
}

// Compiled here, on the server's thread: what is wrong is answered without a place in the shard's queue.
base::Status apply(const Platform& platform, Call& call) {
  const auto format = format_of(call.request());
  if (!format) return call.send(format.error());
  TRV_TRY_ASSIGN(const auto apply, instance::ApplyDefinition::compile(std::string(call.request().body()), *format));
  TRV_TRY_ASSIGN(const json::Value warnings, warnings_of(platform, call, *apply.definition));
  auto applied = std::make_shared<instance::AppliedDefinition>();
  node::Shard& shard = call.shard;
  return submit(
      std::move(call),
      [&shard, apply, applied](const lmdb::Txn& state,
                               shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(*applied, instance::apply_definition(state, context, shard.decision_state(), apply));
        return std::move(applied->decision);
      },
      [applied, warnings](const Change& change) {
        return http::json(applied->existed ? 200 : 201, {{"namespace", applied->name.space},
                                                         {"name", applied->name.name},
                                                         {"version", applied->name.version},
                                                         {"sha256", base::to_hex(applied->sha256)},
                                                         {"created", !applied->existed},
                                                         {"applied", change.time.to_rfc3339()},
                                                         {"warnings", warnings}});
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

void add_workflow_routes(http::Router& router, const node::Node& node, const plugin_host::PluginHost& plugins) {
  router.route("POST", "/v1/tenants/{tenant}/workflows",
               guarded(node, Resource::workflows,
                       [platform = Platform{node, plugins}](Call& call) { return apply(platform, call); },
                       {.body = BodyRule::by_handler}),
               {.may_wait = true});
  router.route("GET", "/v1/tenants/{tenant}/workflows", guarded(node, Resource::workflows, list));
  router.route("GET", "/v1/tenants/{tenant}/workflows/{namespace}/{name}/{version}",
               guarded(node, Resource::workflows, show));
}

}  // namespace trv::gateway
