// Parked effects: plugin calls that go out no more before they are released.

#include "kernel/effects/outcome_recorder.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"

namespace trv::gateway {

json::Value parked_object(const shard::ParkedEffect& parked) {
  const shard::Effect& effect = parked.effect;
  return {{"id", parked.id},
          {"plugin", effect.plugin},
          {"version", effect.version},
          {"operation", effect.operation},
          {"connection", effect.connection},
          {"instance", effect.owner},
          {"reference", effect.task},
          {"key", effect.key},
          {"deaths", parked.deaths},
          {"parked", parked.parked.to_rfc3339()}};
}

namespace {

base::Status list(Call& call) {
  return answer_list(
      call.shard, call,
      [&](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
        return call.shard.outbox().parked(txn, call.tenant, after, count);
      },
      [](const shard::ParkedEffect& one) { return parked_object(one); },
      [](const shard::ParkedEffect& one) { return one.id; });
}

base::Status release(Call& call) {
  const std::string id(call.request().parameter("id"));
  const shard::Outbox& outbox = call.shard.outbox();
  return submit(
      std::move(call),
      [&outbox, id](const lmdb::Txn& state, shard::DecisionContext& context) {
        return effects::release(state, context, outbox, id);
      },
      [id](const shard::Applied&) { return http::json(200, {{"id", id}, {"status", "pending"}}); });
}

}  // namespace

void add_effect_routes(http::Router& router, const node::Node& node) {
  router.route("GET", "/v1/tenants/{tenant}/effects", guarded(node, Resource::instances, list));
  router.route("POST", "/v1/tenants/{tenant}/effects/{id}/release", guarded(node, Resource::instances, release));
}

}  // namespace trv::gateway
