#include "kernel/egress/connection.hpp"

#include <fmt/format.h>

#include "kernel/egress/request.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::egress {

base::Status check_user(std::string_view user) {
  if (!user.contains(':') && base::is_field_value(user)) return {};
  return base::fail(base::ErrorCode::invalid, "auth.user cannot hold ':' or a control character");
}

base::Status check_secret_header(std::string_view name) {
  if (!is_header_name(name)) {
    return base::fail(
        base::ErrorCode::invalid,
        fmt::format("auth.header is '{}'; it must be the name of an HTTP header, such as X-Api-Key", name));
  }
  if (!is_host_header(name) || base::equal_ignoring_case(name, "Authorization")) return {};
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("auth.header is '{}', which travd sets itself; name another header", name));
}

}  // namespace trv::egress
