#pragma once
// A tenant's named endpoint with credentials, and the two ports through which the broker learns of it.
//
// Plain values; any thread. A connection holds a reference to its secret, never the secret.

#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

enum class AuthenticationScheme { none, bearer, basic, header };

/// How the secret is sent. Set by the tenant; the broker adds it to every request of the connection.
struct Authentication {
  AuthenticationScheme scheme = AuthenticationScheme::none;
  std::string user;              ///< of basic
  std::string header;            ///< name of the header that carries the secret, of header
  std::string secret_reference;  ///< as given by the secret store; empty only where scheme is none
};

struct ConnectionLimits {
  std::uint64_t response_bytes_max = 1'000'000;
  std::uint64_t timeout_ms_max = 30'000;
  std::uint32_t concurrency_max = 32;  ///< requests on the wire at once; more wait in line. At least 1
};

struct Connection {
  base::TenantId tenant;
  std::string name;
  std::string plugin;    ///< the only plugin that may use it; empty = the tenant's workflows themselves
  std::string base_url;  ///< http or https; no user, query or fragment
  Authentication authentication;
  ConnectionLimits limits;
  bool allow_private_network = false;  ///< may reach loopback, private and link-local addresses
};

/// What an Authentication of scheme basic or header can be sent with. Error: invalid, names the field as the API does.
[[nodiscard]] base::Status check_user(std::string_view user);
[[nodiscard]] base::Status check_secret_header(std::string_view name);

/// Where connections are looked up; the daemon reads its projection. Called on the broker's thread: must be quick.
class ConnectionSource {
 public:
  virtual ~ConnectionSource() = default;
  /// Error: not_found.
  [[nodiscard]] virtual base::Result<Connection> find(const base::TenantId& tenant, std::string_view name) = 0;
};

/// Where secrets are read at the moment of use. Called on the broker's thread: must be quick.
class SecretSource {
 public:
  virtual ~SecretSource() = default;
  /// Errors: not_found, corrupt, unavailable; never with the secret in the message.
  [[nodiscard]] virtual base::Result<std::string> reveal(const base::TenantId& tenant, std::string_view reference) = 0;
};

}  // namespace trv::egress
