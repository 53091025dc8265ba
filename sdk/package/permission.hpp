#pragma once
// What a plugin may do beyond answering its calls: asked for in its manifest, limited by the operator, granted by the
// tenant. docs/formats/package.md has the words. Values and pure functions; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::package {

inline constexpr std::size_t permissions_max = 64;        ///< of one plugin
inline constexpr std::size_t permission_bytes_max = 300;  ///< of one as text

/// As text: "http", "http:api.example.com", "http-read:*.example.com/v1/*", "kv".
struct Permission {
  enum class Kind {
    http,           ///< requests by any method, over connections that the tenant made for the plugin
    http_read,      ///< the same, by GET, HEAD and OPTIONS alone
    webhooks,       ///< deliveries from outside become events of the tenant
    kv,             ///< trv.kv/1
    blobs,          ///< trv.blob/1
    events,         ///< trv.event/1
    secrets,        ///< trv.secret/1
    serve,          ///< trv.serve/1
    subscriptions,  ///< events of the tenant are handed to operations that the manifest names
  };
  Kind kind = Kind::http;
  /// What of it; empty: all of it. Of http: a host or "*.<domain>", then a path, or "/…*" for all that begin so. Of
  /// events and subscriptions: a type, or "….*" for all that begin so. The others have none.
  std::string scope = {};

  /// Error: invalid; says what is wrong with it.
  [[nodiscard]] static base::Result<Permission> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Permission&, const Permission&) = default;
};

/// Whether a holder of `wide` may do everything that `narrow` names. `narrow` may name one thing that is done: the host
/// and path of a request.
[[nodiscard]] bool covers(const Permission& wide, const Permission& narrow) noexcept;
/// One of `wide` does.
[[nodiscard]] bool covers(const std::vector<Permission>& wide, const Permission& narrow) noexcept;

/// What is in both: everything that is permitted by one of `one` and one of `other`.
[[nodiscard]] std::vector<Permission> common(const std::vector<Permission>& one, const std::vector<Permission>& other);

/// What a request needs, by its method, host and path; a query may follow the path.
[[nodiscard]] Permission permission_of_request(std::string_view method, std::string_view host, std::string_view path);

/// Of texts as they were recorded or written by people. Errors: invalid, too_large (more than permissions_max).
[[nodiscard]] base::Result<std::vector<Permission>> parse_permissions(const std::vector<std::string>& texts);
[[nodiscard]] std::vector<std::string> texts_of(const std::vector<Permission>& permissions);

/// Every kind, whole.
[[nodiscard]] const std::vector<Permission>& permissions_there_are();
/// What a manifest without the member "permissions" asks for: what plugins could do before there were permissions.
[[nodiscard]] const std::vector<Permission>& permissions_unless_said();

}  // namespace trv::package
