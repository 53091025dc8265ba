// One action on many instances: those that a search finds, a bounded number in a request. Each is a decision of its
// own, with its own entry in the trail.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/instance_search.hpp"
#include "kernel/gateway/instances.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/workflow/instance/actions.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using instance::Acted;
using instance::InstanceId;
using instance::InstanceSummary;

/// Of one request.
constexpr std::size_t acted_on_max = 100;
/// What has faulted is read from the log before it goes on.
constexpr std::size_t gone_on_max = 20;
constexpr std::size_t listed_max = 500;
constexpr std::size_t reason_bytes_max = 1'000;

/// A request under way.
struct Bulk {
  std::string action;
  bool is_dry = false;
  std::string reason;
  std::vector<InstanceSummary> found;
  std::map<InstanceId, base::Result<instance::Past>> pasts;  ///< of those that are to go on
  std::size_t next = 0;                                      ///< in `found`
  json::Value items = json::Value::array();
  std::string cursor;  ///< where the search goes on
};

json::Value item_of(const InstanceSummary& one, std::string_view outcome) {
  return {{"id", one.id.to_string()},
          {"workflow", fmt::format("{}/{}:{}", one.definition.space, one.definition.name, one.definition.version)},
          {"status", instance::to_string(one.status)},
          {"outcome", outcome}};
}

http::Response answer_of(const Bulk& bulk) {
  return http::json(200, {{"action", bulk.action},
                          {"dry_run", bulk.is_dry},
                          {"items", bulk.items},
                          {"next_cursor", bulk.cursor.empty() ? json::Value() : json::Value(bulk.cursor)}});
}

/// A refusal is of the instance; after any other error nothing more is tried.
bool is_refusal(const base::Error& error) {
  return error.code() == ErrorCode::conflict || error.code() == ErrorCode::not_found ||
         error.code() == ErrorCode::invalid || error.code() == ErrorCode::too_large;
}

base::Result<Acted> decide_one(const lmdb::Txn& state, const shard::DecisionContext& context, node::Shard& shard,
                               const Bulk& bulk, const InstanceId& id) {
  const std::string reason = bulk.reason.empty() ? "asked for by " + context.actor : bulk.reason;
  const instance::Workflows workflows = shard.decision_state();
  if (bulk.action == "cancel") return instance::cancel(state, context, workflows, id, reason);
  if (bulk.action == "suspend") return instance::suspend(state, context, workflows, id, reason);
  if (bulk.action == "resume") return instance::resume(state, context, workflows, id, reason);
  const auto& past = bulk.pasts.at(id);
  if (!past) return fail(past.error());
  return instance::retry(state, context, workflows, id, *past, {.skips = bulk.action == "skip", .reason = reason});
}

void act_on_next(Call call, std::shared_ptr<Bulk> bulk) {
  if (bulk->next == bulk->found.size()) return call.responder.send(answer_of(*bulk));
  node::Shard& shard = call.shard;
  const auto status = std::make_shared<instance::Status>();
  (void)submit_then(
      std::move(call),
      [&shard, bulk, status](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(Acted acted, decide_one(state, context, shard, *bulk, bulk->found[bulk->next].id));
        *status = acted.status;
        return std::move(acted.decision);
      },
      [bulk, status](Call back, const Result<Change>& change) {
        InstanceSummary& one = bulk->found[bulk->next];
        if (change) one.status = *status;
        json::Value item = item_of(one, change ? "done" : is_refusal(change.error()) ? "refused" : "failed");
        if (!change) item.set("detail", json::Value(change.error().message()));
        bulk->items.push_back(std::move(item));
        ++bulk->next;
        if (!change && !is_refusal(change.error())) {
          // Whether it took effect may not be known: the next request begins with it.
          bulk->cursor = one.id.to_string();
          return back.responder.send(answer_of(*bulk));
        }
        act_on_next(std::move(back), bulk);
      });
}

