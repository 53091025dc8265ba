#pragma once
// Decisions about tenants and what they own. Pure: state and command in, events out.

#include <optional>

#include "kernel/shard/decision.hpp"
#include "kernel/tenancy/tenancy_store.hpp"

namespace trv::tenancy {

using base::Result;
using shard::Decision;
using shard::DecisionContext;

// A decision reads the shard of its own tenant alone. What a command must know of the platform, its sender reads in
// shard 0 and hands over as fields.

struct PlaceTenant {
  base::TenantId id;
  std::string display_name;
  std::uint32_t shards = 1;                  ///< how many the cluster has
  std::set<std::uint32_t> catching_up = {};  ///< which of them take no tenant now
};
/// In the system tenant, on shard 0: the tenant will live in the shard with the fewest; shard 0 itself is left to the
/// platform where there are others. A tenant that is placed already stays where it is: no events. Errors: invalid;
/// unavailable where no shard takes a tenant now.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const PlaceTenant& command);

struct RequestMove {
  base::TenantId tenant;
  std::uint64_t shard = 0;
  std::uint32_t shards = 1;  ///< how many the cluster has
};
/// In the system tenant, on shard 0. A tenant that lives in that shard already, or moves there, is left alone: no
/// events. Errors: not_found; invalid for the system tenant and for a shard in which no tenant can live; conflict while
/// it moves to another one.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const RequestMove& command);

enum class MoveStep {
  placed,    ///< the tenant has arrived: requests go to its new shard
  finished,  ///< nothing is left to do
};
struct RecordMove {
  Move move;
  MoveStep step = MoveStep::placed;
};
/// In the system tenant, on shard 0. A step that is recorded already, or of another move: no events.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const RecordMove& command);

struct CreateTenant {
  base::TenantId id;
  std::string display_name;
};
/// In the new tenant's own stream, in its shard, once it is placed there. Error: conflict where it exists.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const CreateTenant& command);

struct SetRetention {
  Retention retention;
};
/// The same setting again changes nothing. Error: invalid over retention_days_max.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const SetRetention& command);

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
  std::string certificate = {};  ///< the hash is certificate_hash() of it; empty: that of a text
};
/// Errors: invalid; conflict for an id that is taken, and where another token has this certificate.
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
  bool plugin_installed = false;  ///< some version of the connection's plugin is loaded
};
/// Errors: invalid, also for a plugin of which no version is installed.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const ApplyConnection& command);

struct RemoveConnection {
  std::string name;
};
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const RemoveConnection& command);

struct DeclareWebhook {
  Webhook webhook;
};
/// Errors: invalid, names the field as the API does.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const DeclareWebhook& command);

struct RemoveWebhook {
  std::string name;
};
/// Error: not_found.
[[nodiscard]] Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                                      const RemoveWebhook& command);

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
