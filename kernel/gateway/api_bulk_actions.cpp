// One action on many instances: those that a search finds, a bounded number in a request. Each is a decision of its
// own, with its own entry in the trail.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/instance_commands.hpp"
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
/// The past of an instance is read from the log.
constexpr std::size_t gone_on_max = 20;
constexpr std::size_t limit_max = 500;

/// A member of the body, and the actions that take it.
struct OwnMember {
  std::string_view name;
  std::string_view actions;
};
constexpr std::array own_members = {
    OwnMember{"compensate", "cancel"}, OwnMember{"version", "retry, skip, migrate, fork"},
    OwnMember{"map", "migrate"},       OwnMember{"at", "fork"},
    OwnMember{"type", "signal"},       OwnMember{"data", "signal"},
    OwnMember{"source", "signal"},     OwnMember{"subject", "signal"}};
constexpr std::string_view actions_known = "cancel, suspend, resume, retry, skip, migrate, fork, signal";

/// Whether a list with commas has the word.
bool names(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(", "), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 2, list.size()));
  }
  return false;
}

/// A request under way.
struct Bulk {
  std::string action;
  bool is_dry = false;
  std::string reason;
  bool compensates = false;                    ///< cancel
  std::string version;                         ///< retry, skip, migrate, fork; empty: the same
  std::vector<instance::TaskMapping> mapping;  ///< migrate
  base::Timestamp at;                          ///< fork
  instance::ReceivedEvent event;               ///< signal
  std::vector<InstanceSummary> found;
  std::map<InstanceId, base::Result<instance::Past>> pasts;  ///< of those that are to go on from one
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

/// What one instance comes to.
struct Outcome {
  shard::Decision decision;
  instance::Status status = instance::Status::running;
  std::string forked{};  ///< the new instance
};

base::Result<Outcome> fork_one(const lmdb::Txn& state, const shard::DecisionContext& context,
                               instance::Workflows workflows, const Bulk& bulk, const InstanceSummary& one,
                               const std::string& reason) {
  const auto& past = bulk.pasts.at(one.id);
  if (!past) return fail(past.error());
  TRV_TRY_ASSIGN(instance::Forked forked,
                 instance::fork(state, context, workflows, one.id, *past, {.version = bulk.version, .reason = reason}));
  return Outcome{std::move(forked.decision), one.status, forked.instance.to_string()};
}

base::Result<Outcome> decide_one(const lmdb::Txn& state, const shard::DecisionContext& context, node::Shard& shard,
                                 const Bulk& bulk, const InstanceSummary& one) {
  const std::string reason = bulk.reason.empty() ? "asked for by " + context.actor : bulk.reason;
  const instance::Workflows workflows = shard.decision_state();
  const auto of = [](base::Result<Acted> acted) -> base::Result<Outcome> {
    if (!acted) return fail(std::move(acted).error());
    return Outcome{std::move(acted->decision), acted->status};
  };
  if (bulk.action == "cancel") {
    const auto act = bulk.compensates ? instance::cancel_and_compensate : instance::cancel;
    return of(act(state, context, workflows, one.id, reason));
  }
  if (bulk.action == "suspend") return of(instance::suspend(state, context, workflows, one.id, reason));
  if (bulk.action == "resume") return of(instance::resume(state, context, workflows, one.id, reason));
  if (bulk.action == "fork") return fork_one(state, context, workflows, bulk, one, reason);
  if (bulk.action == "migrate") {
    const instance::Migrate command{.version = bulk.version, .mapping = bulk.mapping, .reason = reason};
    TRV_TRY_ASSIGN(instance::Migrated migrated, instance::migrate(state, context, workflows, one.id, command));
    return Outcome{std::move(migrated.decision), migrated.status};
  }
  if (bulk.action == "signal") {
    instance::ReceivedEvent event = bulk.event;
    event.id = context.ids.next(context.now).to_string();
    event.time = context.now;
    if (event.source.empty()) event.source = source_of_signal(one.id);
    TRV_TRY_ASSIGN(instance::Signalled signalled, instance::signal(state, context, workflows, one.id, event, reason));
    return Outcome{std::move(signalled.decision), signalled.status};
  }
  const auto& past = bulk.pasts.at(one.id);
  if (!past) return fail(past.error());
  return of(instance::retry(state, context, workflows, one.id, *past,
                            {.skips = bulk.action == "skip", .version = bulk.version, .reason = reason}));
}

/// A dry run decides all the same, and records nothing: what it says of an instance is what would become of it now.
void act_on_next(Call call, std::shared_ptr<Bulk> bulk) {
  if (bulk->next == bulk->found.size()) return call.responder.send(answer_of(*bulk));
  node::Shard& shard = call.shard;
  const auto outcome = std::make_shared<Outcome>();
  (void)submit_then(
      std::move(call),
      [&shard, bulk, outcome](const lmdb::Txn& state,
                              shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(*outcome, decide_one(state, context, shard, *bulk, bulk->found[bulk->next]));
        if (bulk->is_dry) return shard::Decision{};
        return std::move(outcome->decision);
      },
      [bulk, outcome](Call back, const Result<Change>& change) {
        InstanceSummary& one = bulk->found[bulk->next];
        if (change && !bulk->is_dry) one.status = outcome->status;
        const std::string_view done = bulk->is_dry ? "possible" : "done";
        json::Value item = item_of(one, change ? done : is_refusal(change.error()) ? "refused" : "failed");
        if (!change) item.set("detail", json::Value(change.error().message()));
        if (change && bulk->is_dry) item.set("becomes", json::Value(instance::to_string(outcome->status)));
        if (change && !bulk->is_dry && !outcome->forked.empty()) item.set("forked", json::Value(outcome->forked));
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

/// What only some actions take.
base::Status read_own(const Body& body, Bulk& bulk) {
  for (const OwnMember& one : own_members) {
    if (!body.optional_value(one.name) || names(one.actions, bulk.action)) continue;
    return fail(ErrorCode::invalid,
                fmt::format("{} is of the actions {}; {} takes none", one.name, one.actions, bulk.action));
  }
  TRV_TRY_ASSIGN(bulk.compensates, body.flag("compensate"));
  TRV_TRY_ASSIGN(auto version, body.optional_text("version"));
  if ((version && version->empty()) || (!version && bulk.action == "migrate")) {
    return fail(ErrorCode::invalid, "version is missing or empty; say which version is meant");
  }
  bulk.version = std::move(version).value_or("");
  TRV_TRY_ASSIGN(bulk.mapping, mapping_of(body));
  if (bulk.action == "signal") {
    TRV_TRY_ASSIGN(bulk.event, signal_of(body));
  }
  if (bulk.action != "fork") return {};
  TRV_TRY_ASSIGN(const std::string at, body.text("at"));
  const auto time = base::Timestamp::from_rfc3339(at);
  if (!time) {
    return fail(ErrorCode::invalid,
                fmt::format("at '{}' is not an RFC 3339 time such as 2026-01-31T12:00:00Z; an event is of one instance",
                            base::utf8_prefix(at, 80)));
  }
  bulk.at = *time;
  return {};
}

/// What can only be refused is not looked for.
void narrow(const Bulk& bulk, instance::Search& search) {
  if (search.status || search.has_not_ended) return;
  if (names("retry, skip", bulk.action)) search.status = instance::Status::faulted;
  if (bulk.action == "resume") search.status = instance::Status::suspended;
  if (names("cancel, suspend, migrate, signal", bulk.action)) search.has_not_ended = search.error.empty();
}

base::Status find(Call& call, Bulk& bulk, const instance::Search& search, const std::string& cursor,
                  std::size_t count_max) {
  const bool retries = names("retry, skip", bulk.action);
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  const instance::Tables& tables = call.shard.workflows();
  TRV_TRY_ASSIGN(auto page, instance::InstanceStore(tables).list(txn, call.tenant, search, cursor, count_max));
  bulk.cursor = std::move(page.next);
  bulk.found = std::move(page.items);
  if (!retries && bulk.action != "fork") return {};
  TRV_TRY_ASSIGN(const auto records, records_of(call, txn));
  for (const InstanceSummary& one : bulk.found) {
    bulk.pasts.emplace(one.id, retries ? instance::before_failure(txn, tables, call.tenant, one.id, records)
                                       : instance::behind(txn, tables, call.tenant, one.id, bulk.at, records));
  }
  return {};
}

base::Status act_on_many(const node::Node& node, Call& call) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(),
                                              {"action", "search", "reason", "dry_run", "limit", "cursor", "compensate",
                                               "version", "map", "at", "type", "data", "source", "subject"}));
  auto bulk = std::make_shared<Bulk>();
  TRV_TRY_ASSIGN(bulk->action, body.text("action"));
  if (!names(actions_known, bulk->action)) {
    return fail(ErrorCode::invalid, fmt::format("action '{}' is not known; use one of {}",
                                                base::utf8_prefix(bulk->action, 40), actions_known));
  }
  TRV_TRY_ASSIGN(instance::Search search, search_in(node, body));
  TRV_TRY(read_own(body, *bulk));
  narrow(*bulk, search);
  TRV_TRY_ASSIGN(bulk->reason, reason_of(body));
  TRV_TRY_ASSIGN(bulk->is_dry, body.flag("dry_run"));
  TRV_TRY_ASSIGN(const auto limit, body.optional_integer("limit"));
  if (limit && (*limit < 1 || *limit > static_cast<std::int64_t>(limit_max))) {
    return fail(ErrorCode::invalid, fmt::format("limit is {}; expected 1 to {}", *limit, limit_max));
  }
  const std::size_t most = names("retry, skip, fork", bulk->action) ? gone_on_max : acted_on_max;
  TRV_TRY_ASSIGN(const auto cursor, body.optional_text("cursor"));
  TRV_TRY(find(call, *bulk, search, cursor.value_or(""),
               std::min(most, static_cast<std::size_t>(limit.value_or(static_cast<std::int64_t>(limit_max))))));
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
