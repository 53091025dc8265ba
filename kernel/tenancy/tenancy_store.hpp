#pragma once
// The projection of tenants and what they own: tables, how events change them, and how they are read.

#include <vector>

#include "events/lmdb/table.hpp"
#include "events/projection/projector.hpp"
#include "kernel/tenancy/model.hpp"
#include "sdk/package/permission.hpp"

namespace trv::tenancy {

/// A version that some tenant has in quarantine.
struct QuarantinedVersion {
  std::string plugin;
  std::string version;
  base::Timestamp since;
};

/// Rows begin with the tenant, so that nothing is found outside it. `open` and `apply` belong to the shard's thread;
/// readers may be called from any thread with a transaction of their own.
class TenancyStore final : public projection::Projector {
 public:
  [[nodiscard]] std::string_view name() const override { return "tenancy"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 11; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

  /// Shard 0 alone knows tenants and packages; everything else is in the tenant's own shard.
  [[nodiscard]] base::Result<std::optional<Tenant>> tenant(const lmdb::Txn& txn, const base::TenantId& id) const;
  /// Those that are not finished, in the order of their tenants. In shard 0.
  [[nodiscard]] base::Result<std::vector<Move>> moves(const lmdb::Txn& txn, std::size_t count_max) const;
  [[nodiscard]] base::Result<std::optional<Move>> move(const lmdb::Txn& txn, const base::TenantId& tenant) const;
  /// How many tenants live in that shard.
  [[nodiscard]] base::Result<std::uint64_t> tenants_in(const lmdb::Txn& txn, record::ShardId shard) const;
  /// Whether the tenant was created in this shard.
  [[nodiscard]] base::Result<bool> is_here(const lmdb::Txn& txn, const base::TenantId& id) const;
  /// In the order of their ids, those after `after`.
  [[nodiscard]] base::Result<std::vector<Tenant>> tenants(const lmdb::Txn& txn, std::string_view after,
                                                          std::size_t count_max) const;
  /// The default where nothing was set.
  [[nodiscard]] base::Result<Retention> retention(const lmdb::Txn& txn, const base::TenantId& id) const;
  [[nodiscard]] base::Result<std::optional<Member>> member(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                           std::string_view user) const;
  [[nodiscard]] base::Result<std::vector<Member>> members(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                          std::string_view after, std::size_t count_max) const;
  [[nodiscard]] base::Result<std::optional<Token>> token(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         std::string_view id) const;
  /// The token of the tenant whose text has this SHA-256.
  [[nodiscard]] base::Result<std::optional<Token>> token_by_hash(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                 const base::Digest& hash) const;
  [[nodiscard]] base::Result<std::vector<Token>> tokens(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                        std::string_view after, std::size_t count_max) const;
  /// Whether the tenant has an owner token besides `id` that has not expired at `now`.
  [[nodiscard]] base::Result<bool> has_other_owner_token(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         std::string_view id, base::Timestamp now) const;
  [[nodiscard]] base::Result<std::optional<Connection>> connection(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                   std::string_view name) const;
  [[nodiscard]] base::Result<std::vector<Connection>> connections(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                  std::string_view after, std::size_t count_max) const;
  [[nodiscard]] base::Result<std::optional<Webhook>> webhook(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                             std::string_view name) const;
  [[nodiscard]] base::Result<std::vector<Webhook>> webhooks(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                            std::string_view after, std::size_t count_max) const;
  /// Also one that was refused, until another request for the same version.
  [[nodiscard]] base::Result<std::optional<Package>> package(const lmdb::Txn& txn, std::string_view plugin,
                                                             std::string_view version) const;
  /// The versions of the plugin that are loaded.
  [[nodiscard]] base::Result<std::vector<Package>> loaded_packages(const lmdb::Txn& txn, std::string_view plugin) const;
  /// Those that are pending or loaded. `after` is "<plugin>/<version>".
  [[nodiscard]] base::Result<std::vector<Package>> packages(const lmdb::Txn& txn, std::string_view after,
                                                            std::size_t count_max) const;
  /// Of revocations.hpp: by the key that signed.
  [[nodiscard]] const lmdb::Table& revocations() const noexcept { return revocations_; }
  /// The version that a call of `version` goes to: that one; of a line ("1", "1.2") the current version where it is of
  /// it, else the highest that is enabled; the current version where it is empty. nullopt: none is enabled.
  [[nodiscard]] base::Result<std::optional<Grant>> grant(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         std::string_view plugin, std::string_view version = {}) const;
  /// What is enabled of a plugin, the lowest version first.
  [[nodiscard]] base::Result<std::vector<Grant>> versions(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                          std::string_view plugin) const;
  /// `after` is "<plugin>/<version>".
  [[nodiscard]] base::Result<std::vector<Grant>> grants(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                        std::string_view after, std::size_t count_max) const;
  /// Of all tenants of the shard; none of what a tenant may not call any more. At most `rows_max` are looked at.
  [[nodiscard]] base::Result<std::vector<QuarantinedVersion>> quarantines(const lmdb::Txn& txn,
                                                                          std::size_t rows_max) const;
  [[nodiscard]] base::Result<std::optional<CurrentVersion>> current_version(const lmdb::Txn& txn,
                                                                            const base::TenantId& tenant,
                                                                            std::string_view plugin) const;
  /// What the tenant has granted the plugin, all of its versions. Words that this release does not know are left out.
  [[nodiscard]] base::Result<std::vector<package::Permission>> permissions(const lmdb::Txn& txn,
                                                                           const base::TenantId& tenant,
                                                                           std::string_view plugin) const;
  /// That of the version, or else that of the plugin. nullopt: none was set.
  [[nodiscard]] base::Result<std::optional<Configuration>> configuration(const lmdb::Txn& txn,
                                                                         const base::TenantId& tenant,
                                                                         std::string_view plugin,
                                                                         std::string_view version) const;

 private:
  [[nodiscard]] base::Status add_state(const lmdb::Txn& txn, const base::TenantId& tenant,
                                       const std::optional<CurrentVersion>& current, Grant& grant) const;
  [[nodiscard]] base::Status add_outcome(const lmdb::Txn& txn, Package& package) const;
  [[nodiscard]] base::Status add_placement(const lmdb::Txn& txn, Tenant& tenant) const;
  [[nodiscard]] base::Status add_tenants_in(lmdb::WriteTxn& txn, record::ShardId shard, std::int64_t more);
  [[nodiscard]] base::Status apply_move(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_plugin(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_revocations(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_plugin_of_tenant(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status put_current(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::string_view plugin,
                                         const CurrentVersion& current);
  [[nodiscard]] base::Status put_permissions(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::string_view plugin,
                                             const std::vector<std::string_view>& texts);
  [[nodiscard]] base::Status erase_grants(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::string_view plugin);
  [[nodiscard]] base::Status find_next_current(lmdb::WriteTxn& txn, const base::TenantId& tenant,
                                               std::string_view plugin, std::string_view gone);

  lmdb::Table tenants_;
  lmdb::Table tenants_in_;
  lmdb::Table placements_;  ///< tenant → shard, and that before; of tenants that have moved
  lmdb::Table moves_;       ///< tenant → Move
  lmdb::Table created_;
  lmdb::Table retention_;
  lmdb::Table members_;
  lmdb::Table tokens_;
  lmdb::Table token_hashes_;
  lmdb::Table owner_tokens_;
  lmdb::Table connections_;
  lmdb::Table webhooks_;
  lmdb::Table packages_;         ///< what was requested, until it is refused
  lmdb::Table loaded_packages_;  ///< of those, what is not pending any more
  lmdb::Table refused_packages_;
  lmdb::Table revocations_;
  lmdb::Table grants_;            ///< this and the next three: by plugin and version
  lmdb::Table current_versions_;  ///< by plugin
  lmdb::Table consents_;          ///< by plugin: what was granted; none in logs of before there were permissions
  lmdb::Table quarantines_;
  lmdb::Table configurations_;  ///< without a version: of those that have none of their own
};

}  // namespace trv::tenancy
