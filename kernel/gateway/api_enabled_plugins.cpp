// What a tenant does with plugins: which versions it has enabled, and which of them is the current one.

#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/list.hpp"
#include "kernel/gateway/plugin_configuration.hpp"
#include "kernel/gateway/plugin_permissions.hpp"
#include "kernel/gateway/plugin_subscriptions.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/plugin_decisions.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using tenancy::Grant;
using tenancy::PackageStatus;
using tenancy::Resource;

/// A version, and what the tenant lets the plugin do.
struct EnabledVersion {
  Grant grant;
  AskedFor permissions;
};

base::Result<std::vector<EnabledVersion>> with_permissions(const Call& call, const lmdb::Txn& txn,
                                                           std::vector<Grant> grants) {
  std::vector<EnabledVersion> all;
  for (Grant& one : grants) {
    // Versions of a plugin are behind each other.
    if (!all.empty() && all.back().grant.plugin == one.plugin) {
      AskedFor same = all.back().permissions;
      all.push_back({std::move(one), std::move(same)});
      continue;
    }
    TRV_TRY_ASSIGN(AskedFor granted, call.shard.tenancy().permissions(txn, call.tenant, one.plugin));
    all.push_back({std::move(one), std::move(granted)});
  }
  return all;
}

json::Value to_object(const EnabledVersion& version) {
  const Grant& grant = version.grant;
  json::Value object = {{"id", grant.plugin},
                        {"version", grant.version},
                        {"current", grant.is_current},
                        {"enabled_at", grant.enabled.to_rfc3339()},
                        {"permissions", listed(version.permissions)}};
  if (grant.quarantine) {
    object.set("quarantine", {{"since", grant.quarantine->since.to_rfc3339()}, {"reason", grant.quarantine->reason}});
  }
  return object;
}

/// What the tenant has yet to grant is a part of the answer.
void refuse(Call& call, const base::Error& why, const tenancy::EnablePlugin& of) {
  if (why.code() != ErrorCode::conflict) return call.responder.fail(why);
  call.responder.send(refusal_of(call, why, of));
}

/// Answers with the version as it is enabled once the command took effect. `handover`: where the version before had a
/// state.
template <typename Command>
base::Status answer_grant(Call call, Command command, const tenancy::EnablePlugin& of,
                          std::shared_ptr<plugin_host::Handover> handover = nullptr) {
  auto then = [of, handover = std::move(handover)](Call decided, const Result<Change>& change) mutable {
    if (change && handover != nullptr) handover->succeed();
    handover = nullptr;
    if (!change) return refuse(decided, change.error(), of);
    const auto found = [&]() -> base::Result<std::optional<EnabledVersion>> {
      TRV_TRY_ASSIGN(const auto txn, decided.shard.begin_read());
      TRV_TRY_ASSIGN(auto grant, decided.shard.tenancy().grant(txn, decided.tenant, of.plugin, of.version));
      if (!grant) return std::nullopt;
      TRV_TRY_ASSIGN(auto versions, with_permissions(decided, txn, {*std::move(grant)}));
      return std::move(versions.front());
    }();
    // Another request may have disabled it since.
    const EnabledVersion version =
        found && *found ? **found : EnabledVersion{Grant{of.plugin, of.version, change->time}, {}};
    decided.responder.send(with_position(decided, *change, http::json(200, to_object(version))));
  };
  return decide_of_plugin(std::move(call), of.plugin, std::move(command), std::move(then));
}

// Packages are the platform's: what a tenant's decision must know of them is read there and goes along.
base::Result<tenancy::EnablePlugin> version_in_body(const node::Shard& platform, const Packages& packages,
                                                    const Call& call) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"version", "permissions"}));
  tenancy::EnablePlugin enable;
  enable.plugin = call.request().parameter("id");
  TRV_TRY_ASSIGN(enable.version, body.text("version"));
  TRV_TRY_ASSIGN(const auto txn, platform.begin_read());
  TRV_TRY_ASSIGN(const auto package, platform.tenancy().package(txn, enable.plugin, enable.version));
  TRV_TRY_ASSIGN(enable.granted, permissions_in(body, "permissions"));
  if (!package || package->status != PackageStatus::loaded) return enable;
  enable.package_sha256 = package->package_sha256;
  TRV_TRY_ASSIGN(PackageAsks asks, asks_of(packages.host, *package));
  enable.asked = std::move(asks.allowed);
  enable.says_so = asks.says_so;
  enable.subscriptions = std::move(asks.subscriptions);
  return enable;
}

base::Status enable(const node::Shard& platform, const Packages& packages, Call& call) {
  TRV_TRY_ASSIGN(const tenancy::EnablePlugin enable, version_in_body(platform, packages, call));
  return answer_grant(std::move(call), enable, enable);
}

