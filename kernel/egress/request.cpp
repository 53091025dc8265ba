#include "kernel/egress/request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "sdk/base/field_text.hpp"

namespace trv::egress {
namespace {

using base::equal_ignoring_case;
using base::ErrorCode;
using base::is_token;

// What a server may make of the path before it resolves dots. Incomplete escapes stay as they are.
std::string percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = base::escaped_byte(text.substr(at));
    out.push_back(byte.value_or(text[at]));
    if (byte) at += 2;
  }
  return out;
}

}  // namespace

bool is_header_name(std::string_view name) noexcept {
  return name.size() <= 256 && is_token(name);
}

bool has_header(const std::vector<Header>& headers, std::string_view name) noexcept {
  return std::ranges::any_of(headers, [name](const Header& one) { return equal_ignoring_case(one.name, name); });
}

bool is_host_header(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 15> names = {"authorization",
                                                             "connection",
                                                             "content-length",
                                                             "cookie",
                                                             "expect",
                                                             "host",
                                                             "http2-settings",
                                                             "keep-alive",
                                                             "proxy-authenticate",
                                                             "proxy-authorization",
                                                             "proxy-connection",
                                                             "te",
                                                             "trailer",
                                                             "transfer-encoding",
                                                             "upgrade"};
  return std::ranges::any_of(names, [name](std::string_view n) { return equal_ignoring_case(n, name); });
}

base::Status check_path(std::string_view path) {
  const auto refuse = [path](std::string_view why) {
    return base::fail(ErrorCode::invalid, fmt::format("path '{}' {}", path.substr(0, 200), why));
  };
  if (path.size() > url_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("the path has {} bytes, at most {} are sent", path.size(), url_bytes_max));
  }
  const bool clean = std::ranges::all_of(path, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && c != '\\' && c != '#';
  });
  // The text is not printed: it may hold line breaks.
  if (!clean) {
    return base::fail(
        ErrorCode::invalid,
        "the path holds a space, control character, backslash, '#' or a byte over 0x7e; percent-encode it");
  }
  if (!path.starts_with('/')) return refuse("must begin with '/'");
  if (path.starts_with("//")) return refuse("must not begin with '//', which names another host");
  const std::string decoded = percent_decoded(path.substr(0, path.find('?')));
  std::string_view rest = decoded;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    const std::string_view name = segment.substr(0, segment.find(';'));
    if (name == "." || name == "..") return refuse("must not have a '.' or '..' segment, encoded or not");
    if (!base::is_field_value(segment) || segment.contains('\\')) {
      return refuse("must not hold an encoded control character or backslash");
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

base::Status check_request(const Request& request) {
  if (!is_token(request.method) || request.method.size() > 32) {
    return base::fail(ErrorCode::invalid, "the method is not an HTTP token of at most 32 characters");
  }
  if (equal_ignoring_case(request.method, "CONNECT") || equal_ignoring_case(request.method, "TRACE")) {
    return base::fail(ErrorCode::denied, fmt::format("method {} is not allowed", request.method));
  }
  if (request.headers.size() > request_headers_max) {
    return base::fail(ErrorCode::too_large, fmt::format("{} request headers, at most {} are sent",
                                                        request.headers.size(), request_headers_max));
  }
  std::size_t header_bytes = 0;
  for (const Header& header : request.headers) {
    header_bytes += header.name.size() + header.value.size();
    if (!is_header_name(header.name)) {
      return base::fail(ErrorCode::invalid, "a request header's name is not an HTTP token of at most 256 characters");
    }
    if (!base::is_field_value(header.value)) {
      return base::fail(ErrorCode::invalid,
                        fmt::format("the value of request header '{}' holds a control character", header.name));
    }
    const bool is_key = equal_ignoring_case(header.name, "idempotency-key") && !request.idempotency_key.empty();
    if (is_host_header(header.name) || is_key) {
      return base::fail(ErrorCode::denied, fmt::format("request header '{}' is set by the host only", header.name));
    }
  }
  if (header_bytes > request_header_bytes_max) {
    return base::fail(ErrorCode::too_large, fmt::format("{} bytes of request headers, at most {} are sent",
                                                        header_bytes, request_header_bytes_max));
  }
  if (request.idempotency_key.size() > 1'024 || !base::is_field_value(request.idempotency_key)) {
    return base::fail(ErrorCode::invalid, "the idempotency key holds a control character or has over 1024 bytes");
  }
  if (request.departing != nullptr && (!request.body.empty() || request.method == "GET" || request.method == "HEAD")) {
    return base::fail(
        ErrorCode::invalid,
        request.body.empty()
            ? fmt::format("a body in parts is for methods that have one; the method is {}", request.method)
            : "the request has a whole body beside the one that is written in parts");
  }
  if (request.body.size() > request_body_bytes_max) {
    return base::fail(ErrorCode::too_large, fmt::format("the request body has {} bytes, at most {} are sent",
                                                        request.body.size(), request_body_bytes_max));
  }
  return {};
}

}  // namespace trv::egress
