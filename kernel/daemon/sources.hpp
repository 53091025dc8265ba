#pragma once
// The ports through which the egress broker and the plugin host learn what a tenant has, and what it lets its plugins
// do.

#include "kernel/egress/connection.hpp"
#include "kernel/node/node.hpp"
#include "kernel/plugin_host/permissions.hpp"

namespace trv::daemon {

/// Connections as the projection of the tenant's shard has them now. Any thread.
class ProjectedConnections final : public egress::ConnectionSource {
 public:
  explicit ProjectedConnections(const node::Node& node) : node_(node) {}
  [[nodiscard]] base::Result<egress::Connection> find(const base::TenantId& tenant, std::string_view name) override;

 private:
  [[nodiscard]] base::Result<egress::Connection> read(const base::TenantId& tenant, std::string_view name);

  const node::Node& node_;
};

/// What a tenant has granted, as the projection of its shard has it now. Any thread.
class ProjectedConsents final : public plugin_host::ConsentSource {
 public:
  explicit ProjectedConsents(const node::Node& node) : node_(node) {}
  [[nodiscard]] base::Result<std::vector<package::Permission>> granted(const base::TenantId& tenant,
                                                                       std::string_view plugin) const override;

 private:
  const node::Node& node_;
};

}  // namespace trv::daemon
