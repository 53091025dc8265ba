#include "kernel/egress/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace trv::egress {
namespace {

struct Range4 {
  std::uint32_t first;
  int prefix;
};

// The IANA IPv4 special-purpose registry: what is not globally reachable, and multicast.
constexpr std::array closed4 = {
    Range4{0x00000000, 8},  Range4{0x0a000000, 8},  Range4{0x64400000, 10}, Range4{0x7f000000, 8},
    Range4{0xa9fe0000, 16}, Range4{0xac100000, 12}, Range4{0xc0000000, 24}, Range4{0xc0000200, 24},
    Range4{0xc0586300, 24}, Range4{0xc0a80000, 16}, Range4{0xc6120000, 15}, Range4{0xc6336400, 24},
    Range4{0xcb007100, 24}, Range4{0xe0000000, 4},  Range4{0xf0000000, 4},
};

bool is_public4(std::uint32_t address) noexcept {
  for (const Range4& range : closed4) {
    const std::uint32_t mask = ~std::uint32_t{0} << (32 - range.prefix);
    if ((address & mask) == range.first) return false;
  }
  return true;
}

std::uint32_t big_endian(const std::uint8_t* bytes) noexcept {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

bool is_public6(const std::array<std::uint8_t, 16>& a) noexcept {
  static constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static constexpr std::array<std::uint8_t, 12> translated = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
  if (std::memcmp(a.data(), mapped.data(), 12) == 0) return is_public4(big_endian(&a[12]));
  if (std::memcmp(a.data(), translated.data(), 12) == 0) return is_public4(big_endian(&a[12]));
  if ((a[0] & 0xe0) != 0x20) return false;                                 // only 2000::/3 is given out
  if (a[0] == 0x20 && a[1] == 0x02) return is_public4(big_endian(&a[2]));  // 6to4
  if (a[0] == 0x20 && a[1] == 0x01) {
    if ((a[2] & 0xfe) == 0) return false;            // 2001::/23: Teredo, ORCHID, benchmarking
    if (a[2] == 0x0d && a[3] == 0xb8) return false;  // documentation
  }
  return !(a[0] == 0x3f && a[1] == 0xff && (a[2] & 0xf0) == 0);  // documentation, RFC 9637
}

}  // namespace

bool is_public_address(const sockaddr& address) noexcept {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    return is_public4(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return is_public6(bytes);
  }
  return false;
}

bool is_public_address(std::string_view address) noexcept {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.size() >= text.size()) return false;
  address.copy(text.data(), address.size());
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, text.data(), bytes.data()) == 1) return is_public4(big_endian(bytes.data()));
  if (inet_pton(AF_INET6, text.data(), bytes.data()) == 1) return is_public6(bytes);
  return false;
}

}  // namespace trv::egress
