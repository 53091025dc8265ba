#include "kernel/tenancy/decisions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/record/payload.hpp"
#include "events/schema/tenancy_generated.h"
#include "sdk/base/contract.hpp"
#include "sdk/base/text_check.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using base::fail;
using flatbuffers::FlatBufferBuilder;

Decision one(record::Draft event) {
  Decision decision;
  decision.events.push_back(std::move(event));
  return decision;
}

base::Status check_base_url(std::string_view url) {
  TRV_TRY(base::check_text("base_url", url, {.characters_max = 2000}));
  static constexpr std::string_view schemes[] = {"https://", "http://", "smtps://", "smtp://"};
  const bool is_known = std::ranges::any_of(schemes, [&](std::string_view one) { return url.starts_with(one); });
  const std::string_view rest = is_known ? url.substr(url.find("//") + 2) : std::string_view();
  const std::string_view authority = rest.substr(0, rest.find('/'));
  if (!is_known || authority.empty() || rest.find_first_of("?#@ \\") != std::string_view::npos) {
    return fail(
        ErrorCode::invalid,
        fmt::format("base_url '{}' must be http:// or https://, or for mail smtp:// or smtps://, with a host, and no "
                    "user, query or fragment",
                    url));
  }
  return {};
}

}  // namespace

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const PlaceTenant& command) {
  TRV_EXPECTS(context.tenant == base::system_tenant() && command.shards > 0);
  TRV_TRY(base::check_label("tenant id", command.id.value()));
  TRV_TRY(base::check_text("display_name", command.display_name, {.characters_min = 0, .characters_max = 200}));
  TRV_TRY_ASSIGN(const auto existing, store.tenant(state, command.id));
  if (existing) return Decision{};
  std::uint32_t chosen = 0;
  if (command.id != base::system_tenant() && command.shards > 1) {
    std::uint64_t fewest = UINT64_MAX;
    for (std::uint32_t shard = 1; shard < command.shards; ++shard) {
      if (command.catching_up.contains(shard)) continue;
      TRV_TRY_ASSIGN(const std::uint64_t count, store.tenants_in(state, record::ShardId(shard)));
      if (count >= fewest) continue;
      fewest = count;
      chosen = shard;
    }
    if (chosen == 0) {
      return fail(
          ErrorCode::unavailable,
          fmt::format("tenant '{}' was not created: the shards 1 to {}, in which tenants live, all catch up with "
                      "their logs; ask again in a moment",
                      command.id.value(), command.shards - 1));
    }
  }
  TRV_ENSURES(chosen < command.shards && !command.catching_up.contains(chosen));
  FlatBufferBuilder builder;
  const auto tenant = builder.CreateString(command.id.value());
  const auto name = builder.CreateString(command.display_name);
  return one(shard::draft(context, "tenant", command.id.value(), "trv.tenant.placed",
                          record::finish(builder, schema::tenancy::CreateTenantPlaced(builder, tenant, name, chosen))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const RequestMove& command) {
  TRV_EXPECTS(context.tenant == base::system_tenant() && command.shards > 0);
  const std::string& id = command.tenant.value();
  if (command.tenant == base::system_tenant()) {
    return fail(ErrorCode::invalid, "tenant 'system' is the platform itself, which stays in shard 0");
  }
  TRV_TRY_ASSIGN(const auto tenant, store.tenant(state, command.tenant));
  if (!tenant) return fail(ErrorCode::not_found, fmt::format("tenant '{}' not found", id));
  if (command.shards == 1) {
    return fail(ErrorCode::invalid,
                fmt::format("tenant '{}' cannot move: there is one shard; set `shards` in the configuration", id));
  }
  if (command.shard == 0 || command.shard >= command.shards) {
    return fail(ErrorCode::invalid,
                fmt::format("shard is {}; tenants live in the shards 1 to {}", command.shard, command.shards - 1));
  }
  const record::ShardId to(command.shard);
  if (tenant->moves_to && *tenant->moves_to != to) {
    return fail(ErrorCode::conflict, fmt::format("tenant '{}' is on its way to shard {}; wait until that is done", id,
                                                 tenant->moves_to->value()));
  }
  if (tenant->moves_to || tenant->shard == to) return Decision{};
  FlatBufferBuilder builder;
  const auto name = builder.CreateString(id);
  const auto root = schema::tenancy::CreateTenantMoveRequested(
      builder, name, static_cast<std::uint32_t>(tenant->shard.value()), static_cast<std::uint32_t>(to.value()));
  return one(shard::draft(context, "tenant", id, move_requested_type, record::finish(builder, root)));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const RecordMove& command) {
  TRV_EXPECTS(context.tenant == base::system_tenant());
  const std::string& id = command.move.tenant.value();
  TRV_TRY_ASSIGN(const auto under_way, store.move(state, command.move.tenant));
  TRV_TRY_ASSIGN(const auto tenant, store.tenant(state, command.move.tenant));
  if (!under_way || under_way->number != command.move.number || !tenant) return Decision{};
  const bool is_placed = tenant->shard == under_way->to;
  if (is_placed != (command.step == MoveStep::finished)) return Decision{};
  FlatBufferBuilder builder;
  const auto name = builder.CreateString(id);
  if (command.step == MoveStep::finished) {
    return one(shard::draft(context, "tenant", id, move_finished_type,
                            record::finish(builder, schema::tenancy::CreateTenantMoveFinished(builder, name))));
  }
  const auto shard = static_cast<std::uint32_t>(under_way->to.value());
  return one(shard::draft(context, "tenant", id, moved_type,
                          record::finish(builder, schema::tenancy::CreateTenantMoved(builder, name, shard))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const CreateTenant& command) {
  TRV_EXPECTS(context.tenant == command.id && !command.id.empty());
  TRV_TRY_ASSIGN(const bool existing, store.is_here(state, command.id));
  if (existing) return fail(ErrorCode::conflict, fmt::format("tenant '{}' exists already", command.id.value()));
  FlatBufferBuilder builder;
  const auto name = builder.CreateString(command.display_name);
  return one(shard::draft(context, "tenant", command.id.value(), "trv.tenant.created",
                          record::finish(builder, schema::tenancy::CreateTenantCreated(builder, name))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const SetRetention& command) {
  const Retention& retention = command.retention;
  for (const auto& [name, days] :
       {std::pair("instances_days", retention.instances_days), std::pair("events_days", retention.events_days)}) {
    if (days > retention_days_max) {
      return fail(ErrorCode::invalid,
                  fmt::format("{} is {}; it can be 1 to {}, or 0 for ever", name, days, retention_days_max));
    }
  }
  TRV_TRY_ASSIGN(const Retention existing, store.retention(state, context.tenant));
  if (existing == retention) return Decision{};
  FlatBufferBuilder builder;
  const auto root = schema::tenancy::CreateRetentionSet(builder, retention.instances_days, retention.events_days);
  return one(
      shard::draft(context, "tenant", context.tenant.value(), retention_set_type, record::finish(builder, root)));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const AddMember& command) {
  TRV_TRY(base::check_text("user", command.user, {.characters_max = 100}));
  TRV_TRY_ASSIGN(const auto existing, store.member(state, context.tenant, command.user));
  if (existing && existing->role == command.role) return Decision{};
  FlatBufferBuilder builder;
  const auto user = builder.CreateString(command.user);
  const auto role = builder.CreateString(to_string(command.role));
  return one(shard::draft(context, "member", command.user, "trv.member.added",
                          record::finish(builder, schema::tenancy::CreateMemberAdded(builder, user, role))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const IssueToken& command) {
  TRV_EXPECTS(!command.id.empty() && command.hash != base::Digest{});
  TRV_TRY(base::check_text("token name", command.name, {.characters_max = 120}));
  TRV_TRY_ASSIGN(const auto existing, store.token(state, context.tenant, command.id));
  if (existing) return fail(ErrorCode::conflict, fmt::format("token '{}' exists already", command.id));
  if (command.expires && *command.expires <= context.now) {
    return fail(ErrorCode::invalid, "the token would have expired already");
  }
  if (!command.certificate.empty()) {
    TRV_TRY(check_certificate_name(command.certificate));
    TRV_EXPECTS(command.hash == certificate_hash(command.certificate));
    TRV_TRY_ASSIGN(const auto other, store.token_by_hash(state, context.tenant, command.hash));
    if (other) {
      return fail(ErrorCode::conflict, fmt::format("token '{}' has the certificate '{}' already; revoke it first",
                                                   other->id, command.certificate));
    }
  }
  FlatBufferBuilder builder;
  const auto id = builder.CreateString(command.id);
  const auto name = builder.CreateString(command.name);
  const auto role = builder.CreateString(to_string(command.role));
  const auto hash = builder.CreateVector(command.hash.data(), command.hash.size());
  const auto certificate = command.certificate.empty() ? flatbuffers::Offset<flatbuffers::String>()
                                                       : builder.CreateString(command.certificate);
  return one(shard::draft(context, "token", command.id, "trv.token.issued",
                          record::finish(builder, schema::tenancy::CreateTokenIssued(
                                                      builder, id, name, role, hash,
                                                      command.expires ? command.expires->ns() : 0, certificate))));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const RevokeToken& command) {
  TRV_TRY_ASSIGN(const auto existing, store.token(state, context.tenant, command.id));
  if (!existing) return fail(ErrorCode::not_found, fmt::format("token '{}' not found", command.id));
  const bool usable = !existing->expires || *existing->expires > context.now;
  if (usable && existing->role == Role::owner) {
    TRV_TRY_ASSIGN(const bool other, store.has_other_owner_token(state, context.tenant, command.id, context.now));
    if (!other) {
      return fail(ErrorCode::conflict, fmt::format("token '{}' is the last owner token of tenant '{}'; issue another "
                                                   "owner token first, then revoke this one",
                                                   command.id, context.tenant.value()));
    }
  }
  FlatBufferBuilder builder;
  const auto id = builder.CreateString(command.id);
  return one(shard::draft(context, "token", command.id, "trv.token.revoked",
                          record::finish(builder, schema::tenancy::CreateTokenRevoked(builder, id))));
}

Result<Decision> decide(const TenancyStore&, const lmdb::Txn&, DecisionContext& context,
                        const ApplyConnection& command) {
  const Connection& connection = command.connection;
  TRV_TRY(base::check_label("connection name", connection.name));
  if (!connection.plugin.empty()) {
    TRV_TRY(base::check_label("plugin", connection.plugin));
    if (!command.plugin_installed)
      return fail(ErrorCode::invalid, fmt::format("plugin '{}' is not installed", connection.plugin));
  }
  TRV_TRY(check_base_url(connection.base_url));
  TRV_TRY(base::check_text("auth user or header", connection.user, {.characters_min = 0, .characters_max = 200}));
  const std::string& scheme = connection.scheme;
  if (scheme != "none" && scheme != "bearer" && scheme != "basic" && scheme != "header") {
    return fail(ErrorCode::invalid,
                fmt::format("auth scheme '{}' is not known; use none, bearer, basic or header", scheme));
  }
  if ((scheme == "basic" || scheme == "header") && connection.user.empty()) {
    return fail(ErrorCode::invalid,
                fmt::format("auth scheme '{}' needs {}", scheme, scheme == "basic" ? "a user" : "a header name"));
  }
  if (scheme != "none" && connection.secret.empty()) {
    return fail(ErrorCode::invalid, fmt::format("auth scheme '{}' needs a secret", scheme));
  }
  FlatBufferBuilder builder;
  const auto text = [&builder](const std::string& value) { return builder.CreateString(value); };
  const auto root = schema::tenancy::CreateConnectionApplied(
      builder, text(connection.name), text(connection.plugin), text(connection.base_url), text(scheme),
      text(connection.user), text(connection.secret), text(connection.webhook_secret),
      connection.allow_private_network);
  return one(
      shard::draft(context, "connection", connection.name, "trv.connection.applied", record::finish(builder, root)));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const RemoveConnection& command) {
  TRV_TRY_ASSIGN(const auto existing, store.connection(state, context.tenant, command.name));
  if (!existing) return fail(ErrorCode::not_found, fmt::format("connection '{}' not found", command.name));
  FlatBufferBuilder builder;
  const auto name = builder.CreateString(command.name);
  return one(shard::draft(context, "connection", command.name, "trv.connection.removed",
                          record::finish(builder, schema::tenancy::CreateConnectionRemoved(builder, name))));
}

Result<Decision> decide(const TenancyStore&, const lmdb::Txn&, DecisionContext& context, const DenyAccess& command) {
  TRV_EXPECTS(!context.actor.empty() && !command.reason.empty());
  FlatBufferBuilder builder;
  const auto action = builder.CreateString(command.action);
  const auto target = builder.CreateString(command.target);
  const auto reason = builder.CreateString(command.reason);
  const auto source = builder.CreateString(command.source);
  return one(shard::draft(
      context, "access", context.actor, "trv.access.denied",
      record::finish(builder, schema::tenancy::CreateAccessDenied(builder, action, target, reason, source))));
}

Result<Decision> decide(const TenancyStore&, const lmdb::Txn&, DecisionContext& context, const ReadTrail& command) {
  TRV_EXPECTS(!command.what.empty());
  FlatBufferBuilder builder;
  const auto what = builder.CreateString(command.what);
  const auto source = builder.CreateString(command.source);
  return one(
      shard::draft(context, "trail", context.tenant.value(), "trv.trail.read",
                   record::finish(builder, schema::tenancy::CreateTrailRead(builder, what, command.size, source))));
}

}  // namespace trv::tenancy
