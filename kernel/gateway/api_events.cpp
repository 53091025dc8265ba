#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/access.hpp"
#include "kernel/gateway/cloud_event.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/receive.hpp"
#include "kernel/gateway/routes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

/// A page of events ends behind the event with which its text reaches so many bytes.
constexpr std::size_t page_bytes_max = 1'000'000;

/// A position that the client sent; "0" is the beginning.
Result<std::optional<log::Lsn>> lsn_of(const Call& call, std::string_view name, std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  if (*text == "0") return log::Lsn(0);
  return call.shard.place_of(name, *text, call.tenant);
}

/// Where a follower starts: Last-Event-ID, else ?after=, else now.
Result<log::Lsn> start_of(const Call& call) {
  const http::Request& request = call.request();
  TRV_TRY_ASSIGN(const auto resumed, lsn_of(call, "Last-Event-ID", request.header("Last-Event-ID")));
  if (resumed) return *resumed;
  TRV_TRY_ASSIGN(const auto after, lsn_of(call, "after", request.query("after")));
  if (after) return *after;
  return call.shard.last_place(call.tenant);
}

/// Whether the token that opened a stream still opens one.
bool is_usable(const node::Node& node, const tenancy::Token& token) {
  if (token.expires && *token.expires <= node.now()) return false;
  const auto shard = node.shard_of(token.tenant);
  if (!shard) return false;
  const auto txn = (*shard)->begin_read();
  if (!txn) return false;
  const auto found = (*shard)->tenancy().token(*txn, token.tenant, token.id);
  return found && *found && (*found)->hash == token.hash;
}

/// ?lifecycle=true asks for the events of the workflow language.
Result<node::View> view_of(const http::Request& request) {
  const auto lifecycle = request.query("lifecycle");
  if (!lifecycle || *lifecycle == "false") return node::View::records;
  if (*lifecycle == "true") return node::View::lifecycle;
  return fail(ErrorCode::invalid,
              fmt::format("lifecycle '{}' must be true or false", base::utf8_prefix(*lifecycle, 40)));
}

base::Status follow(const node::Node& node, Call& call) {
  TRV_TRY_ASSIGN(const node::View view, view_of(call.request()));
  TRV_TRY_ASSIGN(const log::Lsn after, start_of(call));
  http::EventStream stream = call.responder.stream();
  stream.comment("connected");
  tenancy::Token token = std::move(call.principal);
  std::string right = token.tenant.value() + "/" + token.id;
  call.shard.feed().follow(
      {.tenant = call.tenant,
       .after = after,
       .right = std::move(right),
       .may_follow = [&node, &shard = call.shard,
                      token = std::move(token)] { return shard.is_serving() && is_usable(node, token); },
       .view = view},
      std::move(stream));
  return {};
}

base::Status list(Call& call) {
  TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
  TRV_TRY_ASSIGN(const auto after, lsn_of(call, "after", call.request().query("after")));
  node::EventRange range{.after = after.value_or(log::Lsn(0)), .count = page.limit, .bytes_max = page_bytes_max};
  if (!page.after.empty()) {
    TRV_TRY_ASSIGN(range.after, call.shard.place_of("cursor", page.after, call.tenant));
  }
  TRV_TRY_ASSIGN(const node::EventPage found, call.shard.events(call.tenant, range));
  const std::string next = found.more ? found.events.back().position : std::string();
  return call.send(list_response(found.events, page, next, [](const node::Event& event) { return event.text; }));
}

/// An earlier event of the batch with the same source and id.
std::optional<std::size_t> twin_before(const std::vector<ingest::Received>& events, std::size_t index) {
  for (std::size_t i = 0; i < index; ++i) {
    if (events[i].source == events[index].source && events[i].id == events[index].id) return i;
  }
  return std::nullopt;
}

/// A request with events on their way into the log.
struct Batch {
  std::vector<ingest::Received> events;
  std::vector<Receipt> receipts;
  std::size_t next = 0;  ///< those before it are taken
};

/// One decision takes as many as it can: an instance that listens sees one event in each.
Result<shard::Decision> receive_some(node::Shard& shard, const lmdb::Txn& state, shard::DecisionContext& context,
                                     Batch& batch, std::size_t first) {
  instance::DecisionBudget budget;
  shard::Decision decision;
  for (batch.next = first; batch.next < batch.events.size(); ++batch.next) {
    Receipt& receipt = batch.receipts[batch.next];
    // The state does not show yet what this very decision takes.
    if (const auto twin = twin_before(batch.events, batch.next)) {
      receipt = {.event = batch.receipts[*twin].event, .duplicate = true, .started = {}, .heard = {}};
      continue;
    }
    TRV_TRY_ASSIGN(shard::Decision one, receive(shard.ingest(), shard.decision_state(), state, context,
                                                batch.events[batch.next], receipt, budget, batch.events.size()));
    if (receipt.comes_later) break;
    decision.append(std::move(one));
  }
  TRV_ENSURES(batch.next > first || batch.events.empty());
  return decision;
}

void receive_from(Call call, std::shared_ptr<Batch> batch, std::size_t first) {
  node::Shard& shard = call.shard;
  (void)submit_then(
      std::move(call),
      [&shard, batch, first](const lmdb::Txn& state, shard::DecisionContext& context) {
        return receive_some(shard, state, context, *batch, first);
      },
      [batch](Call back, const Result<Change>& change) {
        if (change && batch->next < batch->events.size()) return receive_from(std::move(back), batch, batch->next);
        answering([batch](const Change&) {
          json::Value received = json::Value::array();
          json::Value started = json::Value::array();
          json::Value heard = json::Value::array();
          json::Value duplicates = json::Value::array();
          for (const Receipt& receipt : batch->receipts) {
            received.push_back(receipt.event.to_string());
            if (receipt.duplicate) duplicates.push_back(receipt.event.to_string());
            for (const base::Uuid& id : receipt.started) started.push_back(id.to_string());
            for (const base::Uuid& id : receipt.heard) heard.push_back(id.to_string());
          }
          return http::json(202, {{"received", std::move(received)},
                                  {"started", std::move(started)},
                                  {"heard", std::move(heard)},
                                  {"duplicates", std::move(duplicates)}});
        })(std::move(back), change);
      });
}

base::Status receive_all(blob::BlobStore& blobs, Call& call) {
  if (auto refused = refuse_cloud_event_media(call.request())) return call.send(*std::move(refused));
  auto batch = std::make_shared<Batch>();
  TRV_TRY_ASSIGN(batch->events, read_cloud_events(call.request()));
  for (ingest::Received& event : batch->events) {
    if (auto kept = keep_large_data(blobs, event); !kept) {
      call.responder.fail_storing(kept.error());
      return {};
    }
  }
  batch->receipts.resize(batch->events.size());
  receive_from(std::move(call), std::move(batch), 0);
  return {};
}

}  // namespace

void add_event_routes(http::Router& router, const node::Node& node, blob::BlobStore& blobs) {
  router.route("GET", "/v1/tenants/{tenant}/events", guarded(node, Resource::events, list), {.may_wait = true});
  router.route(
      "GET", "/v1/tenants/{tenant}/events/stream",
      guarded(node, Resource::events, [&node](Call& call) { return follow(node, call); }, {.where = Where::any}));
  router.route("POST", "/v1/tenants/{tenant}/events",
               guarded(node, Resource::events, [&blobs](Call& call) { return receive_all(blobs, call); },
                       {.body = BodyRule::by_handler}),
               {.body_bytes_max = event_body_bytes_max});
}

}  // namespace trv::gateway
