#include <fmt/format.h>

#include <chrono>
#include <future>
#include <utility>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {
namespace {

/// For a placement to come from the platform's log.
constexpr auto placement_within = std::chrono::seconds(2);
/// How long a request to move a tenant waits for the end of the move.
constexpr auto move_within = std::chrono::seconds(5);

json::Value to_object(const tenancy::Tenant& tenant) {
  return {{"id", tenant.id.value()}, {"display_name", tenant.display_name}, {"created", tenant.created.to_rfc3339()}};
}

/// Where it lives is for the operator.
json::Value with_shard(const tenancy::Tenant& tenant) {
  return to_object(tenant)
      .with("shard", tenant.shard.value())
      .with("moves_to", tenant.moves_to ? json::Value(tenant.moves_to->value()) : json::Value());
}

json::Value to_object(const tenancy::Member& member) {
  return {{"user", member.user}, {"role", to_string(member.role)}, {"added", member.added.to_rfc3339()}};
}

/// The tenant and its first owner token come into being together, as the first records of the tenant in its shard.
void create_in_its_shard(node::Shard& shard, Call call, const tenancy::Tenant& tenant, const NewToken& token) {
  const tenancy::CreateTenant create{tenant.id, tenant.display_name};
  const tenancy::IssueToken issue{
      .id = token.id, .name = "owner", .role = tenancy::Role::owner, .hash = token.hash, .expires = std::nullopt};
  (void)submit(
      {.responder = std::move(call.responder),
       .principal = std::move(call.principal),
       .tenant = tenant.id,
       .shard = shard},
      [&store = shard.tenancy(), create, issue](const lmdb::Txn& state,
                                                shard::DecisionContext& context) -> Result<shard::Decision> {
        TRV_TRY_ASSIGN(shard::Decision decision, tenancy::decide(store, state, context, create));
        TRV_TRY_ASSIGN(shard::Decision issued, tenancy::decide(store, state, context, issue));
        decision.append(std::move(issued));
        return decision;
      },
      [tenant, token](const Change&) {
        const json::Value first = {{"id", token.id}, {"name", "owner"}, {"role", "owner"}, {"token", token.text}};
        return http::json(201, to_object(tenant).with("token", first))
            .with("Location", "/v1/tenants/" + tenant.id.value());
      });
}

// The second step, on the node that owns the tenant's shard: the platform's owner has placed it, and sent the request
// on.
base::Status create_where_placed(const node::Node& node, base::Random& random, Call& call) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"id", "display_name"}));
  TRV_TRY_ASSIGN(const std::string id, body.text("id"));
  const auto is_placed = [](const std::optional<tenancy::Tenant>& placed) { return placed.has_value(); };
  TRV_TRY_ASSIGN(const auto tenant, node.await_tenant(base::TenantId(id), placement_within, is_placed));
  if (tenant) {
    create_in_its_shard(*node.shards()[tenant->shard.value()], std::move(call), *tenant,
                        make_token(random, tenant->id));
    return {};
  }
  return fail(ErrorCode::unavailable,
              "the tenant is placed, but this node does not know it yet; ask again in a moment");
}

// Two steps, because two logs are written: the platform places the tenant, then it is created where it was placed. What
// the first left alone, a second request or the next start goes on with.
base::Status create_tenant(const node::Node& node, base::Random& random, Call& call) {
  if (node.is_shared() && !node.platform().is_owned()) return create_where_placed(node, random, call);
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"id", "display_name"}));
  TRV_TRY_ASSIGN(const std::string id, body.text("id"));
  TRV_TRY_ASSIGN(const auto name, body.optional_text("display_name"));
  const tenancy::PlaceTenant place{.id = base::TenantId(id),
                                   .display_name = name.value_or(""),
                                   .shards = static_cast<std::uint32_t>(node.shards().size()),
                                   .catching_up = node.catching_up()};
  return decide_then(std::move(call), place,
                     [&node, &random, id = place.id](Call placed, const Result<Change>& change) {
                       if (!change) return placed.responder.fail(change.error());
                       const auto tenant = node.tenant(id);
                       if (!tenant) return placed.responder.fail(tenant.error());
                       TRV_ASSERT(tenant->has_value());  // it is durable and projected
                       const auto shard = node.shard_of(id);
                       if (!shard) return placed.responder.fail(shard.error());
                       if (node.is_shared() && !(*shard)->is_owned())
                         return node.forward(**shard, std::move(placed.responder), true);
                       create_in_its_shard(**shard, std::move(placed), **tenant, make_token(random, id));
                     });
}

base::Status show_tenant(const node::Node& node, Call& call) {
  TRV_TRY_ASSIGN(const auto tenant, node.tenant(call.tenant));
  if (!tenant) return fail(ErrorCode::not_found, "tenant '" + call.tenant.value() + "' not found");
  const bool is_operator = call.principal.tenant == base::system_tenant();
  return call.send(http::json(200, is_operator ? with_shard(*tenant) : to_object(*tenant)));
}

