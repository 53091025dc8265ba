#include "sdk/package/permission.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::package {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using Kind = Permission::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 9> kinds = {{{"http", Kind::http},
                                                                     {"http-read", Kind::http_read},
                                                                     {"webhooks", Kind::webhooks},
                                                                     {"kv", Kind::kv},
                                                                     {"blobs", Kind::blobs},
                                                                     {"events", Kind::events},
                                                                     {"secrets", Kind::secrets},
                                                                     {"serve", Kind::serve},
                                                                     {"subscriptions", Kind::subscriptions}}};

bool is_http(Kind kind) noexcept {
  return kind == Kind::http || kind == Kind::http_read;
}

/// Its scope is a type of events.
bool is_of_types(Kind kind) noexcept {
  return kind == Kind::events || kind == Kind::subscriptions;
}

/// The host, and the path with its '/'.
std::pair<std::string_view, std::string_view> parts_of(std::string_view scope) noexcept {
  const std::size_t slash = std::min(scope.find('/'), scope.size());
  return {scope.substr(0, slash), scope.substr(slash)};
}

/// "abc*" is all that begins with "abc"; other texts are themselves.
bool text_covers(std::string_view wide, std::string_view narrow) noexcept {
  if (!wide.ends_with('*')) return wide == narrow;
  wide.remove_suffix(1);
  if (narrow.ends_with('*')) narrow.remove_suffix(1);
  return narrow.starts_with(wide);
}

bool host_covers(std::string_view wide, std::string_view narrow) noexcept {
  if (wide == narrow || wide == "*") return true;
  if (!wide.starts_with("*.")) return false;
  return narrow.ends_with(wide.substr(1)) && narrow.size() > wide.size() - 1;
}

int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  const char lower = static_cast<char>(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Whether a server that reads %2F as '/' would find a step upwards in the path.
bool climbs(std::string_view path) {
  std::string plain;
  for (std::size_t at = 0; at < path.size(); ++at) {
    const bool is_coded =
        path[at] == '%' && at + 2 < path.size() && hex_value(path[at + 1]) >= 0 && hex_value(path[at + 2]) >= 0;
    const char one = is_coded ? static_cast<char>(hex_value(path[at + 1]) * 16 + hex_value(path[at + 2])) : path[at];
    if (is_coded) at += 2;
    plain += one == '\\' ? '/' : one;
  }
  plain += '/';
  return plain.find("/../") != std::string::npos || plain.find("/./") != std::string::npos;
}

bool is_host_character(char one) noexcept {
  return (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9') || one == '-' || one == '.';
}

std::optional<std::string_view> fault_of_http(std::string_view scope) {
  auto [host, path] = parts_of(scope);
  if (host != "*") {
    if (host.starts_with("*.")) host.remove_prefix(2);
    if (host.empty()) return "has no host";
    const bool is_ipv6 = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
    if (is_ipv6 ? host.find_first_not_of("0123456789abcdef:.", 1) != host.size() - 1
                : !std::ranges::all_of(host, is_host_character)) {
      return "must be a host in small letters without scheme and port, or *. and a domain; a path may follow";
    }
  } else if (path.empty()) {
    return "names every host; leave the scope out";
  }
  if (path.find('*') < path.size() - std::min<std::size_t>(1, path.size())) return "may have '*' at its end only";
  if (path.find_first_of("?# \\") != std::string_view::npos || climbs(path)) {
    return "must end in a path without query, space and steps upwards";
  }
  return std::nullopt;
}

std::optional<std::string_view> fault_of_type(std::string_view scope) {
  if (scope == "*") return "names every type; leave the scope out";
  if (scope.find('*') < scope.size() - 1) return "may have '*' at its end only";
  const bool is_plain = std::ranges::all_of(scope, [](char one) { return one > ' ' && one < 0x7f && one != ','; });
  return is_plain ? std::nullopt : std::optional<std::string_view>("must be a type of events");
}

}  // namespace

Result<Permission> Permission::parse(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    return fail(ErrorCode::invalid, fmt::format("permission \"{}\" {}", text.substr(0, permission_bytes_max), what));
  };
  if (text.size() > permission_bytes_max) return wrong(fmt::format("is longer than {} bytes", permission_bytes_max));
  const std::size_t colon = std::min(text.find(':'), text.size());
  const auto* kind = std::ranges::find(kinds, text.substr(0, colon), &std::pair<std::string_view, Kind>::first);
  if (kind == kinds.end()) {
    return wrong(
        "is not known: it is http, http-read, webhooks, kv, blobs, events, secrets, serve or "
        "subscriptions, such as "
        "http:api.example.com");
  }
  Permission permission{.kind = kind->second, .scope = {}};
  if (colon == text.size()) return permission;
  permission.scope = text.substr(colon + 1);
  if (permission.scope.empty()) return wrong("has nothing after ':'");
  if (!is_http(permission.kind) && !is_of_types(permission.kind)) {
    return wrong(fmt::format("must be \"{}\" alone", kind->first));
  }
  const auto fault = is_http(permission.kind) ? fault_of_http(permission.scope) : fault_of_type(permission.scope);
  if (fault) return wrong(*fault);
  return permission;
}

