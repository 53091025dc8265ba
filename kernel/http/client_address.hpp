#pragma once
// Which address a request comes from, where there are proxies between.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/http/request.hpp"
#include "sdk/base/result.hpp"

namespace trv::http {

/// The proxies that are believed when they say whom they have a request from. A value.
class TrustedProxies {
 public:
  /// Addresses, networks such as 10.0.0.0/8 and fd00::/8, and the word "unix" for the Unix socket, with commas between;
  /// at most 64. Error: invalid, with the part that is none.
  [[nodiscard]] static base::Result<TrustedProxies> parse(std::string_view list);

  [[nodiscard]] bool is_empty() const noexcept { return networks_.empty() && !trusts_unix_; }
  /// `address` as Request::remote_address has it.
  [[nodiscard]] bool trusts(std::string_view address) const;

 private:
  /// An IPv4 address is one of ::ffff:0:0/96.
  struct Network {
    std::array<std::uint8_t, 16> address{};
    unsigned prefix = 0;  ///< bits
  };
  std::vector<Network> networks_;
  bool trusts_unix_ = false;
};

/// The client of a request that came from `peer`. Of a peer that is trusted, `Forwarded` (RFC 7239) and
/// `X-Forwarded-For` are read from the right, over the proxies that are trusted, to the first address that is not; what
/// is not an address ends that, and the last one before it counts. Where a request has both and they differ, one of
/// them may be the client's own invention: `peer` counts. At most 32 entries are read.
[[nodiscard]] std::string client_address(const Request& request, std::string_view peer, const TrustedProxies& trusted);

}  // namespace trv::http
