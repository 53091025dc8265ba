#include "kernel/tenancy/model.hpp"

#include <fmt/format.h>

#include "sdk/base/contract.hpp"

namespace trv::tenancy {

std::string_view to_string(Role role) noexcept {
  return role == Role::owner ? "owner" : "viewer";
}

base::Result<Role> parse_role(std::string_view text) {
  if (text == "owner") return Role::owner;
  if (text == "viewer") return Role::viewer;
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("role '{}' is not known; use owner or viewer", text.substr(0, 80)));
}

std::string_view to_string(PackageStatus status) noexcept {
  if (status == PackageStatus::pending) return "pending";
  return status == PackageStatus::loaded ? "loaded" : "refused";
}

bool allows(Role role, bool system, Resource resource, Verb verb) noexcept {
  const bool of_the_platform = resource == Resource::tenants || resource == Resource::packages;
  if (verb == Verb::write) return role == Role::owner && (system || !of_the_platform);
  if (resource == Resource::tenants) return system;
  if (resource == Resource::tokens) return role == Role::owner;
  return true;
}

base::Error in_quarantine(const base::TenantId& tenant, const Grant& grant) {
  TRV_EXPECTS(grant.quarantine);
  return {base::ErrorCode::denied,
          fmt::format("plugin '{}' {} is in quarantine for tenant '{}' since {}: {}. Once that is mended: trav plugin "
                      "release {} --tenant {}",
                      grant.plugin, grant.version, tenant.value(), grant.quarantine->since.to_rfc3339(),
                      grant.quarantine->reason, grant.plugin, tenant.value())};
}

std::string_view to_string(DeliveryProof proof) noexcept {
  return proof == DeliveryProof::token ? "token" : "hmac-sha256";
}

}  // namespace trv::tenancy
