#pragma once
// The ports through which the egress broker learns of connections.

#include "events/projection/projection.hpp"
#include "kernel/egress/connection.hpp"
#include "kernel/tenancy/tenancy_store.hpp"

namespace trv::daemon {

/// Connections as the projection knows them now. Any thread.
class ProjectedConnections final : public egress::ConnectionSource {
 public:
  ProjectedConnections(const projection::Projection& projection, const tenancy::TenancyStore& tenancy)
      : projection_(projection), tenancy_(tenancy) {}
  [[nodiscard]] base::Result<egress::Connection> find(const base::TenantId& tenant, std::string_view name) override;

 private:
  const projection::Projection& projection_;
  const tenancy::TenancyStore& tenancy_;
};

}  // namespace trv::daemon
