#include "kernel/gateway/plugin_permissions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/gateway/plugin_subscriptions.hpp"

namespace trv::gateway {
namespace {

using tenancy::Resource;

/// What one enabled version of a plugin asks for.
struct VersionAsks {
  std::string version;
  PackageAsks asks;
};

/// Of each enabled version that is installed. Error: not_found where none is enabled.
base::Result<std::vector<VersionAsks>> asks_of_enabled(const node::Shard& platform, const Packages& packages,
                                                       const Call& call, const std::string& plugin) {
  const auto enabled = [&]() -> base::Result<std::vector<tenancy::Grant>> {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    return call.shard.tenancy().versions(txn, call.tenant, plugin);
  }();
  if (!enabled) return fail(enabled.error());
  if (enabled->empty()) {
    return fail(ErrorCode::not_found,
                fmt::format("plugin '{}' is not enabled for tenant '{}'", plugin, call.tenant.value()));
  }
  std::vector<VersionAsks> all;
  TRV_TRY_ASSIGN(const auto txn, platform.begin_read());
  for (const tenancy::Grant& one : *enabled) {
    TRV_TRY_ASSIGN(const auto package, platform.tenancy().package(txn, plugin, one.version));
    if (!package || package->status != tenancy::PackageStatus::loaded) continue;
    TRV_TRY_ASSIGN(PackageAsks asks, asks_of(packages.host, *package));
    all.push_back({one.version, std::move(asks)});
  }
  return all;
}

AskedFor without(const AskedFor& all, const AskedFor& covered) {
  AskedFor left;
  for (const auto& one : all) {
    if (!package::covers(covered, one)) left.push_back(one);
  }
  return left;
}

json::Value to_object(const std::string& plugin, const AskedFor& granted, const std::vector<VersionAsks>& versions) {
  json::Value listed_versions = json::Value::array();
  for (const VersionAsks& one : versions) {
    listed_versions.push_back({{"version", one.version},
                               {"asked", listed(one.asks.requested)},
                               {"allowed_here", listed(one.asks.allowed)},
                               {"missing", listed(without(one.asks.allowed, granted))}});
  }
  return {{"id", plugin}, {"granted", listed(granted)}, {"versions", std::move(listed_versions)}};
}

base::Result<json::Value> shown(const node::Shard& platform, const Packages& packages, const Call& call,
                                const std::string& plugin) {
  TRV_TRY_ASSIGN(const auto versions, asks_of_enabled(platform, packages, call, plugin));
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(const auto granted, call.shard.tenancy().permissions(txn, call.tenant, plugin));
  return to_object(plugin, granted, versions);
}

base::Status show(const node::Shard& platform, const Packages& packages, Call& call) {
  TRV_TRY_ASSIGN(const json::Value object,
                 shown(platform, packages, call, std::string(call.request().parameter("id"))));
  return call.send(http::json(200, object));
}

base::Status change(const node::Shard& platform, const Packages& packages, Call& call) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"grant", "withdraw"}));
  tenancy::ChangePermissions command{.plugin = std::string(call.request().parameter("id"))};
  TRV_TRY_ASSIGN(auto grant, permissions_in(body, "grant"));
  TRV_TRY_ASSIGN(auto withdraw, permissions_in(body, "withdraw"));
  command.grant = std::move(grant).value_or(AskedFor());
  command.withdraw = std::move(withdraw).value_or(AskedFor());
  TRV_TRY_ASSIGN(const auto versions, asks_of_enabled(platform, packages, call, command.plugin));
  for (const VersionAsks& one : versions) {
    for (const auto& asked : one.asks.allowed) {
      if (!package::covers(command.asked, asked)) command.asked.push_back(asked);
    }
  }
  auto then = [&platform, packages, plugin = command.plugin](Call decided, const Result<Change>& done) {
    if (!done) return decided.responder.fail(done.error());
    const auto object = shown(platform, packages, decided, plugin);
    if (!object) return decided.responder.fail(object.error());
    decided.responder.send(with_position(decided, *done, http::json(200, *object)));
  };
  const std::string plugin = command.plugin;
  return decide_of_plugin(std::move(call), plugin, std::move(command), std::move(then));
}

}  // namespace

base::Result<PackageAsks> asks_of(const plugin_host::PluginHost& plugins, const tenancy::Package& package) {
  const auto manifest = package::parse_manifest(package.manifest, package::ManifestForm::packed);
  // It was checked when it was installed.
  if (!manifest) return fail(ErrorCode::corrupt, "a stored manifest cannot be read: " + manifest.error().message());
  PackageAsks asks{.requested = manifest->requested(),
                   .allowed = {},
                   .says_so = manifest->permissions.has_value(),
                   .subscriptions = manifest->subscriptions};
  asks.allowed = package::common(asks.requested, *plugins.operator_allows());
  return asks;
}

base::Result<std::optional<AskedFor>> permissions_in(const Body& body, std::string_view name) {
  const auto value = body.optional_value(name);
  if (!value) return std::nullopt;
  const bool are_texts =
      value->is_array() && std::ranges::all_of(value->items(), [](const json::Value& one) { return one.is_string(); });
  if (!are_texts) return fail(ErrorCode::invalid, fmt::format("{} must be an array of strings", name));
  std::vector<std::string> texts;
  for (const json::Value& one : value->items()) texts.emplace_back(one.as_string());
  auto parsed = package::parse_permissions(texts);
  if (!parsed) return fail(std::move(parsed).error().in(name));
  return std::optional(*std::move(parsed));
}

json::Value listed(const AskedFor& permissions) {
  json::Value texts = json::Value::array();
  for (const std::string& text : package::texts_of(permissions)) texts.push_back(text);
  return texts;
}

http::Response refusal_of(const Call& call, const base::Error& error, const tenancy::EnablePlugin& command) {
  const auto granted = [&]() -> base::Result<AskedFor> {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    return call.shard.tenancy().permissions(txn, call.tenant, command.plugin);
  }();
  const AskedFor missing = granted ? without(command.asked, *granted) : AskedFor();
  if (error.code() != ErrorCode::conflict || missing.empty()) return http::problem_of(error);
  return http::problem_with(error, {{"asked", listed(command.asked)}, {"missing", listed(missing)}});
}

void add_plugin_permission_routes(http::Router& router, const node::Node& node, const Packages& packages) {
  router.route("GET", "/v1/tenants/{tenant}/plugins/{id}/permissions",
               guarded(node, Resource::plugins,
                       [&node, packages](Call& call) { return show(node.platform(), packages, call); }));
  router.route("POST", "/v1/tenants/{tenant}/plugins/{id}/permissions",
               guarded(node, Resource::plugins,
                       [&node, packages](Call& call) { return change(node.platform(), packages, call); }));
}

}  // namespace trv::gateway
