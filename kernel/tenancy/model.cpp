#include "kernel/tenancy/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

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

base::Status check_certificate_name(std::string_view name) {
  constexpr std::array<std::string_view, 5> kinds = {"sha256:", "uri:", "dns:", "email:", "cn:"};
  constexpr std::size_t name_bytes_max = 255;
  constexpr std::size_t digest_digits = 64;
  const auto* const kind = std::ranges::find_if(kinds, [&](std::string_view one) { return name.starts_with(one); });
  const std::string_view text = kind == kinds.end() ? "" : name.substr(kind->size());
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  bool is_name = !text.empty() && name.size() <= name_bytes_max && std::ranges::all_of(text, is_plain) &&
                 !text.starts_with(' ') && !text.ends_with(' ');
  if (is_name && *kind == "sha256:") is_name = text.size() == digest_digits && std::ranges::all_of(text, is_digit);
  if (is_name && *kind == "dns:") is_name = std::ranges::none_of(text, is_upper);
  if (is_name) return {};
  return base::fail(
      base::ErrorCode::invalid,
      fmt::format("'{}' is not a name of a certificate; write sha256: and its fingerprint in 64 digits of "
                  "0-9 and a-f, or uri:, dns: (in lower case), email: or cn: and the name that it has",
                  base::utf8_prefix(name, 80)));
}

base::Digest certificate_hash(std::string_view name) {
  return base::sha256(base::as_bytes(fmt::format("certificate {}", name)));
}

}  // namespace trv::tenancy
