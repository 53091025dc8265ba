#include "kernel/http/target.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::http {
namespace {

using base::ErrorCode;

bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// Length of the scheme and authority of an absolute-form target; 0 for another form.
std::size_t authority_size(std::string_view raw) noexcept {
  std::size_t scheme = 0;
  for (const std::string_view prefix : {"http://", "https://"}) {
    if (base::equal_ignoring_case(raw.substr(0, prefix.size()), prefix)) scheme = prefix.size();
  }
  if (scheme == 0) return 0;
  const auto end = raw.find_first_of("/?", scheme);
  return end == std::string_view::npos ? raw.size() : end;
}

bool is_digits(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_host_name(std::string_view name) noexcept {
  if (name.empty()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          std::string_view("-._~!$&'()*+;=").find(c) != std::string_view::npos;
    if (is_plain) continue;
    if (!base::escaped_byte(name.substr(i))) return false;
    i += 2;
  }
  return true;
}

bool is_ipv6_address(std::string_view text) noexcept {
  char zero_terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof zero_terminated || text.find('\0') != std::string_view::npos) return false;
  std::ranges::copy(text, zero_terminated);
  in6_addr address{};
  return ::inet_pton(AF_INET6, zero_terminated, &address) == 1;
}

constexpr std::size_t port_digits_max = 5;
constexpr int port_max = 65'535;

bool is_port(std::string_view port) noexcept {
  if (port.size() > port_digits_max || !is_digits(port)) return false;
  int number = 0;
  for (const char c : port) number = 10 * number + (c - '0');
  return number <= port_max;
}

}  // namespace

bool is_authority(std::string_view text) noexcept {
  std::size_t host_size = text.find(':');
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos || !is_ipv6_address(text.substr(1, bracket - 1))) return false;
    host_size = bracket + 1;
  } else if (!is_host_name(text.substr(0, host_size))) {
    return false;
  }
  if (host_size >= text.size()) return true;
  return text[host_size] == ':' && is_port(text.substr(host_size + 1));
}

base::Status Target::parse(std::string_view raw) {
  TRV_EXPECTS(raw.size() <= std::numeric_limits<std::uint32_t>::max());
  raw_ = raw;
  decoded_.clear();
  path_ = {};
  segments_.clear();
  query_.clear();
  base::Status status = parse_parts();
  if (!status) {
    raw_.clear();
    decoded_.clear();
    path_ = {};
    segments_.clear();
    query_.clear();
  }
  return status;
}

base::Status Target::parse_parts() {
  if (is_asterisk()) return {};
  if (raw_.find('#') != std::string::npos) {
    return base::fail(ErrorCode::invalid, "the request target has a fragment (#…); leave it out");
  }
  const std::size_t begin = authority_size(raw_);
  if (begin > 0) {
    const std::size_t host = raw_.find("//") + 2;
    if (!is_authority(std::string_view(raw_).substr(host, begin - host))) {
      return base::fail(ErrorCode::invalid, "the request target's authority must be host or host:port");
    }
  }
  const std::size_t question = raw_.find('?', begin);
  const std::size_t end = question == std::string::npos ? raw_.size() : question;
  path_ = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)};
  // RFC 9112 §3.2.2: an absolute form without a path means "/".
  const std::string_view path = begin > 0 && begin == end ? std::string_view("/") : this->path();
  if (!path.starts_with('/')) {
    return base::fail(ErrorCode::invalid, "the request target must be a path that begins with '/', or an http URL");
  }
  TRV_TRY(parse_path(path));
  if (question != std::string::npos) TRV_TRY(parse_query(std::string_view(raw_).substr(question + 1)));
  return {};
}

base::Status Target::parse_path(std::string_view path) {
  while (!path.empty()) {
    TRV_ASSERT(path.front() == '/');
    path.remove_prefix(1);
    const std::string_view encoded = path.substr(0, path.find('/'));
    path.remove_prefix(encoded.size());
    if (segments_.size() == segments_max) {
      return base::fail(ErrorCode::invalid, fmt::format("the path has more than {} segments", segments_max));
    }
    TRV_TRY_ASSIGN(const Slice slice, decode(encoded, false));
    const std::string_view decoded = view(slice, decoded_);
    if (decoded == "." || decoded == "..") {
      return base::fail(ErrorCode::invalid, "the path has a segment '.' or '..'; write the path that is meant");
    }
    segments_.push_back(slice);
  }
  return {};
}

base::Status Target::parse_query(std::string_view query) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(pair.size() < query.size() ? pair.size() + 1 : pair.size());
    if (pair.empty()) continue;
    if (query_.size() == query_parameters_max) {
      return base::fail(ErrorCode::invalid, fmt::format("the query has more than {} parameters", query_parameters_max));
    }
    const std::size_t equals = pair.find('=');
    TRV_TRY_ASSIGN(const Slice name, decode(pair.substr(0, equals), true));
    Slice value;
    if (equals != std::string_view::npos) {
      TRV_TRY_ASSIGN(value, decode(pair.substr(equals + 1), true));
    }
    query_.emplace_back(name, value);
  }
  return {};
}

base::Result<Target::Slice> Target::decode(std::string_view text, bool in_query) {
  const std::size_t begin = decoded_.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const auto byte = base::escaped_byte(text.substr(i));
      if (!byte) {
        return base::fail(ErrorCode::invalid, "the request target has a '%' that two hexadecimal digits do not follow");
      }
      c = *byte;
      i += 2;
    } else if (c == '+' && in_query) {
      c = ' ';
    }
    if (c == '\0' || (!in_query && is_control(c))) {
      return base::fail(ErrorCode::invalid, fmt::format("the request target has the control character %{:02X}",
                                                        static_cast<unsigned char>(c)));
    }
    decoded_.push_back(c);
  }
  const Slice slice{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(decoded_.size() - begin)};
  if (!base::is_utf8(view(slice, decoded_))) {
    return base::fail(ErrorCode::invalid, "the request target has text that is not UTF-8");
  }
  return slice;
}

std::string_view Target::segment(std::size_t index) const noexcept {
  TRV_EXPECTS(index < segments_.size());
  return view(segments_[index], decoded_);
}

std::optional<std::string_view> Target::query(std::string_view name) const noexcept {
  for (const auto& [key, value] : query_) {
    if (view(key, decoded_) == name) return view(value, decoded_);
  }
  return std::nullopt;
}

std::vector<std::string_view> Target::query_names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : query_) names.push_back(view(name, decoded_));
  return names;
}

}  // namespace trv::http
