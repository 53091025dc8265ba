#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/access.hpp"
#include "kernel/gateway/cloud_event.hpp"
#include "kernel/gateway/receive.hpp"
#include "kernel/gateway/routes.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {
namespace {

constexpr int scan_records_max = 100'000;

Result<std::optional<log::Lsn>> lsn_of(std::string_view name, std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  return parse_lsn(name, *text);
}

/// Where a follower starts: Last-Event-ID, else ?after=, else now.
Result<log::Lsn> start_of(const Call& call) {
  const http::Request& request = call.request();
  TRV_TRY_ASSIGN(const auto resumed, lsn_of("Last-Event-ID", request.header("Last-Event-ID")));
  if (resumed) return *resumed;
  TRV_TRY_ASSIGN(const auto after, lsn_of("after", request.query("after")));
  if (after) return *after;
  return log::Lsn(call.shard.metrics().applied_lsn);
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

void follow(const node::Node& node, Call call) {
  const auto after = start_of(call);
  if (!after) return call.responder.fail(after.error());
  const base::TenantId tenant = call.tenant;
  tenancy::Token token = std::move(call.principal);
  http::EventStream stream = call.responder.stream();
  stream.comment("connected");
  call.shard.feed().follow(tenant, *after, std::move(stream),
                           [&node, token = std::move(token)] { return is_usable(node, token); });
}

void list(const catalog::EventCatalog& catalog, Call call) {
  const auto answer = [&]() -> Result<http::Response> {
    TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
    TRV_TRY_ASSIGN(const auto after, lsn_of("after", call.request().query("after")));
    log::Lsn at = after.value_or(log::Lsn(0));
    if (!page.after.empty()) {
      TRV_TRY_ASSIGN(at, parse_lsn("cursor", page.after));
    }
    TRV_TRY_ASSIGN(const auto reader, call.shard.log().read(call.shard.id(), at.next()));
    std::string items;
    std::size_t count = 0;
    bool more = false;
    for (int scanned = 0; !more; ++scanned) {
      TRV_TRY_ASSIGN(const auto stored, reader->next(base::Duration(0)));
      if (!stored) break;
      TRV_TRY_ASSIGN(const auto event, record::RecordView::over(stored->bytes));
      if (event.tenant() == call.tenant.value()) {
        TRV_TRY_ASSIGN(const std::string text, node::to_cloud_event(catalog, event));
        if (count > 0) items += ',';
        items += text;
        ++count;
      }
      TRV_ASSERT(stored->lsn > at);
      at = stored->lsn;
      more = count == page.limit || scanned == scan_records_max;
    }
    TRV_ENSURES(count <= page.limit);
    const std::string cursor = more ? fmt::format("\"{}\"", to_cursor(page, std::to_string(at.value()))) : "null";
    return http::json_text(200, fmt::format("{{\"items\":[{}],\"next_cursor\":{}}}", items, cursor));
  };
  call.responder.answer(answer());
}

/// An earlier event of the batch with the same source and id.
std::optional<std::size_t> twin_before(const std::vector<ingest::Received>& events, std::size_t index) {
  for (std::size_t i = 0; i < index; ++i) {
    if (events[i].source == events[index].source && events[i].id == events[index].id) return i;
  }
  return std::nullopt;
}

void receive_all(Call call) {
  if (auto refused = refuse_cloud_event_media(call.request())) return call.responder.send(*std::move(refused));
  auto events = read_cloud_events(call.request());
  if (!events) return call.responder.fail(events.error());
  auto receipts = std::make_shared<std::vector<Receipt>>(events->size());
  node::Shard& shard = call.shard;
  submit(
      std::move(call),
      [&shard, events = *events, receipts](const lmdb::Txn& state,
                                           shard::DecisionContext& context) -> Result<shard::Decision> {
        TRV_EXPECTS(receipts->size() == events.size());
        shard::Decision decision;
        for (std::size_t i = 0; i < events.size(); ++i) {
          // The state does not show yet what this very decision takes.
          if (const auto twin = twin_before(events, i)) {
            TRV_ASSERT(*twin < i);
            (*receipts)[i] = {.event = (*receipts)[*twin].event, .duplicate = true, .started = {}};
            continue;
          }
          TRV_TRY_ASSIGN(shard::Decision one, receive(shard, state, context, events[i], (*receipts)[i]));
          std::move(one.events.begin(), one.events.end(), std::back_inserter(decision.events));
        }
        return decision;
      },
      [receipts](const shard::Applied&) {
        boost::json::array received;
        boost::json::array started;
        for (const Receipt& receipt : *receipts) {
          received.push_back(boost::json::string(receipt.event.to_string()));
          for (const base::Uuid& id : receipt.started) started.push_back(boost::json::string(id.to_string()));
        }
        return http::json(202, boost::json::value{{"received", std::move(received)}, {"started", std::move(started)}});
      });
}

}  // namespace

void add_event_routes(http::Router& router, const node::Node& node, const catalog::EventCatalog& catalog) {
  router.route("GET", "/v1/tenants/{tenant}/events",
               guarded(node, Resource::events, Verb::read, [&catalog](Call call) { list(catalog, std::move(call)); }));
  router.route("GET", "/v1/tenants/{tenant}/events/stream",
               guarded(node, Resource::events, Verb::read, [&node](Call call) { follow(node, std::move(call)); }));
  router.route("POST", "/v1/tenants/{tenant}/events",
               guarded(node, Resource::events, Verb::write, receive_all, {.body = BodyRule::by_handler}));
}

}  // namespace trv::gateway
