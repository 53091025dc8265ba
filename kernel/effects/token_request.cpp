#include "kernel/effects/token_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::effects {
namespace {

using base::ErrorCode;
using base::fail;
using json::Value;

constexpr std::string_view form_type = "application/x-www-form-urlencoded";
constexpr std::string_view json_type = "application/json";
/// A token is asked for anew so long before it ends, as it has a way to go and clocks differ.
constexpr std::int64_t margin_s = 30;
constexpr std::int64_t lifetime_max_s = 24 * 3'600;
constexpr std::int64_t assertion_lifetime_s = 120;
constexpr std::string_view jwt_assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

std::string text_at(const Value& value, std::string_view name, std::string_view otherwise = {}) {
  const Value* found = value.find(name);
  return std::string(found != nullptr && found->is_string() ? found->as_string() : otherwise);
}

base::Result<std::string> authority_of(const Value& policy) {
  std::string authority = text_at(policy, "authority");
  while (authority.ends_with('/')) authority.pop_back();
  if (authority.starts_with("https://") || authority.starts_with("http://")) return authority;
  return fail(ErrorCode::invalid, "'authority' of the authentication must be an http or https URI");
}

using Parameters = std::vector<std::pair<std::string, std::string>>;

void add_text(Parameters& out, std::string_view name, const Value& from, std::string_view property) {
  std::string text = text_at(from, property);
  if (!text.empty()) out.emplace_back(name, std::move(text));
}

void add_token(Parameters& out, std::string_view name, const Value* token) {
  if (token == nullptr) return;
  add_text(out, fmt::format("{}_token", name), *token, "token");
  add_text(out, fmt::format("{}_token_type", name), *token, "type");
}

/// RFC 7523 §2.2, signed with the client's secret (HS256).
std::string signed_assertion(const std::string& client, const std::string& secret, const std::string& endpoint,
                             const AssertionTime& time) {
  const auto encoded = [](const Value& part) { return base::to_base64url(base::as_bytes(json::serialize(part))); };
  const std::int64_t now_s = time.now.ms() / 1000;
  const std::string head_and_claims = encoded({{"alg", "HS256"}, {"typ", "JWT"}}) + '.' +
                                      encoded({{"iss", client},
                                               {"sub", client},
                                               {"aud", endpoint},
                                               {"jti", time.id},
                                               {"iat", now_s},
                                               {"exp", now_s + assertion_lifetime_s}});
  const base::Digest signature = base::hmac_sha256(base::as_bytes(secret), base::as_bytes(head_and_claims));
  return head_and_claims + '.' + base::to_base64url(signature);
}

std::vector<std::string> texts(const Value* list) {
  std::vector<std::string> out;
  if (list == nullptr || !list->is_array()) return out;
  for (const Value& item : list->items()) {
    if (item.is_string()) out.emplace_back(item.as_string());
  }
  return out;
}

/// Whom the claims of a JSON Web Token (RFC 7519 §4.1.1) name; empty for any other token. Its signature is for the
/// service that takes it: here it has come from the authority itself.
std::string issuer_of(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return {};
  std::string claims(token.substr(first + 1, second - first - 1));
  std::ranges::replace(claims, '-', '+');
  std::ranges::replace(claims, '_', '/');
  claims.append((4 - claims.size() % 4) % 4, '=');
  const std::optional<base::Bytes> bytes = base::from_base64(claims);
  const auto read = json::parse(bytes ? base::as_text(*bytes) : std::string_view());
  return read && read->is_object() ? text_at(*read, "iss") : std::string();
}

base::Status check_issuer(const Value& policy, std::string_view endpoint, std::string_view token) {
  const std::vector<std::string> issuers = texts(policy.find("issuers"));
  // An authority of OpenID Connect has said whom it issues tokens for.
  if (issuers.empty() || text_at(policy, "scheme") == "oidc") return {};
  const std::string issuer = issuer_of(token);
  if (std::ranges::find(issuers, issuer) != issuers.end()) return {};
  if (issuer.empty()) {
    return fail(
        ErrorCode::unauthenticated,
        fmt::format("the token of {} does not say who issued it; leave 'issuers' out for such tokens", endpoint));
  }
  return fail(ErrorCode::unauthenticated,
              fmt::format("the token of {} was issued by '{}', which 'issuers' does not have", endpoint,
                          base::is_field_value(issuer) ? issuer.substr(0, 200) : "?"));
}

}  // namespace

base::Result<std::string> discovery_address(const Value& policy) {
  TRV_TRY_ASSIGN(const std::string authority, authority_of(policy));
  return authority + "/.well-known/openid-configuration";
}

base::Result<std::string> discovered_token_endpoint(const Value& policy, std::string_view description) {
  const auto found = json::parse(description);
  std::string endpoint = found ? text_at(*found, "token_endpoint") : std::string();
  if (endpoint.empty()) {
    return fail(ErrorCode::invalid, "the OpenID configuration of the authority names no 'token_endpoint'");
  }
  const std::vector<std::string> issuers = texts(policy.find("issuers"));
  const std::string issuer = text_at(*found, "issuer");
  if (issuers.empty() || std::ranges::find(issuers, issuer) != issuers.end()) return endpoint;
  return fail(
      ErrorCode::unauthenticated,
      fmt::format("the authority says that its issuer is '{}', which 'issuers' does not have", issuer.substr(0, 200)));
}

