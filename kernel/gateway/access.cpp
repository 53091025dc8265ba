#include "kernel/gateway/access.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "kernel/gateway/at_owner.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/query.hpp"
#include "kernel/node/position.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

std::size_t count_headers(const http::Request& request, std::string_view name) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    if (base::equal_ignoring_case(request.header_at(i).name, name)) ++count;
  }
  return count;
}

bool is_good(const std::optional<tenancy::Token>& token, base::Timestamp now) {
  return token && (!token->expires || *token->expires > now);
}

// Of several names of a certificate the first counts that has a token which has not expired.
Result<tenancy::Token> token_by_certificate(const node::Node& node, const http::Request& request) {
  const auto tenant = tenant_of_caller(request);
  if (!tenant) {
    return fail(ErrorCode::unauthenticated,
                fmt::format("send a token (Authorization: Bearer trv_…), or name the tenant in which your certificate "
                            "has one: {}: acme",
                            tenant_header));
  }
  TRV_TRY_ASSIGN(const node::Shard* shard, node.shard_of(*tenant));
  TRV_TRY_ASSIGN(const auto txn, shard->begin_read());
  for (const std::string& name : request.certificate_names()) {
    TRV_TRY_ASSIGN(auto token, shard->tenancy().token_by_hash(txn, *tenant, tenancy::certificate_hash(name)));
    if (is_good(token, node.now())) return *std::move(token);
  }
  return fail(ErrorCode::unauthenticated, fmt::format("no token of tenant '{}' is for your certificate, {}",
                                                      tenant->value(), request.certificate_names().front()));
}

Result<tenancy::Token> authenticate(const node::Node& node, const http::Request& request) {
  constexpr std::array<std::string_view, 5> once = {"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID",
                                                    tenant_header};
  for (const std::string_view name : once) {
    if (count_headers(request, name) > 1) {
      return fail(ErrorCode::invalid,
                  fmt::format("the request has more than one {} header; send the one that is meant", name));
    }
  }
  if (!request.header("Authorization")) {
    if (!request.certificate_names().empty()) return token_by_certificate(node, request);
    return fail(ErrorCode::unauthenticated, "send a token: Authorization: Bearer trv_…");
  }
  const std::string text = token_of(request);
  if (text.empty()) return fail(ErrorCode::unauthenticated, "the Authorization header must be: Bearer trv_…");
  // A tenant that does not exist and a token that does not exist are the same answer.
  const base::Error unknown(ErrorCode::unauthenticated, "the token is not known, was revoked or has expired");
  const auto tenant = tenant_of_token(text);
  if (!tenant) return fail(unknown);
  TRV_TRY_ASSIGN(const node::Shard* shard, node.shard_of(*tenant));
  TRV_TRY_ASSIGN(const auto txn, shard->begin_read());
  TRV_TRY_ASSIGN(auto token, shard->tenancy().token_by_hash(txn, *tenant, base::sha256(base::as_bytes(text))));
  if (!is_good(token, node.now())) return fail(unknown);
  TRV_ASSERT(token->tenant == *tenant);  // the hash covers the whole text
  return *std::move(token);
}

base::Error tenant_not_found(std::string_view tenant) {
  return {ErrorCode::not_found, fmt::format("tenant '{}' not found", base::utf8_prefix(tenant, 63))};
}

/// nullopt: allowed.
std::optional<base::Error> refusal(const tenancy::Token& token, std::optional<std::string_view> tenant,
                                   Resource resource, Verb verb, Reach reach) {
  const bool system = token.tenant == base::system_tenant();
  const bool foreign = tenant && *tenant != token.tenant.value();
  // The operator sees that a tenant exists, and nothing inside it.
  const bool seen = resource == Resource::tenants && verb == Verb::read;
  const bool reached = reach == Reach::operator_too && token.role == tenancy::Role::owner;
  if (foreign && !(system && (seen || reached))) return tenant_not_found(*tenant);
  const bool own_tenant = tenant && !foreign && resource == Resource::tenants && verb == Verb::read;
  if (own_tenant || tenancy::allows(token.role, system, resource, verb)) return std::nullopt;
  // The roles of a tenant differ in what an owner may do besides.
  const bool owner_may = tenancy::allows(tenancy::Role::owner, system, resource, verb);
  return base::Error(ErrorCode::denied, fmt::format("a token with role {} of tenant '{}' may not do this; use {}",
                                                    tenancy::to_string(token.role), token.tenant.value(),
                                                    owner_may ? "one with role owner" : "one of the tenant 'system'"));
}

