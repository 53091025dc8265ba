#include <fmt/format.h>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/decisions.hpp"

namespace trv::gateway {
namespace {

constexpr std::int64_t expiry_seconds_max = 10LL * 366 * 24 * 3600;

boost::json::object to_object(const tenancy::Token& token) {
  return {{"id", token.id},
          {"name", token.name},
          {"role", to_string(token.role)},
          {"issued", token.issued.to_rfc3339()},
          {"expires", token.expires ? boost::json::value(token.expires->to_rfc3339()) : boost::json::value(nullptr)}};
}

base::Result<tenancy::IssueToken> parse_issue(const http::Request& request, base::Timestamp now) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(request.body(), {"name", "role", "expires_in_seconds"}));
  tenancy::IssueToken issue;
  TRV_TRY_ASSIGN(issue.name, body.text("name"));
  TRV_TRY_ASSIGN(const std::string role, body.text("role"));
  TRV_TRY_ASSIGN(issue.role, tenancy::parse_role(role));
  TRV_TRY_ASSIGN(const auto seconds, body.optional_integer("expires_in_seconds"));
  if (seconds && (*seconds < 1 || *seconds > expiry_seconds_max)) {
    return base::fail(base::ErrorCode::invalid, fmt::format("'expires_in_seconds' is {}; expected 1 to {} (ten years)",
                                                            *seconds, expiry_seconds_max));
  }
  if (seconds) issue.expires = now + std::chrono::seconds(*seconds);
  return issue;
}

void issue_token(const node::Node& node, base::Random& random, Call call) {
  const base::Timestamp now = node.now();
  auto issue = parse_issue(call.request(), now);
  if (!issue) return call.responder.fail(issue.error());
  // The door back in for a tenant that lost its own; nothing else of it opens to the operator.
  if (call.foreign() && issue->role != tenancy::Role::owner) {
    return call.responder.fail(base::Error(base::ErrorCode::invalid,
                                           "'role' must be owner: in a tenant of others the operator issues owner "
                                           "tokens only"));
  }
  const NewToken token = make_token(random, call.tenant);
  issue->id = token.id;
  issue->hash = token.hash;
  decide(std::move(call), *issue, [issue = *issue, token](const Change& change) {
    tenancy::Token issued;
    issued.id = token.id;
    issued.name = issue.name;
    issued.role = issue.role;
    issued.issued = change.time;
    issued.expires = issue.expires;
    boost::json::object answer = to_object(issued);
    answer["token"] = token.text;
    return http::json(201, boost::json::value(std::move(answer)));
  });
}

}  // namespace

void add_token_routes(http::Router& router, const node::Node& node, base::Random& random) {
  router.route("GET", "/v1/whoami", guarded(node, Resource::instances, Verb::read, [](Call call) {
                 const tenancy::Token token = call.principal;
                 call.responder.send(http::json(200, boost::json::value{{"tenant", token.tenant.value()},
                                                                        {"role", to_string(token.role)},
                                                                        {"token_id", token.id},
                                                                        {"name", token.name}}));
               }));
  router.route("POST", "/v1/tenants/{tenant}/tokens",
               guarded(node, Resource::tokens, Verb::write,
                       [&node, &random](Call call) { issue_token(node, random, std::move(call)); },
                       {.reach = Reach::operator_too}));
  router.route("GET", "/v1/tenants/{tenant}/tokens", guarded(node, Resource::tokens, Verb::read, [](Call call) {
                 answer_list(
                     std::move(call), &tenancy::TenancyStore::tokens, [](const auto& one) { return to_object(one); },
                     [](const auto& one) { return one.id; });
               }));
  router.route("DELETE", "/v1/tenants/{tenant}/tokens/{id}",
               guarded(node, Resource::tokens, Verb::write, [](Call call) {
                 const tenancy::RevokeToken revoke{std::string(call.request().parameter("id"))};
                 decide(std::move(call), revoke, [](const shard::Applied&) { return http::empty(204); });
               }));
}

}  // namespace trv::gateway
