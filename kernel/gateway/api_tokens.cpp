#include <fmt/format.h>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/decisions.hpp"

namespace trv::gateway {
namespace {

constexpr std::int64_t expiry_seconds_max = 10LL * 366 * 24 * 3600;

json::Value to_object(const tenancy::Token& token) {
  return {{"id", token.id},
          {"name", token.name},
          {"role", to_string(token.role)},
          {"issued", token.issued.to_rfc3339()},
          {"expires", token.expires ? json::Value(token.expires->to_rfc3339()) : json::Value()},
          {"certificate", token.certificate.empty() ? json::Value() : json::Value(token.certificate)}};
}

base::Result<tenancy::IssueToken> parse_issue(const http::Request& request, base::Timestamp now) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(request.body(), {"name", "role", "expires_in_seconds", "certificate"}));
  tenancy::IssueToken issue;
  TRV_TRY_ASSIGN(issue.name, body.text("name"));
  TRV_TRY_ASSIGN(const std::string role, body.text("role"));
  TRV_TRY_ASSIGN(issue.role, tenancy::parse_role(role));
  TRV_TRY_ASSIGN(const auto seconds, body.optional_integer("expires_in_seconds"));
  if (seconds && (*seconds < 1 || *seconds > expiry_seconds_max)) {
    return base::fail(base::ErrorCode::invalid, fmt::format("'expires_in_seconds' is {}; expected 1 to {} (ten years)",
                                                            *seconds, expiry_seconds_max));
  }
  TRV_TRY_ASSIGN(const auto certificate, body.optional_text("certificate"));
  if (certificate) {
    TRV_TRY(tenancy::check_certificate_name(*certificate));
    issue.certificate = *certificate;
    issue.hash = tenancy::certificate_hash(*certificate);
  }
  if (seconds) issue.expires = now + std::chrono::seconds(*seconds);
  return issue;
}

base::Status issue_token(const node::Node& node, base::Random& random, Call& call) {
  TRV_TRY_ASSIGN(tenancy::IssueToken issue, parse_issue(call.request(), node.now()));
  // The door back in for a tenant that lost its own; nothing else of it opens to the operator.
  if (call.foreign() && issue.role != tenancy::Role::owner) {
    return fail(ErrorCode::invalid,
                "'role' must be owner: in a tenant of others the operator issues owner tokens only");
  }
  const NewToken token = make_token(random, call.tenant);
  issue.id = token.id;
  if (issue.certificate.empty()) issue.hash = token.hash;
  return decide(std::move(call), issue, [issue, token](const Change& change) {
    tenancy::Token issued;
    issued.id = token.id;
    issued.name = issue.name;
    issued.role = issue.role;
    issued.issued = change.time;
    issued.expires = issue.expires;
    issued.certificate = issue.certificate;
    json::Value shown = to_object(issued);
    // A certificate is shown in place of a text.
    if (issue.certificate.empty()) shown.set("token", token.text);
    return http::json(201, shown);
  });
}

}  // namespace

void add_token_routes(http::Router& router, const node::Node& node, base::Random& random) {
  router.route("GET", "/v1/whoami", guarded(node, Resource::instances, [](Call& call) {
                 const tenancy::Token& token = call.principal;
                 return call.send(http::json(200, {{"tenant", token.tenant.value()},
                                                   {"role", to_string(token.role)},
                                                   {"token_id", token.id},
                                                   {"name", token.name}}));
               }));
  router.route("POST", "/v1/tenants/{tenant}/tokens",
               guarded(node, Resource::tokens, [&node, &random](Call& call) { return issue_token(node, random, call); },
                       {.reach = Reach::operator_too}));
  router.route(
      "GET", "/v1/tenants/{tenant}/tokens",
      guarded(node, Resource::tokens, list_of(&tenancy::TenancyStore::tokens, to_object, &tenancy::Token::id)));
  router.route("DELETE", "/v1/tenants/{tenant}/tokens/{id}", guarded(node, Resource::tokens, [](Call& call) {
                 const tenancy::RevokeToken revoke{std::string(call.request().parameter("id"))};
                 return decide(std::move(call), revoke, [](const shard::Applied&) { return http::empty(204); });
               }));
}

}  // namespace trv::gateway
