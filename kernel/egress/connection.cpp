#include "kernel/egress/connection.hpp"

#include <fmt/format.h>

#include "kernel/egress/request.hpp"
#include "kernel/egress/url.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;

base::Status check_authentication(const Authentication& authentication) {
  const auto refuse = [](std::string_view why) { return base::fail(ErrorCode::invalid, fmt::format("auth: {}", why)); };
  if (authentication.scheme == AuthenticationScheme::none) {
    return authentication.secret_reference.empty() ? base::Status{} : refuse("scheme none takes no secret");
  }
  if (authentication.secret_reference.empty()) return refuse("a secret is missing");
  if (authentication.scheme == AuthenticationScheme::basic) {
    const std::string& user = authentication.user;
    if (user.size() > 1'024 || user.contains(':') || !is_header_value(user)) {
      return refuse("user must not hold ':' or control characters, nor have over 1024 bytes");
    }
  }
  if (authentication.scheme == AuthenticationScheme::header) {
    const std::string& header = authentication.header;
    if (!is_header_name(header)) return refuse("header must be the name of an HTTP header");
    if (is_host_header(header) && header != "Authorization" && header != "authorization") {
      return refuse(fmt::format("header '{}' is not one that may be set", header));
    }
  }
  return {};
}

}  // namespace

base::Status check_connection(const Connection& connection) {
  TRV_TRY(base::check_label("tenant", connection.tenant.value()));
  TRV_TRY(base::check_label("connection name", connection.name));
  if (!connection.plugin.empty()) TRV_TRY(base::check_label("plugin", connection.plugin));
  TRV_TRY(parse_base_url(connection.base_url));
  TRV_TRY(check_authentication(connection.authentication));
  const ConnectionLimits& limits = connection.limits;
  if (limits.response_bytes_max == 0 || limits.timeout_ms_max == 0 || limits.concurrency_max == 0) {
    return base::fail(ErrorCode::invalid, "limits must be above 0");
  }
  return {};
}

}  // namespace trv::egress