base::Status disable(Call& call) {
  const auto version = call.request().query("version");
  if (version && version->empty()) {
    return fail(ErrorCode::invalid, "version is empty; name one, or leave it out to disable every version");
  }
  const tenancy::DisablePlugin disable{std::string(call.request().parameter("id")), std::string(version.value_or(""))};
  return decide_of_plugin(std::move(call), disable.plugin, disable,
                          answering([](const Change&) { return http::empty(204); }));
}

/// Before anything is looked up: a parameter that is wrong is wrong for every plugin.
base::Status check_state(const Call& call) {
  const std::optional<std::string_view> state = call.request().query("state");
  if (!state || *state == "discard") return {};
  return fail(ErrorCode::invalid,
              fmt::format("state is \"{}\"; it can be \"discard\", or be left out", base::utf8_prefix(*state, 80)));
}

/// Shows that the version starts with what the tenant has set and is well: only then do calls go there. Where the
/// version before keeps a state, calls wait from here on, and it is handed over.
base::Result<std::shared_ptr<plugin_host::Handover>> prepare_switch(const Packages& packages, const Call& call,
                                                                    const tenancy::CurrentVersion& current,
                                                                    const std::string& plugin, const std::string& to) {
  TRV_TRY_ASSIGN(const auto configuration, [&]() -> base::Result<std::optional<tenancy::Configuration>> {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    return call.shard.tenancy().configuration(txn, call.tenant, plugin, to);
  }());
  const auto given = configuration ? std::optional(configuration->json) : std::nullopt;
  const bool hands_over = !call.request().query("state");
  const auto prepared = [&]() -> base::Result<std::shared_ptr<plugin_host::Handover>> {
    if (hands_over && !current.version.empty() && current.version != to) {
      return packages.host.hand_over(
          {.tenant = call.tenant, .plugin = plugin, .from = current.version, .to = to, .configuration = given});
    }
    TRV_TRY(packages.host.check_start(plugin, to, given));
    return nullptr;
  }();
  if (prepared) return *prepared;
  const base::Error& why = prepared.error();
  return fail(why.code() == ErrorCode::unavailable ? ErrorCode::unavailable : ErrorCode::conflict,
              fmt::format("nothing was changed: {}", why.message()));
}

base::Result<tenancy::CurrentVersion> current_of(const Call& call, const std::string& plugin) {
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(auto current, call.shard.tenancy().current_version(txn, call.tenant, plugin));
  return std::move(current).value_or(tenancy::CurrentVersion{});
}

base::Status upgrade(const node::Shard& platform, const Packages& packages, Call& call) {
  TRV_TRY(check_state(call));
  TRV_TRY_ASSIGN(const tenancy::EnablePlugin to, version_in_body(platform, packages, call));
  TRV_TRY_ASSIGN(const tenancy::CurrentVersion current, current_of(call, to.plugin));
  std::shared_ptr<plugin_host::Handover> handover;
  if (to.package_sha256 && !current.version.empty()) {
    // Before its code sees what the tenant has set and what the version before keeps.
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    const base::Status consents = tenancy::check_consent(call.shard.tenancy(), txn, call.tenant, to);
    if (!consents) {
      refuse(call, consents.error(), to);
      return {};
    }
  }
  if (to.package_sha256) {
    TRV_TRY_ASSIGN(handover, prepare_switch(packages, call, current, to.plugin, to.version));
  }
  return answer_grant(std::move(call), tenancy::UpgradePlugin{to}, to, std::move(handover));
}

// The version before may have been revoked since.
base::Status roll_back(const Packages& packages, Call& call) {
  TRV_TRY(check_state(call));
  const tenancy::RollBackPlugin back{std::string(call.request().parameter("id"))};
  TRV_TRY_ASSIGN(const tenancy::CurrentVersion current, current_of(call, back.plugin));
  std::shared_ptr<plugin_host::Handover> handover;
  if (!current.before.empty()) {
    TRV_TRY_ASSIGN(handover, prepare_switch(packages, call, current, back.plugin, current.before));
  }
  return answer_grant(std::move(call), back, {.plugin = back.plugin, .version = {}}, std::move(handover));
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
                     [&call](const lmdb::Txn& txn, const std::string& after,
                             std::size_t count) -> base::Result<std::vector<EnabledVersion>> {
                       TRV_TRY_ASSIGN(auto grants, call.shard.tenancy().grants(txn, call.tenant, after, count));
                       return with_permissions(call, txn, std::move(grants));
                     },
                     [](const EnabledVersion& one) { return to_object(one); },
                     [](const EnabledVersion& one) { return one.grant.plugin + "/" + one.grant.version; });
               }));
  router.route("PUT", "/v1/tenants/{tenant}/plugins/{id}",
               guarded(node, Resource::plugins,
                       [&node, packages](Call& call) { return enable(node.platform(), packages, call); }));
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
  add_plugin_permission_routes(router, node, packages);
  router.route("DELETE", "/v1/tenants/{tenant}/plugins/{id}/quarantine",
               guarded(node, Resource::plugins, [packages](Call& call) { return release(packages, call); }));
}

}  // namespace trv::gateway
