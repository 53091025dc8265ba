#pragma once
// The ids that every layer speaks of.

#include "sdk/base/result.hpp"
#include "sdk/base/strong_id.hpp"

namespace trv::base {

/// A tenant's short name: a DNS label of 1 to 63 characters. "system" is the platform's own tenant.
using TenantId = StrongText<struct TenantIdTag>;

/// Checks a DNS label (RFC 1123): a-z, 0-9 and '-', no '-' at either end, 1 to 63 characters.
/// Error: invalid; `what` names the field in the message.
[[nodiscard]] Status check_label(std::string_view what, std::string_view text);

[[nodiscard]] inline TenantId system_tenant() {
  return TenantId("system");
}

}  // namespace trv::base