base::Result<std::string> token_endpoint(const Value& policy) {
  TRV_TRY_ASSIGN(const std::string authority, authority_of(policy));
  const Value* endpoints = policy.find("endpoints");
  std::string path = endpoints == nullptr ? "/oauth2/token" : text_at(*endpoints, "token", "/oauth2/token");
  if (path.starts_with("https://") || path.starts_with("http://")) return path;
  return authority + (path.starts_with('/') ? "" : "/") + path;
}

base::Result<egress::Request> token_request(const Value& policy, const std::string& endpoint,
                                            const AssertionTime& time) {
  const std::string grant = text_at(policy, "grant");
  if (grant.empty()) return fail(ErrorCode::invalid, "the authentication has no 'grant'");
  egress::Request request;
  request.method = "POST";
  request.url = endpoint;
  request.headers.push_back({"Accept", std::string(json_type)});
  Parameters parameters = {{"grant_type", grant}};
  if (const Value* client = policy.find("client")) {
    const std::string id = text_at(*client, "id");
    const std::string secret = text_at(*client, "secret");
    const std::string how = text_at(*client, "authentication", "client_secret_post");
    if (how == "client_secret_basic") {
      // RFC 6749 §2.3.1: both are form-encoded first.
      request.credential = {egress::Credential::Scheme::basic, base::percent_encoded(id),
                            base::percent_encoded(secret)};
    } else if (how == "client_secret_jwt" || how == "private_key_jwt") {
      std::string assertion = text_at(*client, "assertion");
      if (assertion.empty() && how == "private_key_jwt") {
        return fail(ErrorCode::invalid,
                    "'client' of the authentication has no 'assertion', which private_key_jwt needs");
      }
      if (assertion.empty()) assertion = signed_assertion(id, secret, endpoint, time);
      parameters.emplace_back("client_id", id);
      parameters.emplace_back("client_assertion_type", jwt_assertion);
      parameters.emplace_back("client_assertion", std::move(assertion));
    } else {
      parameters.emplace_back("client_id", id);
      if (how != "none") parameters.emplace_back("client_secret", secret);
    }
  }
  if (grant == "password") {
    add_text(parameters, "username", policy, "username");
    add_text(parameters, "password", policy, "password");
  }
  add_token(parameters, "subject", policy.find("subject"));
  add_token(parameters, "actor", policy.find("actor"));
  std::string scope;
  for (const std::string& one : texts(policy.find("scopes"))) scope += (scope.empty() ? "" : " ") + one;
  if (!scope.empty()) parameters.emplace_back("scope", scope);
  const std::vector<std::string> audiences = texts(policy.find("audiences"));

  const Value* how = policy.find("request");
  const bool as_json = how != nullptr && text_at(*how, "encoding") == json_type;
  request.headers.push_back({"Content-Type", std::string(as_json ? json_type : form_type)});
  if (as_json) {
    Value body = Value::object();
    for (const auto& [name, text] : parameters) body.set(std::string_view(name), Value(text));
    if (audiences.size() == 1) body.set("audience", Value(audiences.front()));
    if (audiences.size() > 1) body.set("audience", *policy.find("audiences"));
    request.body = json::serialize(body);
    return request;
  }
  for (const std::string& audience : audiences) parameters.emplace_back("audience", audience);
  for (const auto& [name, text] : parameters) {
    if (!request.body.empty()) request.body += '&';
    request.body += name + '=' + base::percent_encoded(text);
  }
  return request;
}

base::Result<Token> read_token(const Value& policy, std::string_view endpoint, const egress::Response& response) {
  const auto parsed = json::parse(response.body);
  const Value answer = parsed && parsed->is_object() ? *parsed : Value::object();
  if (response.status == 429 || response.status >= 500) {
    return fail(ErrorCode::unavailable,
                fmt::format("the token request to {} was answered with status {}", endpoint, response.status));
  }
  if (response.status < 200 || response.status >= 300) {
    // A code of RFC 6749 §5.2. Its description may repeat what was sent.
    const std::string code = text_at(answer, "error");
    const bool is_word = !code.empty() && code.size() <= 64 && base::is_token(code);
    return fail(ErrorCode::unauthenticated,
                fmt::format("the token request to {} was answered with status {}{}", endpoint, response.status,
                            is_word ? fmt::format(" ({})", code) : ""));
  }
  Token token{text_at(answer, "access_token"), {}};
  if (token.text.empty() || !base::is_field_value(token.text)) {
    return fail(ErrorCode::unauthenticated, fmt::format("the answer of {} has no usable 'access_token'", endpoint));
  }
  TRV_TRY(check_issuer(policy, endpoint, token.text));
  const std::string type = text_at(answer, "token_type", "Bearer");
  if (!base::equal_ignoring_case(type, "bearer")) {
    return fail(ErrorCode::unauthenticated,
                fmt::format("{} gives tokens of the type '{}'; Bearer is supported", endpoint, type.substr(0, 64)));
  }
  if (const Value* lifetime = answer.find("expires_in"); lifetime != nullptr && lifetime->is_int()) {
    const std::int64_t kept = std::min(lifetime->as_int(), lifetime_max_s) - margin_s;
    token.lifetime = std::chrono::seconds(std::max<std::int64_t>(kept, 0));
  }
  return token;
}

}  // namespace trv::effects
