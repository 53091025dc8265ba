#pragma once
// The ports through which the egress broker learns of connections.

#include "kernel/egress/connection.hpp"
#include "kernel/node/node.hpp"

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

}  // namespace trv::daemon
