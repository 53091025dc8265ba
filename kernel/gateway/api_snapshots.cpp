// Snapshots of the shards: for the operator, from any node.

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "kernel/gateway/at_owner.hpp"
#include "kernel/gateway/body.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/routes.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

/// How long a request waits for a snapshot that is taken.
constexpr auto take_within = std::chrono::seconds(5);

json::Value to_object(const projection::Snapshot& one) {
  return {{"shard", one.shard.value()},
          {"lsn", one.applied.lsn.value()},
          {"bytes", one.bytes},
          {"taken", one.taken.to_rfc3339()}};
}

/// In the order of the list: by shard, of each the one that goes furthest first.
std::string position_of(const projection::Snapshot& one) {
  return fmt::format("{:010} {:020} {}", one.shard.value(), ~one.applied.lsn.value(), one.folder.filename().string());
}

base::Status list(const node::Node& node, const projection::Snapshots& snapshots, Call& call) {
  TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
  std::map<std::string, projection::Snapshot> rest;
  for (const auto& shard : node.shards()) {
    TRV_TRY_ASSIGN(const auto some, snapshots.list(shard->id()));
    for (const projection::Snapshot& one : some) {
      if (std::string position = position_of(one); position > page.after) rest.emplace(std::move(position), one);
    }
  }
  std::string next;
  if (rest.size() > page.limit) {
    const auto end = std::next(rest.begin(), static_cast<std::ptrdiff_t>(page.limit));
    next = std::prev(end)->first;
    rest.erase(end, rest.end());
  }
  return call.send(list_response(rest, page, next, [](const auto& one) { return to_object(one.second); }));
}

Result<node::Shard*> shard_of_path(const node::Node& node, const http::Request& request) {
  const std::string_view text = request.parameter("shard");
  std::size_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (is_number && id < node.shards().size()) return node.shards()[id].get();
  return fail(ErrorCode::not_found, fmt::format("shard '{}' not found; the shards are 0 to {}",
                                                base::utf8_prefix(text, 20), node.shards().size() - 1));
}

base::Status take(const node::Node& node, projection::SnapshotKeeper& keeper, Call& call) {
  TRV_TRY_ASSIGN(const node::Shard* const shard, shard_of_path(node, call.request()));
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"lsn"}));
  TRV_TRY_ASSIGN(const std::optional<std::int64_t> wanted, body.optional_integer("lsn"));
  if (is_elsewhere(node, *shard, call.request())) {
    node.forward(*shard, std::move(call.responder), true);
    return {};
  }
  if (!shard->is_serving()) return fail(ErrorCode::unavailable, shard->why_not_ready());
  TRV_TRY_ASSIGN(const projection::Applied applied, shard->projection().committed());
  const auto last = static_cast<std::int64_t>(applied.lsn.value());
  const std::int64_t lsn = wanted.value_or(last);
  if (lsn < 0 || lsn > last) {
    return fail(ErrorCode::invalid,
                fmt::format("lsn is {}; shard {} has the records 1 to {}", lsn, shard->id().value(), last));
  }
  std::optional<projection::Snapshot> taken;
  if (lsn > 0) {
    TRV_TRY_ASSIGN(taken, keeper.take_now(shard->id(), record::Lsn(static_cast<std::uint64_t>(lsn)), take_within));
  }
  if (taken) return call.send(http::json(200, to_object(*taken)));
  return call.send(
      http::json(lsn == 0 ? 200 : 202,
                 {{"shard", shard->id().value()}, {"lsn", lsn}, {"bytes", std::int64_t{0}}, {"taken", json::Value()}}));
}

}  // namespace

void add_snapshot_routes(http::Router& router, const node::Node& node, const projection::Snapshots& snapshots,
                         projection::SnapshotKeeper& keeper) {
  router.route(
      "GET", "/v1/snapshots",
      guarded(node, Resource::tenants, [&](Call& call) { return list(node, snapshots, call); }, {.where = Where::any}),
      {.may_wait = true});
  router.route(
      "POST", "/v1/shards/{shard}/snapshots",
      guarded(node, Resource::tenants, [&](Call& call) { return take(node, keeper, call); }, {.where = Where::any}),
      {.may_wait = true});
}

}  // namespace trv::gateway