// The move is recorded in the platform's shard, and made by those who own the two others.
base::Status move_tenant(const node::Node& node, Call& call) {
  if (node.is_shared() && !node.platform().is_owned()) {
    node.forward(node.platform(), std::move(call.responder), true);
    return {};
  }
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"shard"}));
  TRV_TRY_ASSIGN(const std::optional<std::int64_t> shard, body.optional_integer("shard"));
  const auto shards = static_cast<std::uint32_t>(node.shards().size());
  if (!shard || *shard < 0) {
    return fail(ErrorCode::invalid, fmt::format("shard is {}; tenants live in the shards 1 to {}",
                                                shard ? std::to_string(*shard) : "missing", shards - 1));
  }
  const tenancy::RequestMove request{
      .tenant = call.tenant, .shard = static_cast<std::uint64_t>(*shard), .shards = shards};
  Call asked{.responder = std::move(call.responder),
             .principal = std::move(call.principal),
             .tenant = base::system_tenant(),
             .shard = node.platform()};
  std::promise<std::pair<http::Responder, base::Status>> decided;
  (void)decide_then(std::move(asked), request, [&decided](Call back, const Result<Change>& change) {
    decided.set_value({std::move(back.responder), change ? base::Status() : fail(change.error())});
  });
  auto [responder, requested] = decided.get_future().get();
  call.responder = std::move(responder);
  TRV_TRY(requested);
  TRV_TRY_ASSIGN(const auto tenant,
                 node.await_tenant(request.tenant, move_within,
                                   [](const std::optional<tenancy::Tenant>& now) { return !now || !now->moves_to; }));
  TRV_ASSERT(tenant.has_value());  // or the request would be refused
  return call.send(http::json(tenant->moves_to ? 202 : 200, with_shard(*tenant)));
}

json::Value to_object(const tenancy::Retention& retention) {
  return {{"instances_days", retention.instances_days}, {"events_days", retention.events_days}};
}

base::Status show_retention(Call& call) {
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(const auto retention, call.shard.tenancy().retention(txn, call.tenant));
  return call.send(http::json(200, to_object(retention)));
}

/// A member that is missing keeps its default.
base::Status read_days(const Body& body, std::string_view name, std::uint32_t& days) {
  TRV_TRY_ASSIGN(const std::optional<std::int64_t> number, body.optional_integer(name));
  if (!number) return {};
  if (*number < 0 || *number > tenancy::retention_days_max) {
    return fail(ErrorCode::invalid,
                fmt::format("{} is {}; it can be 1 to {}, or 0 for ever", name, *number, tenancy::retention_days_max));
  }
  days = static_cast<std::uint32_t>(*number);
  return {};
}

base::Status set_retention(Call& call) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"instances_days", "events_days"}));
  tenancy::SetRetention set;
  TRV_TRY(read_days(body, "instances_days", set.retention.instances_days));
  TRV_TRY(read_days(body, "events_days", set.retention.events_days));
  return decide(std::move(call), set, [set](const Change&) { return http::json(200, to_object(set.retention)); });
}

base::Status add_member(Call& call) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"user", "role"}));
  tenancy::AddMember add;
  TRV_TRY_ASSIGN(add.user, body.text("user"));
  TRV_TRY_ASSIGN(const std::string role, body.text("role"));
  TRV_TRY_ASSIGN(add.role, tenancy::parse_role(role));
  return decide(std::move(call), add, [add](const Change& change) {
    return http::json(201, to_object(tenancy::Member{add.user, add.role, change.time}));
  });
}

}  // namespace

void add_tenant_routes(http::Router& router, const node::Node& node, base::Random& random) {
  router.route(
      "POST", "/v1/tenants",
      guarded(node, Resource::tenants, [&node, &random](Call& call) { return create_tenant(node, random, call); }),
      {.may_wait = true});
  router.route("GET", "/v1/tenants", guarded(node, Resource::tenants, [&node](Call& call) {
                 return answer_list(
                     node.platform(), call,
                     [&node](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
                       return node.platform().tenancy().tenants(txn, after, count);
                     },
                     [](const auto& one) { return with_shard(one); }, [](const auto& one) { return one.id.value(); });
               }));
  router.route("GET", "/v1/tenants/{tenant}",
               guarded(node, Resource::tenants, [&node](Call& call) { return show_tenant(node, call); }));
  router.route("POST", "/v1/tenants/{tenant}/move",
               guarded(node, Resource::tenants, [&node](Call& call) { return move_tenant(node, call); },
                       {.reach = Reach::operator_too}),
               {.may_wait = true});
  router.route("GET", "/v1/tenants/{tenant}/retention", guarded(node, Resource::members, show_retention));
  // Who may say who is a member may say how long the tenant's past is kept.
  router.route("PUT", "/v1/tenants/{tenant}/retention", guarded(node, Resource::members, set_retention));
  router.route("POST", "/v1/tenants/{tenant}/members", guarded(node, Resource::members, add_member));
  router.route(
      "GET", "/v1/tenants/{tenant}/members",
      guarded(node, Resource::members, list_of(&tenancy::TenancyStore::members, to_object, &tenancy::Member::user)));
}

}  // namespace trv::gateway
