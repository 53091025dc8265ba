#include "kernel/gateway/plugin_configuration.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/gateway/access.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/plugin_host/named_secrets.hpp"
#include "sdk/base/version.hpp"

namespace trv::gateway {
namespace {

constexpr std::size_t plugins_max = 500;
constexpr std::size_t configuration_bytes_max = 65'536;
constexpr int depth_max = 64;

/// Who is to take a configuration.
struct Taker {
  std::string plugin;
  std::vector<std::string> versions;
};

/// The version that is named; else those that are enabled and have no configuration of their own; else the highest that
/// is installed. Error: not_found.
base::Result<Taker> taker_of(const node::Node& node, const Call& call, const std::string& version) {
  Taker taker{.plugin = std::string(call.request().parameter("id")), .versions = {}};
  if (!version.empty()) {
    taker.versions = {version};
    return taker;
  }
  const tenancy::TenancyStore& tenancy = call.shard.tenancy();
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(const auto enabled, tenancy.versions(txn, call.tenant, taker.plugin));
  for (const tenancy::Grant& grant : enabled) {
    TRV_TRY_ASSIGN(const auto own, tenancy.configuration(txn, call.tenant, taker.plugin, grant.version));
    if (!own || own->version.empty()) taker.versions.push_back(grant.version);
  }
  if (!enabled.empty()) return taker;
  TRV_TRY_ASSIGN(const auto installed_now, node.platform().begin_read());
  TRV_TRY_ASSIGN(const auto known, node.platform().tenancy().packages(installed_now, "", plugins_max));
  std::optional<base::Version> highest;
  for (const tenancy::Package& one : known) {
    const auto parsed = base::Version::parse(one.version);
    if (one.plugin != taker.plugin || one.status != tenancy::PackageStatus::loaded || !parsed) continue;
    if (highest && !(*parsed > *highest)) continue;
    highest = parsed;
    taker.versions = {one.version};
  }
  if (!highest) return fail(ErrorCode::not_found, fmt::format("plugin '{}' is not installed", taker.plugin));
  return taker;
}

/// That each name in it is one of the tenant's. Nothing of the configuration is quoted: it may be a secret by mistake.
base::Status check_secrets(const Call& call, const Taker& taker, const json::Value& schema,
                           const json::Value& configuration) {
  std::string problems;
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  for (const auto& one : plugin_host::named_secrets(schema, configuration)) {
    TRV_TRY_ASSIGN(const auto connection, call.shard.tenancy().connection(txn, call.tenant, one.name));
    const bool is_theirs = connection && (connection->plugin.empty() || connection->plugin == taker.plugin);
    if (is_theirs && !connection->secret.empty()) continue;
    problems += fmt::format(
        "\n{}: not the name of a secret of tenant '{}' that plugin '{}' may use. A secret is kept "
        "with a connection, and named like it: `trav connection set NAME --plugin {} --base-url URL "
        "--secret-file FILE`",
        one.pointer, call.tenant.value(), taker.plugin, taker.plugin);
  }
  if (problems.empty()) return {};
  return fail(ErrorCode::invalid, "the configuration names secrets that are not there:" + problems);
}

base::Status check(const Packages& packages, const Call& call, const Taker& taker, const json::Value& configuration,
                   const std::string& text) {
  for (const std::string& version : taker.versions) {
    TRV_TRY(packages.host.check_configuration(taker.plugin, version, text));
    TRV_TRY_ASSIGN(const auto manifest, packages.host.manifest(taker.plugin, version));
    const auto schema = json::parse(manifest->configuration);
    if (schema) TRV_TRY(check_secrets(call, taker, *schema, configuration));
  }
  return {};
}

std::string version_of(const http::Request& request) {
  return std::string(request.query("version").value_or(""));
}

http::Response shown(const std::string& plugin, const tenancy::Configuration& set) {
  json::Value object = {{"id", plugin}, {"set_at", set.set.to_rfc3339()}};
  if (!set.version.empty()) object.set("version", set.version);
  return http::json_text(200, json::serialize_with(object, {{"configuration", set.json}}));
}

base::Status configure(const node::Node& node, const Packages& packages, Call& call) {
  auto configuration =
      json::parse(call.request().body(), {.bytes_max = configuration_bytes_max, .depth_max = depth_max});
  if (!configuration) return fail(std::move(configuration).error().in("request body"));
  if (!configuration->is_object()) return fail(ErrorCode::invalid, "a configuration must be a JSON object");
  const std::string version = version_of(call.request());
  TRV_TRY_ASSIGN(const Taker taker, taker_of(node, call, version));
  const std::string text = json::serialize(*configuration);
  TRV_TRY(check(packages, call, taker, *configuration, text));
  const tenancy::ConfigurePlugin command{taker.plugin, version, text};
  return decide(std::move(call), command, [command](const Change& change) {
    return shown(command.plugin, {command.version, *command.configuration, change.time});
  });
}

base::Status forget(Call& call) {
  const tenancy::ConfigurePlugin command{std::string(call.request().parameter("id")), version_of(call.request()),
                                         std::nullopt};
  return decide(std::move(call), command, [](const Change&) { return http::empty(204); });
}

base::Status show(Call& call) {
  const std::string plugin(call.request().parameter("id"));
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(const auto set,
                 call.shard.tenancy().configuration(txn, call.tenant, plugin, version_of(call.request())));
  if (!set) {
    return fail(ErrorCode::not_found,
                fmt::format("plugin '{}' is not configured for tenant '{}'", plugin, call.tenant.value()));
  }
  return call.send(shown(plugin, *set));
}

}  // namespace

void add_plugin_configuration_routes(http::Router& router, const node::Node& node, const Packages& packages) {
  constexpr const char* path = "/v1/tenants/{tenant}/plugins/{id}/configuration";
  router.route("GET", path, guarded(node, Resource::plugins, show));
  router.route("PUT", path, guarded(node, Resource::plugins, [&node, packages](Call& call) {
                 return configure(node, packages, call);
               }));
  router.route("DELETE", path, guarded(node, Resource::plugins, forget));
}

}  // namespace trv::gateway
