#include "kernel/http/client_address.hpp"

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>

#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::http {
namespace {

using base::ErrorCode;
using boost::asio::ip::address;

constexpr std::size_t networks_max = 64;
constexpr std::size_t entries_max = 32;
constexpr std::size_t address_bytes_max = 64;
constexpr std::string_view unix_word = "unix";

std::optional<address> address_of(std::string_view text) {
  if (text.empty() || text.size() > address_bytes_max) return std::nullopt;
  boost::system::error_code error;
  address parsed = boost::asio::ip::make_address(text, error);
  if (error || (parsed.is_v6() && parsed.to_v6().scope_id() != 0)) return std::nullopt;
  if (parsed.is_v6() && parsed.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, parsed.to_v6());
  }
  return parsed;
}

std::array<std::uint8_t, 16> bytes_of(const address& from) {
  const auto v6 =
      from.is_v6() ? from.to_v6() : boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, from.to_v4());
  return v6.to_bytes();
}

enum class Quotes { hide, are_plain };

/// The parts of a list between separators that are not within quotes. A quote that is not closed hides nothing: what a
/// client sent would reach into what its proxy added.
std::vector<std::string_view> split(std::string_view text, char separator, Quotes quotes = Quotes::hide) {
  std::vector<std::string_view> parts;
  bool is_quoted = false;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (is_quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"' && quotes == Quotes::hide) {
      is_quoted = !is_quoted;
    } else if (!is_quoted && text[at] == separator) {
      parts.push_back(base::trimmed(text.substr(begin, at - begin)));
      begin = at + 1;
    }
  }
  if (is_quoted) return split(text, separator, Quotes::are_plain);
  parts.push_back(base::trimmed(text.substr(std::min(begin, text.size()))));
  return parts;
}

/// An address, perhaps in brackets and with a port, without them.
std::string_view without_port(std::string_view node) {
  if (node.starts_with('[')) {
    const std::size_t end = node.find(']');
    return end == std::string_view::npos ? "" : node.substr(1, end - 1);
  }
  const std::size_t colon = node.find(':');
  // With several colons it is an IPv6 address.
  return node.find(':', colon + 1) == std::string_view::npos ? node.substr(0, colon) : node;
}

/// What an element of Forwarded says that it is for; empty where it says nothing.
std::string for_of(std::string_view element) {
  for (const std::string_view pair : split(element, ';')) {
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && base::equal_ignoring_case(base::trimmed(pair.substr(0, equals)), "for")) {
      return base::unquoted(base::trimmed(pair.substr(equals + 1)));
    }
  }
  return {};
}

enum class Of { forwarded, x_forwarded_for };

/// nullopt: the request has no such header.
std::optional<std::string> client_by(const Request& request, Of of, std::string_view peer,
                                     const TrustedProxies& trusted) {
  const std::string_view name = of == Of::forwarded ? "Forwarded" : "X-Forwarded-For";
  std::vector<std::string_view> entries;
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const Field field = request.header_at(i);
    const Quotes quotes = of == Of::forwarded ? Quotes::hide : Quotes::are_plain;
    if (base::equal_ignoring_case(field.name, name))
      std::ranges::copy(split(field.value, ',', quotes), std::back_inserter(entries));
  }
  if (entries.empty()) return std::nullopt;
  std::string client(peer);
  for (const std::string_view entry : entries | std::views::reverse | std::views::take(entries_max)) {
    const std::string node = of == Of::forwarded ? for_of(entry) : std::string(entry);
    const auto hop = address_of(without_port(node));
    if (!hop) break;
    client = hop->to_string();
    if (!trusted.trusts(client)) break;
  }
  return client;
}

}  // namespace

base::Result<TrustedProxies> TrustedProxies::parse(std::string_view list) {
  TrustedProxies proxies;
  if (base::trimmed(list).empty()) return proxies;
  for (const auto range : std::views::split(list, ',')) {
    const std::string_view part = base::trimmed({range.begin(), range.end()});
    if (part == unix_word) {
      proxies.trusts_unix_ = true;
      continue;
    }
    const std::size_t slash = std::min(part.find('/'), part.size());
    const auto parsed = address_of(part.substr(0, slash));
    const unsigned bits = parsed && parsed->is_v4() ? 32 : 128;
    unsigned prefix = bits;
    bool is_network = parsed.has_value();
    if (is_network && slash < part.size()) {
      const auto [end, error] = std::from_chars(part.data() + slash + 1, part.data() + part.size(), prefix);
      is_network = error == std::errc() && end == part.data() + part.size() && prefix <= bits;
    }
    if (!is_network) {
      return base::fail(ErrorCode::invalid,
                        fmt::format("'{}' is not an address, a network such as 10.0.0.0/8, or the word unix",
                                    base::utf8_prefix(part, 80)));
    }
    proxies.networks_.push_back({.address = bytes_of(*parsed), .prefix = prefix + (128 - bits)});
  }
  if (proxies.networks_.size() <= networks_max) return proxies;
  return base::fail(ErrorCode::invalid,
                    fmt::format("{} networks; at most {} can be named", proxies.networks_.size(), networks_max));
}

bool TrustedProxies::trusts(std::string_view text) const {
  if (text.starts_with(unix_word)) return trusts_unix_;
  const auto parsed = address_of(text);
  if (!parsed) return false;
  const auto bytes = bytes_of(*parsed);
  return std::ranges::any_of(networks_, [&](const Network& network) {
    for (unsigned bit = 0; bit < network.prefix; bit += 8) {
      const unsigned left = network.prefix - bit;
      const unsigned mask = left >= 8 ? 0xff : 0xff & (0xff << (8 - left));
      if (((bytes[bit / 8] ^ network.address[bit / 8]) & mask) != 0) return false;
    }
    return true;
  });
}

std::string client_address(const Request& request, std::string_view peer, const TrustedProxies& trusted) {
  if (!trusted.trusts(peer)) return std::string(peer);
  const auto forwarded = client_by(request, Of::forwarded, peer, trusted);
  const auto x_forwarded_for = client_by(request, Of::x_forwarded_for, peer, trusted);
  if (forwarded && x_forwarded_for && *forwarded != *x_forwarded_for) return std::string(peer);
  return forwarded.value_or(x_forwarded_for.value_or(std::string(peer)));
}

}  // namespace trv::http
