// Decisions about plugins: their packages on the platform, and what tenants do with them.

#include "kernel/tenancy/plugin_decisions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/record/payload.hpp"
#include "events/schema/plugin_generated.h"
#include "kernel/tenancy/package_signatures.hpp"
#include "kernel/tenancy/plugin_subscriptions.hpp"
#include "kernel/tenancy/revocations.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/version.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using base::fail;
using flatbuffers::FlatBufferBuilder;

constexpr std::size_t versions_max = 100;  // of one plugin that a tenant enables
constexpr std::size_t tenants_named_max = 10;

Decision one(record::Draft event) {
  Decision decision;
  decision.events.push_back(std::move(event));
  return decision;
}

base::Error not_enabled(const DecisionContext& context, std::string_view plugin, std::string_view version,
                        const std::vector<Grant>& enabled) {
  std::vector<std::string_view> names;
  for (const Grant& grant : enabled) names.push_back(grant.version);
  if (names.empty()) {
    return {ErrorCode::not_found,
            fmt::format("plugin '{}' is not enabled for tenant '{}'", plugin, context.tenant.value())};
  }
  return {ErrorCode::not_found, fmt::format("version '{}' of plugin '{}' is not enabled for tenant '{}'; it has {}",
                                            version, plugin, context.tenant.value(), fmt::join(names, ", "))};
}

using Permissions = std::vector<package::Permission>;

std::string listed(const Permissions& permissions) {
  return fmt::format("{}", fmt::join(package::texts_of(permissions), ", "));
}

/// Those of `wanted` that `granted` does not include.
Permissions missing_of(const Permissions& granted, const Permissions& wanted) {
  Permissions missing;
  for (const auto& one : wanted) {
    if (!package::covers(granted, one)) missing.push_back(one);
  }
  return missing;
}

/// Each wider one in the place of those that it includes. Error: exhausted.
Result<Permissions> with_granted(Permissions granted, const Permissions& more) {
  for (const auto& one : more) {
    if (package::covers(granted, one)) continue;
    std::erase_if(granted, [&](const auto& narrow) { return package::covers(one, narrow); });
    granted.push_back(one);
  }
  if (granted.size() <= package::permissions_max) return granted;
  return fail(ErrorCode::exhausted, fmt::format("a plugin has at most {} permissions; withdraw those it does not need",
                                                package::permissions_max));
}

base::Status check_asked(std::string_view plugin, const Permissions& asked, const Permissions& granted) {
  const Permissions more = missing_of(asked, granted);
  if (more.empty()) return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' cannot be granted: plugin '{}' may ask for {}", listed(more),
                                              plugin, asked.empty() ? std::string("nothing here") : listed(asked)));
}

/// What the tenant grants from here on where this version is enabled, or made the current one.
Result<Permissions> consent_to(const TenancyStore& store, const lmdb::Txn& state, const base::TenantId& tenant,
                               const EnablePlugin& command) {
  TRV_TRY_ASSIGN(auto granted, store.permissions(state, tenant, command.plugin));
  if (command.granted) {
    TRV_TRY(check_asked(command.plugin, command.asked, *command.granted));
    return with_granted(std::move(granted), *command.granted);
  }
  const Permissions missing = missing_of(granted, command.asked);
  if (missing.empty()) return granted;
  TRV_TRY_ASSIGN(const auto current, store.current_version(state, tenant, command.plugin));
  if (!command.says_so && !current) return with_granted(std::move(granted), command.asked);
  return fail(ErrorCode::conflict,
              fmt::format("plugin '{}' {} asks for what tenant '{}' has not granted: {}. For this tenant nothing was "
                          "changed. Grant it with --yes, or some of it with --grant; in the API, with \"permissions\"",
                          command.plugin, command.version, tenant.value(), listed(missing)));
}

record::Draft permissions_changed(DecisionContext& context, const std::string& plugin, const Permissions& before,
                                  const Permissions& after) {
  FlatBufferBuilder builder;
  const auto id = builder.CreateString(plugin);
  const auto all = builder.CreateVectorOfStrings(package::texts_of(after));
  const auto granted = builder.CreateVectorOfStrings(package::texts_of(missing_of(before, after)));
  const auto withdrawn = builder.CreateVectorOfStrings(package::texts_of(missing_of(after, before)));
  return shard::draft(
      context, "plugin", plugin, "trv.plugin.permissions_changed",
      record::finish(builder, schema::plugin::CreatePluginPermissionsChanged(builder, id, all, granted, withdrawn)));
}

