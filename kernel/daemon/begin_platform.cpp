#include "kernel/daemon/begin_platform.hpp"

#include "kernel/tenancy/decisions.hpp"

namespace trv::daemon {

base::Status begin_platform(node::Shard& platform, const gateway::NewToken& token, bool is_new) {
  return platform.decide_and_wait(
      base::system_tenant(),
      [&](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        shard::Decision decision;
        if (is_new) {
          const std::string name = "The platform";
          TRV_TRY_ASSIGN(decision, tenancy::decide(platform.tenancy(), state, context,
                                                   tenancy::PlaceTenant{base::system_tenant(), name}));
          TRV_TRY_ASSIGN(shard::Decision created, tenancy::decide(platform.tenancy(), state, context,
                                                                  tenancy::CreateTenant{base::system_tenant(), name}));
          decision.append(std::move(created));
        }
        TRV_TRY_ASSIGN(shard::Decision issued, tenancy::decide(platform.tenancy(), state, context,
                                                               tenancy::IssueToken{.id = token.id,
                                                                                   .name = "operator",
                                                                                   .role = tenancy::Role::owner,
                                                                                   .hash = token.hash,
                                                                                   .expires = std::nullopt}));
        decision.append(std::move(issued));
        return decision;
      });
}

}  // namespace trv::daemon
