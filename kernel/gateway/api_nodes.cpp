// The nodes that share the shards: for the operator, from any of them.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

json::Value to_object(const node::Peer& peer) {
  json::Value shards = json::Value::array();
  for (const record::ShardId shard : peer.shards) shards.push_back(shard.value());
  return {{"node", peer.node}, {"address", peer.address}, {"version", peer.version}, {"shards", std::move(shards)}};
}

base::Status list(const Nodes& nodes, Call& call) {
  TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
  return call.send(list_response(nodes.list(), page, "", [](const node::Peer& one) { return to_object(one); }));
}

base::Status set_part(const Nodes& nodes, Call& call, bool takes_part) {
  const std::string name(call.request().parameter("node"));
  if (name == nodes.self) {
    TRV_TRY(nodes.take_part(takes_part));
    return call.send(http::json(200, {{"node", name}, {"status", takes_part ? "active" : "drained"}}));
  }
  const std::vector<node::Peer> peers = nodes.list();
  const auto peer = std::ranges::find(peers, name, &node::Peer::node);
  if (peer == peers.end()) {
    return fail(ErrorCode::not_found,
                fmt::format("node '{}' not found among those that own shards; ask a node that is drained itself",
                            base::utf8_prefix(name, 63)));
  }
  nodes.forward_to(peer->address, std::move(call.responder));
  return {};
}

}  // namespace

void add_node_routes(http::Router& router, const node::Node& node, const Nodes& nodes) {
  router.route(
      "GET", "/v1/nodes",
      guarded(node, Resource::tenants, [&nodes](Call& call) { return list(nodes, call); }, {.where = Where::any}));
  router.route("POST", "/v1/nodes/{node}/drain",
               guarded(node, Resource::tenants, [&nodes](Call& call) { return set_part(nodes, call, false); },
                       {.body = BodyRule::by_handler, .where = Where::any}),
               {.may_wait = true});
  router.route("POST", "/v1/nodes/{node}/resume",
               guarded(node, Resource::tenants, [&nodes](Call& call) { return set_part(nodes, call, true); },
                       {.body = BodyRule::by_handler, .where = Where::any}),
               {.may_wait = true});
}

}  // namespace trv::gateway
