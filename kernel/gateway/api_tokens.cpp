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
    return base::fail(base::ErrorCode::invalid, "'expires_in_seconds' must be from 1 to 316224000 (ten years)");
  }
  if (seconds) issue.expires = now + std::chrono::seconds(*seconds);
  return issue;
}

void issue_token(Services& services, Call call) {
  const base::Timestamp now = services.clock.now();
  auto issue = parse_issue(call.request(), now);
  if (!issue) return call.responder.fail(issue.error());
  // The door back in for a tenant that lost its own; nothing else of it opens to the operator.
  if (call.foreign() && issue->role != tenancy::Role::owner) {
    return call.responder.fail(base::Error(base::ErrorCode::invalid,
                                           "'role' must be owner: in a tenant of others the operator issues owner "
                                           "tokens only"));
  }
  const NewToken token = make_token(services.random);
  issue->id = token.id;
  issue->hash = token.hash;
  submit(
      services, std::move(call),
      [&services, issue = *issue](const lmdb::Txn& state, shard::DecisionContext& context) {
        return tenancy::decide(services.tenancy, state, context, issue);
      },
      [issue = *issue, token](const Change& change) {
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

void add_token_routes(http::Router& router, Services& services) {
  router.route("GET", "/v1/whoami", guarded(services, Resource::instances, Verb::read, [](Call call) {
                 const tenancy::Token token = call.principal;
                 call.responder.send(http::json(200, boost::json::value{{"tenant", token.tenant.value()},
                                                                        {"role", to_string(token.role)},
                                                                        {"token_id", token.id},
                                                                        {"name", token.name}}));
               }));
  router.route(
      "POST", "/v1/tenants/{tenant}/tokens",
      guarded(services, Resource::tokens, Verb::write,
              [&services](Call call) { issue_token(services, std::move(call)); }, {.reach = Reach::operator_too}));
  router.route("GET", "/v1/tenants/{tenant}/tokens",
               guarded(services, Resource::tokens, Verb::read, [&services](Call call) {
                 const base::TenantId tenant = call.tenant;
                 answer_list(
                     services, std::move(call),
                     [&](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
                       return services.tenancy.tokens(txn, tenant, after, count);
                     },
                     [](std::vector<tenancy::Token> tokens, const Page& page) {
                       return list_of(
                           std::move(tokens), page, [](const auto& one) { return to_object(one); },
                           [](const auto& one) { return one.id; });
                     });
               }));
  router.route("DELETE", "/v1/tenants/{tenant}/tokens/{id}",
               guarded(services, Resource::tokens, Verb::write, [&services](Call call) {
                 const tenancy::RevokeToken revoke{std::string(call.request().parameter("id"))};
                 submit(
                     services, std::move(call),
                     [&services, revoke](const lmdb::Txn& state, shard::DecisionContext& context) {
                       return tenancy::decide(services.tenancy, state, context, revoke);
                     },
                     [](const shard::Applied&) { return http::empty(204); });
               }));
}

}  // namespace trv::gateway
