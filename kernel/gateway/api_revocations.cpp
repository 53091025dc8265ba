// Revocation lists: what must not run any more. docs/formats/revocations.md.

#include "kernel/gateway/list.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/tenancy/revocations.hpp"

namespace trv::gateway {
namespace {

using tenancy::Resource;
using tenancy::RevocationList;

json::Value to_object(const RevocationList& list) {
  json::Value contents = json::Value::array();
  for (const trust::RevokedContent& one : list.list.contents) {
    contents.push_back({{"content_sha256", base::to_hex(one.content)}, {"reason", one.reason}});
  }
  json::Value signers = json::Value::array();
  for (const trust::RevokedSigner& one : list.list.signers) {
    signers.push_back({{"key", one.key.format()}, {"reason", one.reason}});
  }
  return {{"name", list.issuer.substr(0, list.issuer.find('+'))},
          {"key", list.issuer},
          {"counter", list.list.counter},
          {"imported", list.imported.to_rfc3339()},
          {"contents", std::move(contents)},
          {"signers", std::move(signers)}};
}

// What the list names is stopped by the follower, which is woken once the list is recorded.
base::Status import(const Packages& packages, Call& call) {
  if (auto refused = refuse_encoding(call.request())) return call.send(*std::move(refused));
  TRV_TRY_ASSIGN(trust::Roots roots, packages.policy.get()->roots());
  tenancy::ImportRevocations command{.list = std::string(call.request().body()), .roots = std::move(roots)};
  auto opened = trust::open_revocations(command.list);
  if (!opened) return fail(ErrorCode::invalid, opened.error().message());
  const tenancy::TenancyStore& store = call.shard.tenancy();
  RevocationList list{std::move(opened->list), opened->key.format(), {}};
  return submit_then(
      std::move(call),
      [&store, command = std::move(command)](const lmdb::Txn& state, shard::DecisionContext& context) {
        return tenancy::decide(store, state, context, command);
      },
      [packages, list = std::move(list)](Call decided, const Result<Change>& change) mutable {
        if (!change) return decided.responder.fail(change.error());
        packages.follower.wake();
        list.imported = change->time;
        decided.responder.answer(http::json(change->last >= change->first ? 201 : 200, to_object(list)));
      });
}

}  // namespace

void add_revocation_routes(http::Router& router, const node::Node& node, const Packages& packages) {
  router.route("POST", "/v1/revocations",
               guarded(node, Resource::packages, [packages](Call& call) { return import(packages, call); },
                       {.body = BodyRule::by_handler}));
  router.route("GET", "/v1/revocations", guarded(node, Resource::packages, [&node](Call& call) {
                 return answer_list(
                     node.platform(), call,
                     [&node](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
                       return revocation_lists(node.platform().tenancy(), txn, after, count);
                     },
                     [](const RevocationList& one) { return to_object(one); },
                     [](const RevocationList& one) { return one.issuer; });
               }));
}

}  // namespace trv::gateway
