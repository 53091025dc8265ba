#pragma once
// Decisions about tenants and what they own. Pure: state and command in, events out.

#include "kernel/shard/decision.hpp"
#include "kernel/tenancy/tenancy_store.hpp"

namespace trv::tenancy {

using base::Result;
using shard::Decision;
using shard::DecisionContext;

struct CreateTenant {
  base::TenantId id;
  std::string display_name;
};
/// In the new tenant's own stream. Errors: invalid id, conflict where it exists.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const CreateTenant& command);

struct AddMember {
  std::string user;
  Role role = Role::viewer;
};
/// The same user and role again changes nothing; another role replaces.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const AddMember& command);

struct IssueToken {
  std::string id;
  std::string name;
  Role role = Role::viewer;
  base::Digest hash{};
  std::optional<base::Timestamp> expires;
};
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const IssueToken& command);

struct RevokeToken {
  std::string id;
};
/// Errors: not_found; conflict for the last owner token that can be used, since nobody could issue another.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const RevokeToken& command);

struct ApplyConnection {
  Connection connection;
};
/// Errors: invalid, also for a plugin of which no version is installed.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const ApplyConnection& command);

struct RemoveConnection {
  std::string name;
};
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const RemoveConnection& command);

struct InstallPackage {
  Package package;
};
/// In the system tenant. The same package again changes nothing; the same version with other bytes is a conflict.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const InstallPackage& command);

struct EnablePlugin {
  std::string plugin;
  std::string version;
};
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const EnablePlugin& command);

struct DisablePlugin {
  std::string plugin;
};
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const DisablePlugin& command);

struct DenyAccess {
  std::string action;
  std::string target;
  std::string reason;
  std::string source;
};
/// A refused attempt is a fact too.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const DenyAccess& command);

struct ReadTrail {
  std::string what;
  std::uint64_t size = 0;
  std::string source;
};
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const ReadTrail& command);

}  // namespace trv::tenancy
