#pragma once
// What is sent, what comes back, and the rules that a request must keep before anything touches the network.
//
// Plain values and pure functions; any thread.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/egress/departing_body.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

inline constexpr std::size_t request_headers_max = 100;
inline constexpr std::size_t request_header_bytes_max = 16'384;  ///< all names and values together
inline constexpr std::size_t request_body_bytes_max = 1'000'000;
inline constexpr std::size_t url_bytes_max = 8'192;

struct Header {
  std::string name;
  std::string value;
  friend bool operator==(const Header&, const Header&) = default;
};

/// A body that a plugin writes in parts, as it says it.
struct WrittenBody {
  std::uint64_t stream_id = 0;                         ///< the plugin's
  std::optional<std::uint64_t> length = std::nullopt;  ///< bytes of the whole; nullopt: not known
};

/// Credentials that a workflow's call brings itself.
struct Credential {
  enum class Scheme : std::uint8_t { none, basic, bearer, digest };
  Scheme scheme = Scheme::none;
  std::string user;    ///< of basic and digest
  std::string secret;  ///< empty: the connection's
};

/// A connection and a path below its base URL; or an absolute URL of a workflow's own call, with its own credentials or
/// those of a connection. The credentials of a connection go below its base URL only.
struct Request {
  base::TenantId tenant;
  std::string plugin;      ///< who asks; empty = a workflow
  std::string connection;  ///< empty = `url` is used
  std::string url;         ///< absolute, http or https; only where plugin is empty. With a connection instead of `path`
  Credential credential;   ///< only with `url`
  std::string method = "GET";
  std::string path = "/";  ///< begins with '/', may have a query; appended to the base URL's path
  std::vector<Header> headers;
  std::string body;
  std::uint64_t timeout_ms = 0;                   ///< from send to the last byte, time in line included; 0 = the limit
  bool in_parts = false;                          ///< a plugin wants the answer by HttpSender::send_in_parts
  std::optional<WrittenBody> written = {};        ///< a plugin writes the body, which is `departing` then
  std::shared_ptr<DepartingBody> departing = {};  ///< the body, in the place of `body`
  std::string idempotency_key;                    ///< sent as Idempotency-Key where not empty
  /// Whether the request may be sent: by method, host and path. Asked on the broker's thread, right before
  /// it is sent; must be quick. Empty: it may.
  std::function<base::Status(std::string_view method, std::string_view host, std::string_view path)> permits = {};
};

struct Response {
  std::uint32_t status = 0;     ///< 100 to 599; a redirect is returned, never followed
  std::vector<Header> headers;  ///< names in lower case, in the order they came
  std::string body;
};

/// Method, headers and body size. A name that is the host's own (Authorization, Cookie, Host, Content-Length,
/// Transfer-Encoding and other hop-by-hop fields) is denied; a control character in any place is invalid.
/// Errors: invalid, denied, too_large.
[[nodiscard]] base::Status check_request(const Request& request);

/// Whether `path` stays below the base URL that it is appended to: begins with one '/', no "." or ".." segment in any
/// spelling, no backslash, fragment, space or control character. Error: invalid.
[[nodiscard]] base::Status check_path(std::string_view path);

/// Whether `name` may be the name of an HTTP header (RFC 9110 token, at most 256 bytes).
[[nodiscard]] bool is_header_name(std::string_view name) noexcept;
/// Whether one of the headers has this name, in any case.
[[nodiscard]] bool has_header(const std::vector<Header>& headers, std::string_view name) noexcept;
/// Whether the header is set by the host alone, for every caller.
[[nodiscard]] bool is_host_header(std::string_view name) noexcept;

}  // namespace trv::egress