// Recorded before it is answered: what was refused is in the trail for sure.
void record_refusal(Call call, base::Error error) {
  const http::Request& request = call.request();
  const tenancy::DenyAccess denial{.action = std::string(request.method()),
                                   .target = std::string(base::utf8_prefix(request.path(), 1024)),
                                   .reason = error.message(),
                                   .source = std::string(request.remote_address())};
  (void)decide_then(std::move(call), denial, [error = std::move(error)](Call refused, const Result<Change>& change) {
    refused.responder.fail(change ? error : change.error());
  });
}

// A browser that opens a page asks its user, who gives the token as the password.
void refuse_unknown(const http::Request& request, http::Responder responder, const base::Error& error) {
  if (error.code() != ErrorCode::unauthenticated || !is_for_page(request)) return responder.fail(error);
  responder.send(
      http::problem_of(error).with("WWW-Authenticate", "Basic realm=\"Travertine: the token is the password\""));
}

/// Who reaches into a tenant of others finds only what exists.
base::Status check_exists(const node::Shard& shard, const base::TenantId& tenant) {
  TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
  TRV_TRY_ASSIGN(const bool found, shard.tenancy().is_here(txn, tenant));
  if (!found) return fail(tenant_not_found(tenant.value()));
  return {};
}

/// No answer says less than the client knows.
base::Status check_freshness(const Call& call) {
  const auto position = call.request().query(freshness_parameter);
  if (!position) return {};
  TRV_TRY_ASSIGN(const bool is_fresh, call.shard.has_reached(freshness_parameter, *position, call.tenant));
  if (is_fresh) return {};
  return fail(ErrorCode::unavailable, fmt::format("no event of tenant '{}' is known at {} yet; ask again in a moment",
                                                  call.tenant.value(), freshness_parameter));
}

/// All of `text` as a number; nullopt for anything else.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

constexpr std::size_t cursor_bytes_max = 512;

/// Tells one list from every other: by its path, not by its filters.
std::array<std::uint8_t, 4> mark_of(const http::Request& request) {
  std::string path;
  for (std::size_t i = 0; i < request.target().segment_count(); ++i) {
    path += '\0';
    path += request.target().segment(i);
  }
  const base::Digest digest = base::sha256(base::as_bytes(path));
  std::array<std::uint8_t, 4> mark{};
  std::copy_n(digest.begin(), mark.size(), mark.begin());
  return mark;
}

}  // namespace

NewToken make_token(base::Random& random, const base::TenantId& tenant) {
  TRV_EXPECTS(base::check_label("tenant", tenant.value()).has_value());
  std::array<std::uint8_t, 6> id{};
  std::array<std::uint8_t, 32> secret{};
  random.fill(id);
  random.fill(secret);
  NewToken token;
  token.id = base::to_hex(id);
  token.text = fmt::format("trv_{}_{}_{}", tenant.value(), token.id, base::to_base64url(secret));
  token.hash = base::sha256(base::as_bytes(token.text));
  TRV_ENSURES(tenant_of_token(token.text) == tenant);
  return token;
}

http::Handler guarded(const node::Node& node, Resource resource, Handle handle, GuardOptions options) {
  TRV_EXPECTS(handle != nullptr);
  http::Handler checked = [&node, resource, options, handle = std::move(handle)](const http::Request& request,
                                                                                 http::Responder responder) {
    Result<tenancy::Token> token = authenticate(node, request);
    if (!token) {
      // The owner of its tenant's shard knows for sure.
      const auto named = tenant_of_caller(request);
      const auto home = named && node.is_shared() ? node.home_of(*named) : nullptr;
      const bool asks_home = token.error().code() == ErrorCode::unauthenticated && options.where == Where::owner;
      if (asks_home && home && *home != nullptr && !(*home)->is_owned()) {
        return node.forward(**home, std::move(responder), true);
      }
      return refuse_unknown(request, std::move(responder), token.error());
    }
    // The event of a refused call belongs to the tenant of the caller.
    const base::TenantId own = token->tenant;
    const bool has_tenant = request.route().find("{tenant}") != std::string_view::npos;
    const auto tenant = has_tenant ? std::optional(request.parameter("tenant")) : std::nullopt;
    const Verb verb = request.method() == "GET" || request.method() == "HEAD" ? Verb::read : Verb::write;
    auto error = refusal(*token, tenant, resource, verb, options.reach);
    const base::TenantId id = tenant && !error ? base::TenantId(*tenant) : own;
    // Of a tenant of others the operator sees what the platform's shard knows.
    const bool is_platforms = id != own && options.reach == Reach::own_tenant;
    const auto shard = is_platforms ? &node.platform() : node.shard_of(id);
    if (!shard) return responder.fail(shard.error());
    // A refusal is recorded in the caller's tenant, which may live elsewhere than the one of the path.
    const bool needs_owner = error || (options.where == Where::owner && !is_fresh_enough(**shard, request));
    if (needs_owner && is_elsewhere(node, **shard, request)) {
      return node.forward(**shard, std::move(responder), true);
    }
    Call call{.responder = std::move(responder), .principal = *std::move(token), .tenant = id, .shard = **shard};
    if (error) return record_refusal(std::move(call), *std::move(error));
    // Nothing outside its tenant: only the operator's token leaves its own.
    TRV_ASSERT(id == own || own == base::system_tenant());
    if (id != own && options.reach == Reach::operator_too) {
      if (const auto exists = check_exists(call.shard, id); !exists) return call.responder.fail(exists.error());
    }
    if (options.body == BodyRule::json && (request.method() == "POST" || request.method() == "PUT")) {
      if (auto refused = refuse_media(request, {"application/json"})) return call.responder.send(*std::move(refused));
    }
    if (options.query == QueryRule::declared) {
      if (const base::Status known = check_query(request); !known) return call.responder.fail(known.error());
      if (const base::Status fresh = check_freshness(call); !fresh) return call.responder.fail(fresh.error());
    }
    if (const base::Status handled = handle(call); !handled) call.responder.fail(handled.error());
  };
  return options.where == Where::owner ? at_owner(node, std::move(checked)) : checked;
}