std::string Permission::text() const {
  const auto* name = std::ranges::find(kinds, kind, &std::pair<std::string_view, Kind>::second);
  TRV_ASSERT(name != kinds.end());
  return scope.empty() ? std::string(name->first) : fmt::format("{}:{}", name->first, scope);
}

bool covers(const Permission& wide, const Permission& narrow) noexcept {
  if (wide.kind != narrow.kind && (wide.kind != Kind::http || narrow.kind != Kind::http_read)) return false;
  if (wide.scope.empty()) return true;
  if (narrow.scope.empty()) return false;
  if (!is_http(wide.kind)) return text_covers(wide.scope, narrow.scope);
  const auto [wide_host, wide_path] = parts_of(wide.scope);
  const auto [host, path] = parts_of(narrow.scope);
  if (!host_covers(wide_host, host)) return false;
  return wide_path.empty() || (text_covers(wide_path, path) && !climbs(path));
}

bool covers(const std::vector<Permission>& wide, const Permission& narrow) noexcept {
  return std::ranges::any_of(wide, [&](const Permission& one) { return covers(one, narrow); });
}

namespace {

/// The narrower of two texts that are one in the other; nullopt: neither is. Empty is everything.
std::optional<std::string> narrower(std::string_view one, std::string_view other,
                                    bool (*is_wider)(std::string_view, std::string_view)) {
  if (one.empty() || (!other.empty() && is_wider(one, other))) return std::string(other);
  if (other.empty() || is_wider(other, one)) return std::string(one);
  return std::nullopt;
}

std::optional<Permission> common_of(const Permission& one, const Permission& other) {
  if (one.kind != other.kind && !(is_http(one.kind) && is_http(other.kind))) return std::nullopt;
  const Kind kind = one.kind == other.kind ? one.kind : Kind::http_read;
  if (!is_http(kind)) {
    const auto scope = narrower(one.scope, other.scope, text_covers);
    return scope ? std::optional(Permission{.kind = kind, .scope = *scope}) : std::nullopt;
  }
  const auto [one_host, one_path] = parts_of(one.scope);
  const auto [other_host, other_path] = parts_of(other.scope);
  const auto host = narrower(one_host, other_host, host_covers);
  const auto path = narrower(one_path, other_path, text_covers);
  if (!host || !path) return std::nullopt;
  return Permission{.kind = kind, .scope = *host + *path};
}

}  // namespace

std::vector<Permission> common(const std::vector<Permission>& one, const std::vector<Permission>& other) {
  std::vector<Permission> all;
  for (const Permission& left : one) {
    for (const Permission& right : other) {
      auto both = common_of(left, right);
      if (!both || covers(all, *both)) continue;
      std::erase_if(all, [&](const Permission& narrow) { return covers(*both, narrow); });
      all.push_back(*std::move(both));
    }
  }
  return all;
}

Permission permission_of_request(std::string_view method, std::string_view host, std::string_view path) {
  const bool reads = method == "GET" || method == "HEAD" || method == "OPTIONS";
  std::string where(host);
  std::ranges::transform(where, where.begin(),
                         [](char one) { return one >= 'A' && one <= 'Z' ? static_cast<char>(one | 0x20) : one; });
  const std::string_view plain = path.substr(0, path.find_first_of("?#"));
  if (!plain.starts_with('/')) where += '/';
  where += plain;
  return {.kind = reads ? Kind::http_read : Kind::http, .scope = std::move(where)};
}

Result<std::vector<Permission>> parse_permissions(const std::vector<std::string>& texts) {
  if (texts.size() > permissions_max) {
    return fail(ErrorCode::too_large, fmt::format("{} permissions, more than {}", texts.size(), permissions_max));
  }
  std::vector<Permission> permissions;
  for (const std::string& text : texts) {
    TRV_TRY_ASSIGN(Permission one, Permission::parse(text));
    if (std::ranges::find(permissions, one) == permissions.end()) permissions.push_back(std::move(one));
  }
  return permissions;
}

std::vector<std::string> texts_of(const std::vector<Permission>& permissions) {
  std::vector<std::string> texts;
  texts.reserve(permissions.size());
  for (const Permission& one : permissions) texts.push_back(one.text());
  return texts;
}

const std::vector<Permission>& permissions_there_are() {
  static const std::vector<Permission> all = [] {
    std::vector<Permission> some;
    for (const auto& [name, kind] : kinds) some.push_back({.kind = kind, .scope = {}});
    return some;
  }();
  return all;
}

const std::vector<Permission>& permissions_unless_said() {
  static const std::vector<Permission> all = {{.kind = Kind::http}, {.kind = Kind::webhooks}};
  return all;
}

}  // namespace trv::package
