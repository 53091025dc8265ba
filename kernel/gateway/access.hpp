#pragma once
// Who asks, in which tenant, and whether they may.

#include <functional>
#include <optional>
#include <string>

#include "kernel/gateway/services.hpp"
#include "kernel/http/responder.hpp"
#include "kernel/http/router.hpp"
#include "kernel/tenancy/model.hpp"

namespace trv::gateway {

using tenancy::Resource;
using tenancy::Verb;

/// The text of a token: "trv_<id>_<secret>". Only its SHA-256 is kept.
struct NewToken {
  std::string id;
  std::string text;
  base::Digest hash{};
};
[[nodiscard]] NewToken make_token(base::Random& random);

/// A request whose sender is known and may do what was asked.
struct Call {
  http::Responder responder;
  tenancy::Token principal;
  base::TenantId tenant;  ///< of the path; the principal's own where the path names none

  [[nodiscard]] const http::Request& request() const { return responder.request(); }
  /// "token:<id>", as it stands in events.
  [[nodiscard]] std::string actor() const { return "token:" + principal.id; }
};

/// Wraps a handler with the checks: no or unknown token → 401; a tenant that does not exist or is not the token's → the
/// same 404; a role that does not allow it → 403. Refusals of a known token are events in its tenant before they are
/// answered.
[[nodiscard]] http::Handler guarded(Services& services, Resource resource, Verb verb,
                                    std::function<void(Call)> handler);

/// What a command led to, and the time of its decision, which its events bear.
struct Change : shard::Applied {
  base::Timestamp time;
};

using Decide = std::function<Result<shard::Decision>(const lmdb::Txn&, shard::DecisionContext&)>;

/// Decides on the shard; `then` has the call back when that is durable, or refused, and answers it. Shard's thread.
void submit_then(Services& services, Call call, Decide decide,
                 std::function<void(Call call, const Result<Change>& change)> then);

/// Decides on the shard and answers: with `answer` when it took effect, with the problem when not.
void submit(Services& services, Call call, Decide decide, std::function<http::Response(const Change&)> answer);

/// The traceparent header (W3C Trace Context); empty where it is not of hexadecimal digits and '-', or over 128 bytes.
[[nodiscard]] std::string traceparent_of(const http::Request& request);

/// The command that a call stands for; `decide` and `done` are left to the caller.
[[nodiscard]] shard::Command command_of(Services& services, const Call& call);

/// A position in the log from a request's text; `name` is the parameter's. Error: invalid.
[[nodiscard]] Result<log::Lsn> parse_lsn(std::string_view name, std::string_view text);

struct Page {
  std::string after;
  std::size_t limit = 50;
};
/// `limit` 1 to 500 and `cursor` of a list request. Error: invalid.
[[nodiscard]] Result<Page> page_of(const http::Request& request);

/// A cursor is opaque to clients: it says where in the tenant's own list to go on, so a foreign one reveals nothing.
[[nodiscard]] std::string to_cursor(std::string_view position);

}  // namespace trv::gateway