std::string traceparent_of(const http::Request& request) {
  const std::string_view text = request.traceparent();
  if (text.size() > 128 || text.find_first_not_of("0123456789abcdefABCDEF-") != std::string_view::npos) return {};
  return std::string(text);
}

shard::Command command_of(const Call& call) {
  TRV_EXPECTS(!call.principal.id.empty());
  shard::Command command;
  command.tenant = call.tenant;
  command.actor = call.actor();
  command.correlation_id = call.shard.new_id();
  command.traceparent = traceparent_of(call.request());
  command.frees_room = call.request().method() == "DELETE" || call.request().path().ends_with("/cancel");
  return command;
}

base::Status submit_then(Call call, Decide decide, Then then) {
  TRV_EXPECTS(decide != nullptr && then != nullptr && call.responder.pending());
  shard::Command command = command_of(call);
  node::Shard& shard = call.shard;
  auto held = std::make_shared<Call>(std::move(call));
  auto time = std::make_shared<base::Timestamp>();
  command.decide = [time, decide = std::move(decide)](const lmdb::Txn& state, shard::DecisionContext& context) {
    *time = context.now;
    return decide(state, context);
  };
  command.done = [held, time, then = std::move(then)](const Result<shard::Applied>& outcome) {
    TRV_EXPECTS(held->responder.pending());
    then(std::move(*held), outcome ? Result<Change>(Change{*outcome, *time}) : fail(outcome.error()));
  };
  shard.submit(std::move(command));
  return {};
}

http::Response with_position(const Call& call, const shard::Applied& change, http::Response answer) {
  return std::move(answer).with("Travertine-Position", node::position_text(call.tenant, call.shard.id(), change.last));
}

Then answering(std::function<http::Response(const Change&)> answer) {
  TRV_EXPECTS(answer != nullptr);
  return [answer = std::move(answer)](Call decided, const Result<Change>& change) {
    decided.responder.answer(change ? Result<http::Response>(with_position(decided, *change, answer(*change)))
                                    : fail(change.error()));
  };
}

base::Status submit(Call call, Decide decide, std::function<http::Response(const Change&)> answer) {
  return submit_then(std::move(call), std::move(decide), answering(std::move(answer)));
}

Result<Page> page_of(const http::Request& request) {
  Page page;
  if (const auto limit = request.query("limit")) {
    const auto number = parse_number<std::size_t>(*limit);
    if (!number || *number < 1 || *number > 500) {
      return fail(ErrorCode::invalid,
                  fmt::format("limit is '{}'; expected an integer from 1 to 500", base::utf8_prefix(*limit, 80)));
    }
    page.limit = *number;
  }
  page.list = mark_of(request);
  if (const auto cursor = request.query("cursor")) {
    const auto bytes = base::from_hex(*cursor);
    const bool ours = bytes && bytes->size() > page.list.size() && bytes->size() <= cursor_bytes_max &&
                      std::ranges::equal(page.list, std::span(*bytes).first(page.list.size()));
    if (!ours)
      return fail(ErrorCode::invalid,
                  "cursor is not one that this list gave; leave it out to start from the beginning");
    page.after = base::as_text(std::span(*bytes).subspan(page.list.size()));
  }
  TRV_ENSURES(page.limit >= 1 && page.limit <= 500);
  return page;
}

std::string to_cursor(const Page& page, std::string_view position) {
  TRV_EXPECTS(!position.empty());
  base::Bytes bytes(page.list.begin(), page.list.end());
  bytes.insert(bytes.end(), position.begin(), position.end());
  return base::to_hex(bytes);
}

}  // namespace trv::gateway
