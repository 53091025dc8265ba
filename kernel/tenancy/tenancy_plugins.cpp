// Packages of the platform, and what tenants do with them: which versions they have enabled, which of those is the
// current one, how they are configured, and which crashed too often.

#include <fmt/format.h>

#include <algorithm>

#include "events/record/row.hpp"
#include "events/schema/plugin_generated.h"
#include "kernel/tenancy/package_signatures.hpp"
#include "kernel/tenancy/plugin_subscriptions.hpp"
#include "kernel/tenancy/rows.hpp"
#include "kernel/tenancy/tenancy_store.hpp"
#include "sdk/base/version.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using base::Result;
using record::digest_of;
using record::text_of;

constexpr std::size_t versions_max = 1'000;  // of one plugin in one tenant

std::string package_key(std::string_view plugin, std::string_view version) {
  return fmt::format("{}/{}", plugin, version);
}

Result<Package> requested_package_of(base::BytesView row) {
  return row_as<schema::plugin::PluginRequested>(row, [](const record::RecordView& record, const auto& event) {
    return Package{.plugin = std::string(text_of(event.plugin())),
                   .version = std::string(text_of(event.version())),
                   .package_sha256 = digest_of(event.package_sha256()),
                   .status = PackageStatus::pending,
                   .package_bytes = event.package_bytes(),
                   .library_sha256 = digest_of(event.library_sha256()),
                   .manifest = std::string(text_of(event.manifest())),
                   .signatures = signatures_of(event),
                   .request = record.event_id(),
                   .changed = record.time()};
  });
}

/// What an outcome says of a package, which trv.plugin.loaded and trv.plugin.refused say alike.
template <typename Outcome>
Package with_outcome(const record::RecordView& record, const Outcome& event, PackageStatus status) {
  Package package;
  package.plugin = text_of(event.plugin());
  package.version = text_of(event.version());
  package.package_sha256 = digest_of(event.package_sha256());
  package.status = status;
  package.changed = record.time();
  return package;
}

Result<Package> loaded_package_of(base::BytesView row) {
  return row_as<schema::plugin::PluginLoaded>(row, [](const record::RecordView& record, const auto& event) {
    return with_outcome(record, event, PackageStatus::loaded);
  });
}

Result<Package> refused_package_of(base::BytesView row) {
  return row_as<schema::plugin::PluginRefused>(row, [](const record::RecordView& record, const auto& event) {
    Package package = with_outcome(record, event, PackageStatus::refused);
    const bool is_at_fault = text_of(event.code()) != to_string(ErrorCode::unavailable);
    package.refusal =
        base::Error(is_at_fault ? ErrorCode::invalid : ErrorCode::unavailable, std::string(text_of(event.reason())));
    return package;
  });
}

Result<Grant> grant_of(base::BytesView row) {
  return row_as<schema::plugin::PluginEnabled>(row, [](const record::RecordView& record, const auto& event) {
    Grant grant{std::string(text_of(event.plugin())), std::string(text_of(event.version())), record.time()};
    grant.subscriptions = subscriptions_of(event);
    return grant;
  });
}

std::vector<std::string_view> texts_of(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* stored) {
  std::vector<std::string_view> texts;
  if (stored == nullptr) return texts;
  for (const auto* text : *stored) texts.push_back(text_of(text));
  return texts;
}

/// tenant ‖ 0 ‖ plugin/version: versions of a plugin are beside each other.
std::string version_key(const base::TenantId& tenant, std::string_view plugin, std::string_view version) {
  return scoped(tenant.value(), package_key(plugin, version));
}

Result<Configuration> configuration_of(base::BytesView row) {
  return row_as<schema::plugin::PluginConfigured>(row, [](const record::RecordView& record, const auto& event) {
    return Configuration{std::string(text_of(event.version())), std::string(text_of(event.configuration())),
                         record.time()};
  });
}

Result<Quarantine> quarantine_of(base::BytesView row) {
  return row_as<schema::plugin::PluginCrashed>(row, [](const record::RecordView& record, const auto& event) {
    return Quarantine{std::string(text_of(event.reason())), record.time()};
  });
}

Result<QuarantinedVersion> quarantined_of(base::BytesView row) {
  return row_as<schema::plugin::PluginCrashed>(row, [](const record::RecordView& record, const auto& event) {
    return QuarantinedVersion{.plugin = std::string(text_of(event.plugin())),
                              .version = std::string(text_of(event.version())),
                              .since = record.time()};
  });
}

}  // namespace

