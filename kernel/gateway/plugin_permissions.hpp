#pragma once
// What plugins ask for, what the operator and the tenant let them do, and how a tenant changes that.

#include "kernel/gateway/access.hpp"
#include "kernel/gateway/body.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/plugin_decisions.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::gateway {

using AskedFor = std::vector<package::Permission>;

/// What an installed package asks for, from its manifest.
struct PackageAsks {
  AskedFor requested;
  AskedFor allowed;      ///< of it, what the operator lets plugins have
  bool says_so = false;  ///< the manifest has a member "permissions"
  std::vector<package::Subscription> subscriptions;
};
/// Error: corrupt (its manifest cannot be read).
[[nodiscard]] base::Result<PackageAsks> asks_of(const plugin_host::PluginHost& plugins,
                                                const tenancy::Package& package);

/// A member that is an array of permissions; nullopt where it is missing. Error: invalid.
[[nodiscard]] base::Result<std::optional<AskedFor>> permissions_in(const Body& body, std::string_view name);

/// As texts.
[[nodiscard]] json::Value listed(const AskedFor& permissions);

/// The refusal to enable or upgrade; where the tenant has yet to grant something it has `asked` and `missing`.
[[nodiscard]] http::Response refusal_of(const Call& call, const base::Error& error,
                                        const tenancy::EnablePlugin& command);

void add_plugin_permission_routes(http::Router& router, const node::Node& node, const Packages& packages);

}  // namespace trv::gateway
