#pragma once
// Revocation lists in the platform's projection, and the decision that takes one. docs/formats/revocations.md.

#include <optional>
#include <string>
#include <vector>

#include "kernel/shard/decision.hpp"
#include "kernel/tenancy/tenancy_store.hpp"
#include "kernel/trust/revocations.hpp"
#include "kernel/trust/roots.hpp"

namespace trv::tenancy {

/// What counts of one issuer.
struct RevocationList {
  trust::Revocations list;
  std::string issuer;  ///< the key that signed, in its published form
  base::Timestamp imported;
};

/// `after` is the key of an issuer in its published form. In shard 0.
[[nodiscard]] base::Result<std::vector<RevocationList>> revocation_lists(const TenancyStore& store,
                                                                         const lmdb::Txn& txn, std::string_view after,
                                                                         std::size_t count_max);

/// Why the package is revoked, by which list; nullopt: it is not.
[[nodiscard]] std::optional<std::string> reason_for(const std::vector<RevocationList>& lists, const Package& package);

struct ImportRevocations {
  std::string list;    ///< as it came
  trust::Roots roots;  ///< of the trust file
};
/// In the system tenant. The list that is there already: no events. Errors: invalid (not such a list), denied (no
/// trusted key has signed it), conflict (its counter is not higher).
[[nodiscard]] base::Result<shard::Decision> decide(const TenancyStore& store, const lmdb::Txn& state,
                                                   shard::DecisionContext& context, const ImportRevocations& command);

/// A package that is revoked is not requested: denied, with the reason.
[[nodiscard]] base::Status check_not_revoked(const TenancyStore& store, const lmdb::Txn& state, const Package& package);

}  // namespace trv::tenancy