base::Status TenancyStore::apply_plugin(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const std::string_view type = event.type();
  if (type == "trv.plugin.requested") {
    TRV_TRY_ASSIGN(const Package package, requested_package_of(event.stored()));
    const std::string row = package_key(package.plugin, package.version);
    TRV_TRY(loaded_packages_.erase(txn, row));
    TRV_TRY(refused_packages_.erase(txn, row));
    return packages_.put(txn, row, event.stored());
  }
  if (type == "trv.plugin.loaded") {
    TRV_TRY_ASSIGN(const Package package, loaded_package_of(event.stored()));
    return loaded_packages_.put(txn, package_key(package.plugin, package.version), event.stored());
  }
  if (type == "trv.plugin.refused") {
    TRV_TRY_ASSIGN(const Package package, refused_package_of(event.stored()));
    const std::string row = package_key(package.plugin, package.version);
    TRV_TRY(packages_.erase(txn, row));
    return refused_packages_.put(txn, row, event.stored());
  }
  if (type == "trv.plugin.uninstalled") {
    TRV_TRY_ASSIGN(const auto* uninstalled, record::payload_of<schema::plugin::PluginUninstalled>(event));
    const std::string row = package_key(text_of(uninstalled->plugin()), text_of(uninstalled->version()));
    TRV_TRY(loaded_packages_.erase(txn, row));
    TRV_TRY(packages_.erase(txn, row));
    return {};
  }
  return apply_plugin_of_tenant(txn, event);
}

base::Status TenancyStore::apply_plugin_of_tenant(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const std::string_view type = event.type();
  const base::TenantId tenant(event.tenant());
  const std::string_view plugin = event.stream_id();
  if (type == "trv.plugin.enabled") {
    TRV_TRY_ASSIGN(const auto* enabled, record::payload_of<schema::plugin::PluginEnabled>(event));
    const std::string version(text_of(enabled->version()));
    if (!enabled->beside()) TRV_TRY(erase_grants(txn, tenant, plugin));
    TRV_TRY(grants_.put(txn, version_key(tenant, plugin, version), event.stored()));
    if (enabled->permissions() != nullptr)
      TRV_TRY(put_permissions(txn, tenant, plugin, texts_of(enabled->permissions())));
    TRV_TRY_ASSIGN(const auto current, current_version(txn, tenant, plugin));
    return current ? base::Status() : put_current(txn, tenant, plugin, {.version = version, .before = {}});
  }
  if (type == "trv.plugin.disabled") {
    TRV_TRY_ASSIGN(const auto* disabled, record::payload_of<schema::plugin::PluginDisabled>(event));
    const std::string_view version = text_of(disabled->version());
    if (version.empty()) return erase_grants(txn, tenant, plugin);
    TRV_TRY(grants_.erase(txn, version_key(tenant, plugin, version)));
    return find_next_current(txn, tenant, plugin, version);
  }
  if (type == "trv.plugin.switched") {
    TRV_TRY_ASSIGN(const auto* switched, record::payload_of<schema::plugin::PluginSwitched>(event));
    return put_current(txn, tenant, plugin,
                       {.version = std::string(text_of(switched->to())),
                        .before = switched->back() ? std::string() : std::string(text_of(switched->from()))});
  }
  if (type == "trv.plugin.permissions_changed") {
    TRV_TRY_ASSIGN(const auto* changed, record::payload_of<schema::plugin::PluginPermissionsChanged>(event));
    return put_permissions(txn, tenant, plugin, texts_of(changed->permissions()));
  }
  if (type == "trv.plugin.configured") {
    TRV_TRY_ASSIGN(const auto* configured, record::payload_of<schema::plugin::PluginConfigured>(event));
    const std::string key = version_key(tenant, plugin, text_of(configured->version()));
    if (configured->configuration() != nullptr) return configurations_.put(txn, key, event.stored());
    TRV_TRY(configurations_.erase(txn, key));
    return {};
  }
  if (type == "trv.plugin.crashed") {
    TRV_TRY_ASSIGN(const auto* crashed, record::payload_of<schema::plugin::PluginCrashed>(event));
    return crashed->quarantined()
               ? quarantines_.put(txn, version_key(tenant, plugin, text_of(crashed->version())), event.stored())
               : base::Status();
  }
  if (type == "trv.plugin.released") {
    TRV_TRY_ASSIGN(const auto* released, record::payload_of<schema::plugin::PluginReleased>(event));
    TRV_TRY(quarantines_.erase(txn, version_key(tenant, plugin, text_of(released->version()))));
    return {};
  }
  return {};
}