/// No events where nothing changes.
Result<Decision> with_permissions(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                  const std::string& plugin, const Permissions& after) {
  TRV_TRY_ASSIGN(const auto before, store.permissions(state, context.tenant, plugin));
  return before == after ? Decision{} : one(permissions_changed(context, plugin, before, after));
}

record::Draft enabled(DecisionContext& context, const EnablePlugin& command, const Permissions& permissions) {
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto version = builder.CreateString(command.version);
  const auto sha256 = builder.CreateVector(command.package_sha256->data(), command.package_sha256->size());
  constexpr bool beside = true;
  const auto granted = builder.CreateVectorOfStrings(package::texts_of(permissions));
  const auto subscriptions = stored(builder, command.subscriptions);
  return shard::draft(context, "plugin", command.plugin, "trv.plugin.enabled",
                      record::finish(builder, schema::plugin::CreatePluginEnabled(builder, plugin, version, sha256,
                                                                                  beside, granted, subscriptions)));
}

enum class Direction { forward, back };

record::Draft switched(DecisionContext& context, const std::string& plugin, const std::string& from,
                       const std::string& to, Direction direction) {
  FlatBufferBuilder builder;
  const auto id = builder.CreateString(plugin);
  const auto before = builder.CreateString(from);
  const auto after = builder.CreateString(to);
  return shard::draft(context, "plugin", plugin, "trv.plugin.switched",
                      record::finish(builder, schema::plugin::CreatePluginSwitched(builder, id, before, after,
                                                                                   direction == Direction::back)));
}

/// That this version can be enabled, or is as it would be now. Error: not_found, exhausted.
Result<bool> is_enabled(const TenancyStore& store, const lmdb::Txn& state, const DecisionContext& context,
                        const EnablePlugin& command) {
  if (!command.package_sha256) {
    return fail(ErrorCode::not_found,
                fmt::format("plugin '{}' version '{}' is not installed", command.plugin, command.version));
  }
  TRV_TRY_ASSIGN(const auto all, store.versions(state, context.tenant, command.plugin));
  const auto there = std::ranges::find(all, command.version, &Grant::version);
  // The content of a version under development changes.
  if (there != all.end()) return there->subscriptions == command.subscriptions;
  if (all.size() < versions_max) return false;
  return fail(ErrorCode::exhausted,
              fmt::format("tenant '{}' has enabled {} versions of plugin '{}', and more are not allowed; disable those "
                          "that no workflow names: trav plugin disable {} VERSION",
                          context.tenant.value(), all.size(), command.plugin, command.plugin));
}

}  // namespace

