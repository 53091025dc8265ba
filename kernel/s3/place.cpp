#include "kernel/s3/place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace trv::s3 {
namespace {

using base::ErrorCode;
using base::fail;

constexpr std::string_view scheme = "s3://";
constexpr std::size_t bucket_bytes_min = 3;
constexpr std::size_t bucket_bytes_max = 63;
constexpr std::size_t prefix_bytes_max = 512;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_bucket(std::string_view text) {
  const auto is_letter_or_digit = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c); };
  return text.size() >= bucket_bytes_min && text.size() <= bucket_bytes_max && is_letter_or_digit(text.front()) &&
         is_letter_or_digit(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
}

bool is_prefix(std::string_view text) {
  if (text.empty()) return true;
  if (text.size() > prefix_bytes_max) return false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

}  // namespace

bool is_url(std::string_view text) noexcept {
  return text.find("://") != std::string_view::npos;
}

base::Result<Place> parse_place(std::string_view text) {
  const auto refused = [text](std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("'{}' is not a place in an object storage: {}; write "
                                                "s3://bucket/prefix",
                                                text, why));
  };
  if (!text.starts_with(scheme)) return refused("it does not begin with s3://");
  std::string_view rest = text.substr(scheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  Place place{.bucket = std::string(rest.substr(0, slash)), .prefix = {}};
  if (!is_bucket(place.bucket)) {
    return refused(fmt::format("the bucket '{}' is not 3 to 63 lower-case letters, digits, '-' and '.'", place.bucket));
  }
  rest.remove_prefix(slash);
  if (rest.starts_with('/')) rest.remove_prefix(1);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (!is_prefix(rest)) return refused(fmt::format("the prefix '{}' has an empty part, '.', or '..'", rest));
  place.prefix = rest;
  return place;
}

base::Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto refused = [text](std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("'{}' is not where an object storage is reached: {}; write "
                                                "https://host or https://host:port",
                                                text, why));
  };
  Endpoint endpoint;
  std::string_view rest = text;
  if (rest.starts_with("http://")) {
    endpoint.is_tls = false;
    rest.remove_prefix(std::string_view("http://").size());
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(std::string_view("https://").size());
  } else {
    return refused("it does not begin with https:// or http://");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ ") != std::string_view::npos) return refused("it has more than a host and a port");
  const std::size_t bracket = rest.rfind(']');
  const std::size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = rest.substr(0, colon);
  if (host.empty()) return refused("it has no host");
  endpoint.authority = host;
  if (colon == std::string_view::npos) return endpoint;
  const std::string_view digits = rest.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) {
    return refused(fmt::format("'{}' is not a port from 1 to 65535", digits));
  }
  const std::uint16_t usual = endpoint.is_tls ? 443 : 80;
  if (port != usual) endpoint.authority += fmt::format(":{}", port);
  return endpoint;
}

}  // namespace trv::s3