// ---- what they may do

base::Status TenancyStore::put_permissions(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::string_view plugin,
                                           const std::vector<std::string_view>& texts) {
  std::string row;
  record::RowWriter writer(row);
  writer << texts.size();
  for (const std::string_view text : texts) writer << text;
  return consents_.put(txn, scoped(tenant.value(), plugin), base::as_bytes(row));
}

Result<std::vector<package::Permission>> TenancyStore::permissions(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                   std::string_view plugin) const {
  const std::string key = scoped(tenant.value(), plugin);
  if (key.size() > lmdb::key_bytes_max) return std::vector<package::Permission>();
  TRV_TRY_ASSIGN(const auto row, consents_.get(txn, key));
  if (!row) {
    TRV_TRY_ASSIGN(const auto current, current_version(txn, tenant, plugin));
    return current ? package::permissions_unless_said() : std::vector<package::Permission>();
  }
  std::vector<package::Permission> permissions;
  record::RowReader reader(*row);
  for (std::size_t left = reader.count(1); left > 0; --left) {
    std::string_view text;
    reader >> text;
    if (auto one = package::Permission::parse(text)) permissions.push_back(*std::move(one));
  }
  TRV_TRY(reader.finish("the permissions of a plugin"));
  return permissions;
}

// ---- which version

base::Status TenancyStore::put_current(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::string_view plugin,
                                       const CurrentVersion& current) {
  std::string row;
  record::RowWriter(row) << std::string_view(current.version) << std::string_view(current.before);
  return current_versions_.put(txn, scoped(tenant.value(), plugin), base::as_bytes(row));
}

Result<std::optional<CurrentVersion>> TenancyStore::current_version(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                    std::string_view plugin) const {
  const std::string key = scoped(tenant.value(), plugin);
  if (key.size() > lmdb::key_bytes_max) return std::nullopt;
  TRV_TRY_ASSIGN(const auto row, current_versions_.get(txn, key));
  if (!row) return std::nullopt;
  std::string_view version;
  std::string_view before;
  record::RowReader reader(*row);
  reader >> version >> before;
  TRV_TRY(reader.finish("the current version of a plugin"));
  return CurrentVersion{std::string(version), std::string(before)};
}

base::Status TenancyStore::erase_grants(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::string_view plugin) {
  TRV_TRY_ASSIGN(const auto all, versions(txn, tenant, plugin));
  for (const Grant& one : all) TRV_TRY(grants_.erase(txn, version_key(tenant, plugin, one.version)));
  TRV_TRY(current_versions_.erase(txn, scoped(tenant.value(), plugin)));
  TRV_TRY(consents_.erase(txn, scoped(tenant.value(), plugin)));
  return {};
}

base::Status TenancyStore::find_next_current(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::string_view plugin,
                                             std::string_view gone) {
  TRV_TRY_ASSIGN(const auto current, current_version(txn, tenant, plugin));
  if (!current) return {};
  TRV_TRY_ASSIGN(const auto left, versions(txn, tenant, plugin));
  const auto next = current_without(*current, gone, left);
  if (next) return put_current(txn, tenant, plugin, *next);
  TRV_TRY(current_versions_.erase(txn, scoped(tenant.value(), plugin)));
  TRV_TRY(consents_.erase(txn, scoped(tenant.value(), plugin)));
  return {};
}

Result<std::vector<Grant>> TenancyStore::versions(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                  std::string_view plugin) const {
  TRV_TRY_ASSIGN(auto found, list(txn, grants_, version_key(tenant, plugin, ""), "", versions_max, grant_of));
  TRV_TRY_ASSIGN(const auto current, current_version(txn, tenant, plugin));
  for (Grant& one : found) TRV_TRY(add_state(txn, tenant, current, one));
  std::ranges::sort(found, [](const Grant& a, const Grant& b) {
    const auto left = base::Version::parse(a.version);
    const auto right = base::Version::parse(b.version);
    return left && right && *left != *right ? *left < *right : a.version < b.version;
  });
  return found;
}

base::Status TenancyStore::add_state(const lmdb::Txn& txn, const base::TenantId& tenant,
                                     const std::optional<CurrentVersion>& current, Grant& grant) const {
  grant.is_current = current && current->version == grant.version;
  TRV_TRY_ASSIGN(grant.quarantine,
                 find(txn, quarantines_, version_key(tenant, grant.plugin, grant.version), quarantine_of));
  return {};
}

