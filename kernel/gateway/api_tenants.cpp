#include <fmt/format.h>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {
namespace {

boost::json::object to_object(const tenancy::Tenant& tenant) {
  return {{"id", tenant.id.value()}, {"display_name", tenant.display_name}, {"created", tenant.created.to_rfc3339()}};
}

boost::json::object to_object(const tenancy::Member& member) {
  return {{"user", member.user}, {"role", to_string(member.role)}, {"added", member.added.to_rfc3339()}};
}

/// The tenant and its first owner token come into being together, as the first records of the tenant in its shard.
void create_in_its_shard(node::Shard& shard, Call call, const tenancy::Tenant& tenant, const NewToken& token) {
  const tenancy::CreateTenant create{tenant.id, tenant.display_name};
  const tenancy::IssueToken issue{
      .id = token.id, .name = "owner", .role = tenancy::Role::owner, .hash = token.hash, .expires = std::nullopt};
  submit(
      {.responder = std::move(call.responder),
       .principal = std::move(call.principal),
       .tenant = tenant.id,
       .shard = shard},
      [&store = shard.tenancy(), create, issue](const lmdb::Txn& state,
                                                shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(shard::Decision decision, tenancy::decide(store, state, context, create));
        TRV_TRY_ASSIGN(shard::Decision issued, tenancy::decide(store, state, context, issue));
        decision.append(std::move(issued));
        return decision;
      },
      [tenant, token](const Change&) {
        boost::json::object answer = to_object(tenant);
        answer["token"] = {{"id", token.id}, {"name", "owner"}, {"role", "owner"}, {"token", token.text}};
        return http::json(201, boost::json::value(std::move(answer)))
            .with("Location", "/v1/tenants/" + tenant.id.value());
      });
}

// Two steps, because two logs are written: the platform places the tenant, then it is created where it was placed. What
// the first left alone, a second request or the next start goes on with.
void create_tenant(const node::Node& node, base::Random& random, Call call) {
  const auto body = Body::parse(call.request().body(), {"id", "display_name"});
  if (!body) return call.responder.fail(body.error());
  const auto id = body->text("id");
  if (!id) return call.responder.fail(id.error());
  const auto name = body->optional_text("display_name");
  if (!name) return call.responder.fail(name.error());
  const tenancy::PlaceTenant place{.id = base::TenantId(*id),
                                   .display_name = name->value_or(""),
                                   .shards = static_cast<std::uint32_t>(node.shards().size()),
                                   .catching_up = node.catching_up()};
  decide_then(std::move(call), place, [&node, &random, id = place.id](Call placed, const Result<Change>& change) {
    if (!change) return placed.responder.fail(change.error());
    const auto tenant = node.tenant(id);
    if (!tenant) return placed.responder.fail(tenant.error());
    TRV_ASSERT(tenant->has_value());  // it is durable and projected
    const auto shard = node.shard_of(id);
    if (!shard) return placed.responder.fail(shard.error());
    create_in_its_shard(**shard, std::move(placed), **tenant, make_token(random, id));
  });
}

void show_tenant(const node::Node& node, Call call) {
  const auto tenant = node.tenant(call.tenant);
  if (!tenant) return call.responder.fail(tenant.error());
  if (!*tenant) {
    return call.responder.fail(
        base::Error(base::ErrorCode::not_found, "tenant '" + call.tenant.value() + "' not found"));
  }
  call.responder.send(http::json(200, boost::json::value(to_object(**tenant))));
}

boost::json::object to_object(const tenancy::Retention& retention) {
  return {{"instances_days", retention.instances_days}, {"events_days", retention.events_days}};
}

void show_retention(Call call) {
  const auto txn = call.shard.begin_read();
  if (!txn) return call.responder.fail(txn.error());
  const auto retention = call.shard.tenancy().retention(*txn, call.tenant);
  if (!retention) return call.responder.fail(retention.error());
  call.responder.send(http::json(200, boost::json::value(to_object(*retention))));
}

/// A member that is missing keeps its default.
base::Status read_days(const Body& body, std::string_view name, std::uint32_t& days) {
  TRV_TRY_ASSIGN(const std::optional<std::int64_t> number, body.optional_integer(name));
  if (!number) return {};
  if (*number < 0 || *number > tenancy::retention_days_max) {
    return base::fail(base::ErrorCode::invalid, fmt::format("{} is {}; it can be 1 to {}, or 0 for ever", name, *number,
                                                            tenancy::retention_days_max));
  }
  days = static_cast<std::uint32_t>(*number);
  return {};
}

void set_retention(Call call) {
  const auto body = Body::parse(call.request().body(), {"instances_days", "events_days"});
  if (!body) return call.responder.fail(body.error());
  tenancy::SetRetention set;
  if (auto read = read_days(*body, "instances_days", set.retention.instances_days); !read) {
    return call.responder.fail(read.error());
  }
  if (auto read = read_days(*body, "events_days", set.retention.events_days); !read) {
    return call.responder.fail(read.error());
  }
  decide(std::move(call), set,
         [set](const Change&) { return http::json(200, boost::json::value(to_object(set.retention))); });
}

void add_member(Call call) {
  const auto body = Body::parse(call.request().body(), {"user", "role"});
  if (!body) return call.responder.fail(body.error());
  const auto user = body->text("user");
  if (!user) return call.responder.fail(user.error());
  const auto role_text = body->text("role");
  if (!role_text) return call.responder.fail(role_text.error());
  const auto role = tenancy::parse_role(*role_text);
  if (!role) return call.responder.fail(role.error());
  const tenancy::AddMember add{.user = *user, .role = *role};
  decide(std::move(call), add, [add](const Change& change) {
    return http::json(201, boost::json::value(to_object(tenancy::Member{add.user, add.role, change.time})));
  });
}

}  // namespace

void add_tenant_routes(http::Router& router, const node::Node& node, base::Random& random) {
  router.route("POST", "/v1/tenants", guarded(node, Resource::tenants, Verb::write, [&node, &random](Call call) {
                 create_tenant(node, random, std::move(call));
               }));
  router.route("GET", "/v1/tenants", guarded(node, Resource::tenants, Verb::read, [&node](Call call) {
                 answer_list(
                     node.platform(), std::move(call),
                     [&node](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
                       return node.platform().tenancy().tenants(txn, after, count);
                     },
                     [](const auto& one) { return to_object(one); }, [](const auto& one) { return one.id.value(); });
               }));
  router.route("GET", "/v1/tenants/{tenant}", guarded(node, Resource::tenants, Verb::read, [&node](Call call) {
                 show_tenant(node, std::move(call));
               }));
  router.route("GET", "/v1/tenants/{tenant}/retention", guarded(node, Resource::members, Verb::read, show_retention));
  // Who may say who is a member may say how long the tenant's past is kept.
  router.route("PUT", "/v1/tenants/{tenant}/retention", guarded(node, Resource::members, Verb::write, set_retention));
  router.route("POST", "/v1/tenants/{tenant}/members", guarded(node, Resource::members, Verb::write, add_member));
  router.route("GET", "/v1/tenants/{tenant}/members", guarded(node, Resource::members, Verb::read, [](Call call) {
                 answer_list(
                     std::move(call), &tenancy::TenancyStore::members, [](const auto& one) { return to_object(one); },
                     [](const auto& one) { return one.user; });
               }));
}

}  // namespace trv::gateway
