#pragma once
// Decisions about plugins: their packages on the platform, and what tenants do with them. Pure, as decisions.hpp says.

#include <optional>
#include <string>
#include <vector>

#include "kernel/tenancy/decisions.hpp"
#include "kernel/trust/policy.hpp"

namespace trv::tenancy {

struct RequestPackage {
  Package package;                  ///< plugin, version, digests, size and manifest
  bool runs = false;                ///< on this node, or need not because it was not loaded yet when the request came
  trust::Applicant applicant = {};  ///< its signatures, and what the operator asks of them
};
/// In the system tenant. A package that is pending, or loaded and runs, is not requested again: no events. Error:
/// conflict where this version is pending or loaded with other content; a loaded one that base::is_development is
/// replaced; denied where its signatures are not enough.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const RequestPackage& command);

struct SettlePackage {
  std::string plugin;
  std::string version;
  base::Digest package_sha256{};
  std::optional<base::Error> refusal;  ///< nullopt: it was loaded
};
/// In the system tenant. A package that is not pending with this content is left alone: no events.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const SettlePackage& command);

struct UninstallPackage {
  std::string plugin;
  std::string version;
  std::vector<std::string> enabled_in = {};  ///< ids of tenants
};
/// In the system tenant. Errors: not_found; conflict while it is pending, or enabled somewhere.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const UninstallPackage& command);

struct EnablePlugin {
  std::string plugin;
  std::string version;
  std::optional<base::Digest> package_sha256 = std::nullopt;  ///< of this version; nullopt: it is not loaded
  std::vector<package::Permission> asked = {};                ///< by its manifest, and the operator allows it
  bool says_so = true;                                        ///< the manifest has a member "permissions"
  std::vector<package::Subscription> subscriptions = {};      ///< of its manifest
  std::optional<std::vector<package::Permission>> granted = std::nullopt;  ///< of `asked`; nullopt: nothing was said
};
/// Beside the versions that are enabled; once more where this one is, and its subscriptions are others. Where more is
/// asked for than the tenant has granted, `granted` has to be there: it may be less. A manifest that does not say what
/// it asks for needs none where the plugin was not enabled at all. Errors: not_found, exhausted; conflict (more is
/// asked for; names it); invalid (`granted` is not asked for).
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const EnablePlugin& command);
/// Whether the tenant's consent is there or given: to be asked before code of the version runs for the tenant. Errors:
/// conflict, invalid, exhausted, as above.
[[nodiscard]] base::Status check_consent(const TenancyStore& store, const lmdb::Txn& state,
                                         const base::TenantId& tenant, const EnablePlugin& command);

struct DisablePlugin {
  std::string plugin;
  std::string version = {};  ///< empty: every one
};
/// Error: not_found.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const DisablePlugin& command);

struct UpgradePlugin {
  EnablePlugin to;
};
/// The version is enabled where it is not, and is the current one. Errors: as EnablePlugin; not_found where no version
/// is enabled.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const UpgradePlugin& command);

struct RollBackPlugin {
  std::string plugin;
};
/// The version before the last upgrade is the current one again. Errors: not_found (not enabled); conflict (there is
/// none).
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const RollBackPlugin& command);

struct ChangePermissions {
  std::string plugin;
  std::vector<package::Permission> grant = {};
  std::vector<package::Permission> withdraw = {};  ///< with everything that it includes
  std::vector<package::Permission> asked = {};     ///< by the versions that are enabled, and the operator allows it
};
/// The same again: no events. Errors: not_found (not enabled, or what is withdrawn was not granted); invalid (what is
/// granted is not asked for); conflict (what is withdrawn is a part of what was granted); exhausted.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const ChangePermissions& command);

struct ConfigurePlugin {
  std::string plugin;
  std::string version = {};                  ///< empty: those that have none of their own
  std::optional<std::string> configuration;  ///< a JSON object that was held against the schema; nullopt: none any more
};
/// The same again: no events.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const ConfigurePlugin& command);

struct NoteCrash {
  std::string plugin;
  std::string version;
  std::string reason;
  bool quarantined = false;
};
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const NoteCrash& command);

struct ReleasePlugin {
  std::string plugin;
};
/// Every version of it. Errors: not_found (not enabled), conflict (not in quarantine).
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const ReleasePlugin& command);

}  // namespace trv::tenancy
