#include "kernel/daemon/sources.hpp"

#include <fmt/format.h>

namespace trv::daemon {
namespace {

egress::AuthenticationScheme scheme_of(std::string_view text) {
  using enum egress::AuthenticationScheme;
  if (text == "bearer") return bearer;
  if (text == "basic") return basic;
  if (text == "header") return header;
  return none;
}

}  // namespace

base::Result<egress::Connection> ProjectedConnections::find(const base::TenantId& tenant, std::string_view name) {
  auto found = read(tenant, name);
  if (found || found.error().code() != base::ErrorCode::internal) return found;
  // A state that cannot be read now: the request is tried again.
  return base::fail(base::ErrorCode::unavailable, "the connections cannot be read now");
}

base::Result<egress::Connection> ProjectedConnections::read(const base::TenantId& tenant, std::string_view name) {
  TRV_TRY_ASSIGN(const node::Shard* shard, node_.shard_of(tenant));
  TRV_TRY_ASSIGN(const auto txn, shard->begin_read());
  TRV_TRY_ASSIGN(auto stored, shard->tenancy().connection(txn, tenant, name));
  if (!stored) {  // who asks says which
    return base::fail(
        base::ErrorCode::not_found,
        fmt::format("tenant '{0}' has none of this name. Make it with: trav connection set {1} --tenant {0} "
                    "--plugin ID --base-url URL",
                    tenant.value(), name.substr(0, 80)));
  }
  egress::Connection connection;
  connection.tenant = tenant;
  connection.name = std::move(stored->name);
  connection.plugin = std::move(stored->plugin);
  connection.base_url = std::move(stored->base_url);
  connection.authentication.scheme = scheme_of(stored->scheme);
  connection.authentication.secret_reference = std::move(stored->secret);
  (stored->scheme == "header" ? connection.authentication.header : connection.authentication.user) =
      std::move(stored->user);
  connection.allow_private_network = stored->allow_private_network;
  return connection;
}

base::Result<std::vector<package::Permission>> ProjectedConsents::granted(const base::TenantId& tenant,
                                                                          std::string_view plugin) const {
  const auto found = [&]() -> base::Result<std::vector<package::Permission>> {
    TRV_TRY_ASSIGN(const node::Shard* shard, node_.shard_of(tenant));
    TRV_TRY_ASSIGN(const auto txn, shard->begin_read());
    return shard->tenancy().permissions(txn, tenant, plugin);
  }();
  if (found || found.error().code() != base::ErrorCode::internal) return found;
  return base::fail(base::ErrorCode::unavailable, "what the tenant has granted cannot be read now");
}

}  // namespace trv::daemon
