#pragma once
// Who asks, in which tenant, and whether they may.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "kernel/http/responder.hpp"
#include "kernel/http/router.hpp"
#include "kernel/node/node.hpp"
#include "kernel/tenancy/model.hpp"
#include "kernel/tenancy/plugin_decisions.hpp"

namespace trv::gateway {

using base::ErrorCode;
using base::fail;
using base::Result;
using tenancy::Resource;
using tenancy::Verb;

/// The text of a token: "trv_<tenant>_<id>_<secret>". It names its tenant, so that a node finds the shard where the
/// rest of it is known: only the SHA-256 of the text is kept.
struct NewToken {
  std::string id;
  std::string text;
  base::Digest hash{};
};
[[nodiscard]] NewToken make_token(base::Random& random, const base::TenantId& tenant);

/// A request whose sender is known and may do what was asked.
struct Call {
  http::Responder responder;
  tenancy::Token principal;
  base::TenantId tenant;  ///< of the path; the principal's own where the path names none
  node::Shard& shard;     ///< of that tenant

  [[nodiscard]] const http::Request& request() const { return responder.request(); }
  /// "token:<id>", as it is in events.
  [[nodiscard]] std::string actor() const { return "token:" + principal.id; }
  /// The operator asks about a tenant of others.
  [[nodiscard]] bool foreign() const { return tenant != principal.tenant; }
  /// Answers. Always ok, so that a handler can end with it.
  base::Status send(http::Response response) {
    responder.send(std::move(response));
    return {};
  }
};

/// Answers the call, or moves it to what will; its error is the answer to a call that is still pending.
using Handle = std::function<base::Status(Call& call)>;

/// Whose tenants a route may be asked about.
enum class Reach {
  own_tenant,
  operator_too,  ///< also those of others, by an owner token of the system tenant; `Call::foreign()` tells
};
/// What the body of a POST or PUT may be.
enum class BodyRule {
  json,
  by_handler,  ///< the handler looks itself
};
/// What the query may be.
enum class QueryRule {
  declared,    ///< parameters that the operation has
  by_handler,  ///< it is another's; the answer is always that of the owner
};
/// Which node answers.
enum class Where {
  owner,  ///< of the tenant's shard
  any,    ///< that follows the shard: its projection may be behind
};
struct GuardOptions {
  Reach reach = Reach::own_tenant;
  BodyRule body = BodyRule::json;
  Where where = Where::owner;
  QueryRule query = QueryRule::declared;
};

/// Wraps a handler with the checks: no or unknown token → 401; a tenant that does not exist or is not the token's → the
/// same 404; a role that does not allow to read (GET) or write (any other method) the resource → 403; a body that is
/// not JSON by its headers → 415; a parameter of the query that the operation does not have → 400. Refusals of a known
/// token are events in its tenant before they are answered.
[[nodiscard]] http::Handler guarded(const node::Node& node, Resource resource, Handle handle,
                                    GuardOptions options = {});

/// What a command led to, and the time of its decision, which its events bear.
struct Change : shard::Applied {
  base::Timestamp time;
};

using Decide = std::function<Result<shard::Decision>(const lmdb::Txn&, shard::DecisionContext&)>;

using Then = std::function<void(Call call, const Result<Change>& change)>;
/// Decides on the call's shard; `then` has the call back when that is durable, or refused, and answers it. Shard's
/// thread. This and what follows is always ok, so that a handler can end with it.
base::Status submit_then(Call call, Decide decide, Then then);

/// The answer with a header that says the position of the change's last event, for `min_position`.
[[nodiscard]] http::Response with_position(const Call& call, const shard::Applied& change, http::Response answer);
/// Answers: with `answer` when it took effect, with the problem when not.
[[nodiscard]] Then answering(std::function<http::Response(const Change&)> answer);
base::Status submit(Call call, Decide decide, std::function<http::Response(const Change&)> answer);

/// A command that tenancy::decide knows, in the same way.
template <typename Command>
base::Status decide_then(Call call, Command command, Then then) {
  const tenancy::TenancyStore& store = call.shard.tenancy();
  return submit_then(
      std::move(call),
      [&store, command = std::move(command)](const lmdb::Txn& state, shard::DecisionContext& context) {
        return tenancy::decide(store, state, context, command);
      },
      std::move(then));
}
template <typename Command>
base::Status decide(Call call, Command command, std::function<http::Response(const Change&)> answer) {
  return decide_then(std::move(call), std::move(command), answering(std::move(answer)));
}

/// The traceparent header (W3C Trace Context); empty where it is not of hexadecimal digits and '-', or over 128 bytes.
[[nodiscard]] std::string traceparent_of(const http::Request& request);

/// The command that a call means; `decide` and `done` are left to the caller.
[[nodiscard]] shard::Command command_of(const Call& call);

struct Page {
  std::string after;
  std::size_t limit = 50;
  std::array<std::uint8_t, 4> list{};  ///< marks the cursors of the list that was asked for
};
/// `limit` 1 to 500 and `cursor` of a list request. Error: invalid.
[[nodiscard]] Result<Page> page_of(const http::Request& request);

/// A cursor is opaque to clients: it says where in the tenant's own list to go on, so a foreign one reveals nothing,
/// and bears the list's mark, so that another list refuses it.
[[nodiscard]] std::string to_cursor(const Page& page, std::string_view position);

}  // namespace trv::gateway