base::Result<instance::Search> search_in(const node::Node& node, const Body& body) {
  TRV_TRY_ASSIGN(const auto search, body.optional_object("search", {"status", "workflow", "key", "correlation", "error",
                                                                    "since", "until", "not_compensated"}));
  if (!search)
    return fail(ErrorCode::invalid,
                "search is missing: say which instances are meant, for example "
                "{\"search\": {\"workflow\": \"demo/hello\", \"status\": \"faulted\"}}");
  std::map<std::string, std::string, std::less<>> given;
  for (const std::string_view name : {"status", "workflow", "key", "correlation", "error", "since", "until"}) {
    TRV_TRY_ASSIGN(auto text, search->optional_text(name));
    if (text) given.emplace(name, *std::move(text));
  }
  TRV_TRY_ASSIGN(const bool not_compensated, search->flag("not_compensated"));
  if (not_compensated) given.emplace("not_compensated", "true");
  if (given.empty()) {
    return fail(ErrorCode::invalid, "search is empty, which would be every instance; say which are meant");
  }
  return search_of(node, [&given](std::string_view name) -> std::optional<std::string_view> {
    const auto found = given.find(name);
    return found == given.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  });
}

base::Status act_on_many(const node::Node& node, Call& call) {
  TRV_TRY_ASSIGN(const Body body,
                 Body::parse(call.request().body(), {"action", "search", "reason", "dry_run", "limit", "cursor"}));
  auto bulk = std::make_shared<Bulk>();
  TRV_TRY_ASSIGN(bulk->action, body.text("action"));
  const auto actions = {"cancel", "suspend", "resume", "retry", "skip"};
  if (std::ranges::find(actions, bulk->action) == actions.end()) {
    return fail(ErrorCode::invalid, fmt::format("action '{}' is not known; use cancel, suspend, resume, retry or skip",
                                                base::utf8_prefix(bulk->action, 40)));
  }
  TRV_TRY_ASSIGN(instance::Search search, search_in(node, body));
  const bool goes_on = bulk->action == "retry" || bulk->action == "skip";
  // What can only be refused is not looked for.
  if (!search.status && goes_on) search.status = instance::Status::faulted;
  if (!search.status && bulk->action == "resume") search.status = instance::Status::suspended;
  TRV_TRY_ASSIGN(auto reason, body.optional_text("reason"));
  if (reason && reason->size() > reason_bytes_max) {
    return fail(ErrorCode::too_large,
                fmt::format("reason has {} bytes; at most {} are kept", reason->size(), reason_bytes_max));
  }
  bulk->reason = std::move(reason).value_or("");
  TRV_TRY_ASSIGN(bulk->is_dry, body.flag("dry_run"));
  TRV_TRY_ASSIGN(const auto limit, body.optional_integer("limit"));
  const std::size_t most = bulk->is_dry ? listed_max : goes_on ? gone_on_max : acted_on_max;
  if (limit && (*limit < 1 || *limit > static_cast<std::int64_t>(listed_max))) {
    return fail(ErrorCode::invalid, fmt::format("limit is {}; expected 1 to {}", *limit, listed_max));
  }
  TRV_TRY_ASSIGN(const auto cursor, body.optional_text("cursor"));
  {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    const instance::InstanceStore store(call.shard.workflows());
    TRV_TRY_ASSIGN(auto page, store.list(txn, call.tenant, search, cursor.value_or(""),
                                         std::min(most, static_cast<std::size_t>(limit.value_or(500)))));
    bulk->cursor = std::move(page.next);
    bulk->found = std::move(page.items);
    TRV_TRY_ASSIGN(const auto records, records_of(call, txn));
    for (const InstanceSummary& one : bulk->found) {
      if (goes_on && !bulk->is_dry) {
        bulk->pasts.emplace(one.id,
                            instance::before_failure(txn, call.shard.workflows(), call.tenant, one.id, records));
      }
    }
  }
  if (bulk->is_dry) {
    for (const InstanceSummary& one : bulk->found) bulk->items.push_back(item_of(one, "found"));
    return call.send(answer_of(*bulk));
  }
  act_on_next(std::move(call), std::move(bulk));
  return {};
}

}  // namespace

void add_bulk_action_routes(http::Router& router, const node::Node& node) {
  router.route("POST", "/v1/tenants/{tenant}/instance-actions",
               guarded(node, Resource::instances, [&node](Call& call) { return act_on_many(node, call); }),
               {.may_wait = true});
}

}  // namespace trv::gateway
