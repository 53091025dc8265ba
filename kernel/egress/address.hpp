#pragma once
// Which network addresses belong to the public internet. Pure functions; any thread.

#include <string_view>

struct sockaddr;

namespace trv::egress {

/// False for loopback, private, link-local, shared (RFC 6598), documentation, multicast and reserved addresses, for
/// IPv6 forms that embed such an IPv4 address, and for any family but IPv4 and IPv6.
[[nodiscard]] bool is_public_address(const sockaddr& address) noexcept;
/// The same for a numeric address; false for any other text.
[[nodiscard]] bool is_public_address(std::string_view address) noexcept;

}  // namespace trv::egress