Result<std::vector<QuarantinedVersion>> TenancyStore::quarantines(const lmdb::Txn& txn, std::size_t rows_max) const {
  std::vector<QuarantinedVersion> found;
  TRV_TRY(lmdb::scan(txn, quarantines_, {}, {}, lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView row) -> Result<lmdb::Visit> {
                       if (rows_max-- == 0) return lmdb::Visit::stop;
                       TRV_TRY_ASSIGN(const bool is_granted, grants_.contains(txn, base::as_text(key)));
                       if (!is_granted) return lmdb::Visit::go_on;
                       TRV_TRY_ASSIGN(QuarantinedVersion one, quarantined_of(row));
                       found.push_back(std::move(one));
                       return lmdb::Visit::go_on;
                     }));
  return found;
}

Result<std::optional<Grant>> TenancyStore::grant(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                 std::string_view plugin, std::string_view version) const {
  TRV_TRY_ASSIGN(const auto current, current_version(txn, tenant, plugin));
  if (!current) return std::nullopt;
  const auto line = base::VersionLine::parse(version);
  std::string exact(version.empty() ? std::string_view(current->version) : version);
  if (line) {
    const auto now = base::Version::parse(current->version);
    if (now && line->contains(*now)) {
      exact = current->version;
    } else {
      TRV_TRY_ASSIGN(const auto all, versions(txn, tenant, plugin));
      const auto found = std::find_if(all.rbegin(), all.rend(), [&](const Grant& one) {
        const auto parsed = base::Version::parse(one.version);
        return parsed && parsed->prerelease.empty() && line->contains(*parsed);
      });
      if (found == all.rend()) return std::nullopt;
      return *found;
    }
  }
  TRV_TRY_ASSIGN(auto grant, find(txn, grants_, version_key(tenant, plugin, exact), grant_of));
  if (grant) TRV_TRY(add_state(txn, tenant, current, *grant));
  return grant;
}

Result<std::vector<Grant>> TenancyStore::grants(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                std::string_view after, std::size_t count_max) const {
  TRV_TRY_ASSIGN(auto grants, list(txn, grants_, scoped(tenant.value(), ""), after, count_max, grant_of));
  for (Grant& grant : grants) {
    TRV_TRY_ASSIGN(const auto current, current_version(txn, tenant, grant.plugin));
    TRV_TRY(add_state(txn, tenant, current, grant));
  }
  return grants;
}

Result<std::optional<Configuration>> TenancyStore::configuration(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                 std::string_view plugin,
                                                                 std::string_view version) const {
  if (!version.empty()) {
    TRV_TRY_ASSIGN(auto own, find(txn, configurations_, version_key(tenant, plugin, version), configuration_of));
    if (own) return own;
  }
  return find(txn, configurations_, version_key(tenant, plugin, ""), configuration_of);
}

// ---- packages

base::Status TenancyStore::add_outcome(const lmdb::Txn& txn, Package& package) const {
  TRV_TRY_ASSIGN(const auto loaded,
                 find(txn, loaded_packages_, package_key(package.plugin, package.version), loaded_package_of));
  if (!loaded) return {};
  TRV_ASSERT(loaded->package_sha256 == package.package_sha256);
  package.status = loaded->status;
  package.changed = loaded->changed;
  return {};
}

Result<std::optional<Package>> TenancyStore::package(const lmdb::Txn& txn, std::string_view plugin,
                                                     std::string_view version) const {
  const std::string row = package_key(plugin, version);
  TRV_TRY_ASSIGN(auto package, find(txn, packages_, row, requested_package_of));
  if (!package) return find(txn, refused_packages_, row, refused_package_of);
  TRV_TRY(add_outcome(txn, *package));
  return package;
}

Result<std::vector<Package>> TenancyStore::loaded_packages(const lmdb::Txn& txn, std::string_view plugin) const {
  TRV_TRY_ASSIGN(auto all, list(txn, packages_, package_key(plugin, ""), "", versions_max, requested_package_of));
  for (Package& one : all) TRV_TRY(add_outcome(txn, one));
  std::erase_if(all, [](const Package& one) { return one.status != PackageStatus::loaded; });
  return all;
}

Result<std::vector<Package>> TenancyStore::packages(const lmdb::Txn& txn, std::string_view after,
                                                    std::size_t count_max) const {
  TRV_TRY_ASSIGN(auto packages, list(txn, packages_, "", after, count_max, requested_package_of));
  for (Package& package : packages) TRV_TRY(add_outcome(txn, package));
  return packages;
}

}  // namespace trv::tenancy
