#pragma once
// Tokens of OAuth 2.0 (RFC 6749, RFC 8693) and OpenID Connect: the request that asks for one, and what its answer says.
// Pure; any thread. A policy is an object with the properties of `oauth2` or `oidc` in the workflow language.

#include <chrono>
#include <string>
#include <string_view>

#include "kernel/egress/request.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::effects {

/// Where an OpenID Connect authority describes itself. Error: invalid, the policy has no authority.
[[nodiscard]] base::Result<std::string> discovery_address(const json::Value& policy);
/// The token endpoint that the description names. Errors: invalid; unauthenticated where the issuer is none of the
/// policy's `issuers`.
[[nodiscard]] base::Result<std::string> discovered_token_endpoint(const json::Value& policy,
                                                                  std::string_view description);
/// Of oauth2. Error: invalid.
[[nodiscard]] base::Result<std::string> token_endpoint(const json::Value& policy);

/// What a signed assertion says of itself (RFC 7523).
struct AssertionTime {
  base::Timestamp now;
  std::string id;  ///< no other assertion has it
};
/// Error: invalid, names the property.
[[nodiscard]] base::Result<egress::Request> token_request(const json::Value& policy, const std::string& endpoint,
                                                          const AssertionTime& time);

struct Token {
  std::string text;
  base::Duration lifetime{};  ///< 0: it says nothing, or too little to keep it
};
/// Errors: unauthenticated with the status and the service's error code, never with a credential, or where oauth2 has
/// `issuers` and the token is not a JSON Web Token of one of them; unavailable for a status from 500 on and 429.
[[nodiscard]] base::Result<Token> read_token(const json::Value& policy, std::string_view endpoint,
                                             const egress::Response& response);

}  // namespace trv::effects