base::Status check_consent(const TenancyStore& store, const lmdb::Txn& state, const base::TenantId& tenant,
                           const EnablePlugin& command) {
  TRV_TRY(consent_to(store, state, tenant, command));
  return {};
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const RequestPackage& command) {
  TRV_EXPECTS(context.tenant == base::system_tenant());
  const Package& package = command.package;
  TRV_TRY_ASSIGN(const auto existing, store.package(state, package.plugin, package.version));
  if (existing && existing->status != PackageStatus::refused) {
    const bool is_replaced = existing->status == PackageStatus::loaded && base::is_development(package.version);
    if (existing->package_sha256 != package.package_sha256 && !is_replaced) {
      return fail(ErrorCode::conflict,
                  fmt::format("plugin '{}' version {} is {} with other content (package SHA-256 {}); give the new "
                              "content a new version",
                              package.plugin, package.version, to_string(existing->status),
                              base::to_hex(existing->package_sha256)));
    }
    const bool is_same = existing->package_sha256 == package.package_sha256;
    if (existing->status == PackageStatus::pending || (is_same && command.runs)) return Decision{};
  }
  TRV_TRY(trust::admit(command.applicant, context.now));
  Package requested = package;
  requested.signatures = signatures_of(command.applicant, context.now);
  TRV_TRY(check_not_revoked(store, state, requested));
  return one(shard::draft(context, "plugin", package.plugin, "trv.plugin.requested", requested_payload(requested)));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const SettlePackage& command) {
  TRV_EXPECTS(context.tenant == base::system_tenant());
  TRV_TRY_ASSIGN(const auto existing, store.package(state, command.plugin, command.version));
  const bool is_asked = existing && existing->status == PackageStatus::pending;
  if (!is_asked || existing->package_sha256 != command.package_sha256) return Decision{};
  context.causation_id = existing->request;
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto version = builder.CreateString(command.version);
  const auto sha256 = builder.CreateVector(command.package_sha256.data(), command.package_sha256.size());
  if (!command.refusal) {
    return one(
        shard::draft(context, "plugin", command.plugin, "trv.plugin.loaded",
                     record::finish(builder, schema::plugin::CreatePluginLoaded(builder, plugin, version, sha256))));
  }
  const auto code = builder.CreateString(to_string(command.refusal->code()));
  const auto reason = builder.CreateString(command.refusal->message());
  return one(shard::draft(
      context, "plugin", command.plugin, "trv.plugin.refused",
      record::finish(builder, schema::plugin::CreatePluginRefused(builder, plugin, version, sha256, code, reason))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const UninstallPackage& command) {
  TRV_EXPECTS(context.tenant == base::system_tenant());
  TRV_TRY_ASSIGN(const auto existing, store.package(state, command.plugin, command.version));
  if (!existing || existing->status == PackageStatus::refused) {
    return fail(ErrorCode::not_found,
                fmt::format("plugin '{}' version '{}' is not installed", command.plugin, command.version));
  }
  if (existing->status == PackageStatus::pending) {
    return fail(ErrorCode::conflict, fmt::format("plugin '{}' {} is being installed; uninstall it once that is done",
                                                 command.plugin, command.version));
  }
  if (!command.enabled_in.empty()) {
    const std::size_t named = std::min(command.enabled_in.size(), tenants_named_max);
    return fail(ErrorCode::conflict,
                fmt::format("plugin '{}' {} is enabled for {} tenant{}: {}{}; disable it there first: trav plugin "
                            "disable {} {} --tenant {}",
                            command.plugin, command.version, command.enabled_in.size(),
                            command.enabled_in.size() == 1 ? "" : "s",
                            fmt::join(command.enabled_in.begin(),
                                      command.enabled_in.begin() + static_cast<std::ptrdiff_t>(named), ", "),
                            named < command.enabled_in.size() ? ", …" : "", command.plugin, command.version,
                            command.enabled_in.front()));
  }
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto version = builder.CreateString(command.version);
  const auto sha256 = builder.CreateVector(existing->package_sha256.data(), existing->package_sha256.size());
  return one(
      shard::draft(context, "plugin", command.plugin, "trv.plugin.uninstalled",
                   record::finish(builder, schema::plugin::CreatePluginUninstalled(builder, plugin, version, sha256))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const EnablePlugin& command) {
  TRV_TRY_ASSIGN(const bool is_there, is_enabled(store, state, context, command));
  TRV_TRY_ASSIGN(const Permissions permissions, consent_to(store, state, context.tenant, command));
  return is_there ? with_permissions(store, state, context, command.plugin, permissions)
                  : one(enabled(context, command, permissions));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const DisablePlugin& command) {
  TRV_TRY_ASSIGN(const auto all, store.versions(state, context.tenant, command.plugin));
  const bool is_there =
      command.version.empty() ? !all.empty() : std::ranges::find(all, command.version, &Grant::version) != all.end();
  if (!is_there) return fail(not_enabled(context, command.plugin, command.version, all));
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto version = command.version.empty() ? 0 : builder.CreateString(command.version);
  return one(shard::draft(context, "plugin", command.plugin, "trv.plugin.disabled",
                          record::finish(builder, schema::plugin::CreatePluginDisabled(builder, plugin, version))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const UpgradePlugin& command) {
  TRV_TRY_ASSIGN(const bool is_there, is_enabled(store, state, context, command.to));
  const std::string& plugin = command.to.plugin;
  TRV_TRY_ASSIGN(const auto current, store.current_version(state, context.tenant, plugin));
  if (!current) return fail(not_enabled(context, plugin, {}, {}));
  TRV_TRY_ASSIGN(const Permissions permissions, consent_to(store, state, context.tenant, command.to));
  Decision decision;
  if (is_there) {
    TRV_TRY_ASSIGN(decision, with_permissions(store, state, context, plugin, permissions));
  } else {
    decision.events.push_back(enabled(context, command.to, permissions));
  }
  if (current->version == command.to.version) return decision;
  decision.events.push_back(switched(context, plugin, current->version, command.to.version, Direction::forward));
  return decision;
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const RollBackPlugin& command) {
  TRV_TRY_ASSIGN(const auto current, store.current_version(state, context.tenant, command.plugin));
  if (!current) return fail(not_enabled(context, command.plugin, {}, {}));
  if (current->before.empty()) {
    return fail(ErrorCode::conflict,
                fmt::format("plugin '{}' {} was not upgraded from another version that is still enabled; "
                            "name one: trav plugin upgrade {} --to VERSION",
                            command.plugin, current->version, command.plugin));
  }
  return one(switched(context, command.plugin, current->version, current->before, Direction::back));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const ChangePermissions& command) {
  TRV_TRY_ASSIGN(const auto current, store.current_version(state, context.tenant, command.plugin));
  if (!current) return fail(not_enabled(context, command.plugin, {}, {}));
  TRV_TRY(check_asked(command.plugin, command.asked, command.grant));
  TRV_TRY_ASSIGN(const auto before, store.permissions(state, context.tenant, command.plugin));
  Permissions after = before;
  for (const auto& gone : command.withdraw) {
    if (std::erase_if(after, [&](const auto& narrow) { return package::covers(gone, narrow); }) > 0) continue;
    const auto wider = std::ranges::find_if(after, [&](const auto& wide) { return package::covers(wide, gone); });
    if (wider == after.end()) {
      return fail(ErrorCode::not_found,
                  fmt::format("'{}' is not granted to plugin '{}'; it has {}", gone.text(), command.plugin,
                              before.empty() ? std::string("nothing") : listed(before)));
    }
    return fail(ErrorCode::conflict,
                fmt::format("'{}' is a part of '{}', which is granted: withdraw that, and grant what is left of it",
                            gone.text(), wider->text()));
  }
  TRV_TRY_ASSIGN(after, with_granted(std::move(after), command.grant));
  return with_permissions(store, state, context, command.plugin, after);
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const ConfigurePlugin& command) {
  TRV_TRY_ASSIGN(const auto existing, store.configuration(state, context.tenant, command.plugin, command.version));
  const bool has_own = existing && existing->version == command.version;
  if (has_own ? existing->json == command.configuration : !command.configuration) return Decision{};
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto version = command.version.empty() ? 0 : builder.CreateString(command.version);
  const auto configuration = command.configuration ? builder.CreateString(*command.configuration) : 0;
  return one(shard::draft(
      context, "plugin", command.plugin, "trv.plugin.configured",
      record::finish(builder, schema::plugin::CreatePluginConfigured(builder, plugin, version, configuration))));
}

Result<Decision> decide(const TenancyStore&, const lmdb::Txn&, DecisionContext& context, const NoteCrash& command) {
  TRV_EXPECTS(!command.plugin.empty() && !command.reason.empty());
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto version = builder.CreateString(command.version);
  const auto reason = builder.CreateString(command.reason);
  return one(shard::draft(context, "plugin", command.plugin, "trv.plugin.crashed",
                          record::finish(builder, schema::plugin::CreatePluginCrashed(builder, plugin, version, reason,
                                                                                      command.quarantined))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const ReleasePlugin& command) {
  TRV_TRY_ASSIGN(const auto all, store.versions(state, context.tenant, command.plugin));
  if (all.empty()) return fail(not_enabled(context, command.plugin, {}, all));
  Decision decision;
  for (const Grant& grant : all) {
    if (!grant.quarantine) continue;
    FlatBufferBuilder builder;
    const auto plugin = builder.CreateString(grant.plugin);
    const auto version = builder.CreateString(grant.version);
    decision.events.push_back(
        shard::draft(context, "plugin", command.plugin, "trv.plugin.released",
                     record::finish(builder, schema::plugin::CreatePluginReleased(builder, plugin, version))));
  }
  if (!decision.events.empty()) return decision;
  return fail(ErrorCode::conflict,
              fmt::format("plugin '{}' is not in quarantine for tenant '{}'", command.plugin, context.tenant.value()));
}

}  // namespace trv::tenancy
