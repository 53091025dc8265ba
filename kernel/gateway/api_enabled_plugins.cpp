// What a tenant does with plugins: which versions it has enabled, and which of them is the current one.

#include <fmt/format.h>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/plugin_configuration.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/plugin_decisions.hpp"

namespace trv::gateway {
namespace {

using tenancy::Grant;
using tenancy::PackageStatus;
using tenancy::Resource;

json::Value to_object(const Grant& grant) {
  json::Value object = {{"id", grant.plugin},
                        {"version", grant.version},
                        {"current", grant.is_current},
                        {"enabled_at", grant.enabled.to_rfc3339()}};
  if (grant.quarantine) {
    object.set("quarantine", {{"since", grant.quarantine->since.to_rfc3339()}, {"reason", grant.quarantine->reason}});
  }
  return object;
}

/// Answers with the version as it is enabled once the command took effect.
template <typename Command>
base::Status answer_grant(Call call, Command command, const std::string& plugin, const std::string& version) {
  auto then = [plugin, version](Call decided, const Result<Change>& change) {
    if (!change) return decided.responder.fail(change.error());
    const auto found = [&]() -> base::Result<std::optional<Grant>> {
      TRV_TRY_ASSIGN(const auto txn, decided.shard.begin_read());
      return decided.shard.tenancy().grant(txn, decided.tenant, plugin, version);
    }();
    // Another request may have disabled it since.
    const Grant grant = found && *found ? **found : Grant{plugin, version, change->time};
    decided.responder.send(with_position(decided, *change, http::json(200, to_object(grant))));
  };
  return decide_then(std::move(call), std::move(command), std::move(then));
}

// Packages are the platform's: what a tenant's decision must know of them is read there and goes along.
base::Result<tenancy::EnablePlugin> version_in_body(const node::Shard& platform, const Call& call) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"version"}));
  tenancy::EnablePlugin enable;
  enable.plugin = call.request().parameter("id");
  TRV_TRY_ASSIGN(enable.version, body.text("version"));
  TRV_TRY_ASSIGN(const auto txn, platform.begin_read());
  TRV_TRY_ASSIGN(const auto package, platform.tenancy().package(txn, enable.plugin, enable.version));
  if (package && package->status == PackageStatus::loaded) enable.package_sha256 = package->package_sha256;
  return enable;
}

base::Status enable(const node::Shard& platform, Call& call) {
  TRV_TRY_ASSIGN(const tenancy::EnablePlugin enable, version_in_body(platform, call));
  return answer_grant(std::move(call), enable, enable.plugin, enable.version);
}

base::Status disable(Call& call) {
  const auto version = call.request().query("version");
  if (version && version->empty()) {
    return fail(ErrorCode::invalid, "version is empty; name one, or leave it out to disable every version");
  }
  const tenancy::DisablePlugin disable{std::string(call.request().parameter("id")), std::string(version.value_or(""))};
  return decide(std::move(call), disable, [](const shard::Applied&) { return http::empty(204); });
}

/// Whether the version starts with what the tenant has set: only then do calls go there.
base::Status check_starts(const Packages& packages, const Call& call, const std::string& plugin,
                          const std::string& version) {
  TRV_TRY_ASSIGN(const auto configuration, [&]() -> base::Result<std::optional<tenancy::Configuration>> {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    return call.shard.tenancy().configuration(txn, call.tenant, plugin, version);
  }());
  const base::Status starts =
      packages.host.check_start(plugin, version, configuration ? std::optional(configuration->json) : std::nullopt);
  if (starts) return {};
  const base::Error& why = starts.error();
  return fail(why.code() == ErrorCode::unavailable ? ErrorCode::unavailable : ErrorCode::conflict,
              fmt::format("nothing was changed: {}", why.message()));
}

base::Status upgrade(const node::Shard& platform, const Packages& packages, Call& call) {
  TRV_TRY_ASSIGN(const tenancy::EnablePlugin to, version_in_body(platform, call));
  if (to.package_sha256) TRV_TRY(check_starts(packages, call, to.plugin, to.version));
  return answer_grant(std::move(call), tenancy::UpgradePlugin{to}, to.plugin, to.version);
}

// The version before may have been revoked since.
base::Status roll_back(const Packages& packages, Call& call) {
  const tenancy::RollBackPlugin back{std::string(call.request().parameter("id"))};
  TRV_TRY_ASSIGN(const auto current, [&]() -> base::Result<std::optional<tenancy::CurrentVersion>> {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    return call.shard.tenancy().current_version(txn, call.tenant, back.plugin);
  }());
  if (current && !current->before.empty()) TRV_TRY(check_starts(packages, call, back.plugin, current->before));
  return answer_grant(std::move(call), back, back.plugin, {});
}

// The crashes before are forgotten where the plugin runs: with the tenant's shard, so here.
base::Status release(const Packages& packages, Call& call) {
  const tenancy::ReleasePlugin release{std::string(call.request().parameter("id"))};
  auto forget = [&host = packages.host, plugin = release.plugin, tenant = call.tenant](const shard::Applied&) {
    host.release(plugin, tenant);
    return http::empty(204);
  };
  return decide(std::move(call), release, std::move(forget));
}

}  // namespace

void add_enabled_plugin_routes(http::Router& router, const node::Node& node, const Packages& packages) {
  router.route("GET", "/v1/tenants/{tenant}/plugins", guarded(node, Resource::plugins, [](Call& call) {
                 return answer_list(
                     call.shard, call,
                     [&call](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
                       return call.shard.tenancy().grants(txn, call.tenant, after, count);
                     },
                     [](const Grant& one) { return to_object(one); },
                     [](const Grant& one) { return one.plugin + "/" + one.version; });
               }));
  router.route("PUT", "/v1/tenants/{tenant}/plugins/{id}",
               guarded(node, Resource::plugins, [&node](Call& call) { return enable(node.platform(), call); }));
  router.route("DELETE", "/v1/tenants/{tenant}/plugins/{id}", guarded(node, Resource::plugins, disable));
  router.route("POST", "/v1/tenants/{tenant}/plugins/{id}/upgrade",
               guarded(node, Resource::plugins,
                       [&node, packages](Call& call) { return upgrade(node.platform(), packages, call); }),
               {.may_wait = true});
  router.route("POST", "/v1/tenants/{tenant}/plugins/{id}/rollback",
               guarded(node, Resource::plugins, [packages](Call& call) { return roll_back(packages, call); },
                       {.body = BodyRule::by_handler}),
               {.may_wait = true});
  add_plugin_configuration_routes(router, node, packages);
  router.route("DELETE", "/v1/tenants/{tenant}/plugins/{id}/quarantine",
               guarded(node, Resource::plugins, [packages](Call& call) { return release(packages, call); }));
}

}  // namespace trv::gateway
