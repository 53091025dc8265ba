#include "kernel/tenancy/tenancy_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "events/record/payload.hpp"
#include "events/record/row.hpp"
#include "events/schema/tenancy_generated.h"
#include "kernel/tenancy/rows.hpp"
#include "sdk/base/big_endian.hpp"
#include "sdk/base/contract.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using record::digest_of;
using record::text_of;

// tenant ‖ 0 ‖ expiry, big-endian, the largest for never ‖ token id: the token that lasts longest comes last.
std::string owner_key(const Token& token) {
  const std::uint64_t expires_ns = token.expires ? static_cast<std::uint64_t>(token.expires->ns()) : UINT64_MAX;
  std::string key = scoped(token.tenant.value(), "");
  base::append_big_endian(key, expires_ns);
  return key + token.id;
}

std::string hash_key(std::string_view tenant, const base::Digest& hash) {
  return scoped(tenant, base::as_text(base::BytesView(hash)));
}
std::string hash_key(const Token& token) {
  return hash_key(token.tenant.value(), token.hash);
}

std::string shard_key(record::ShardId shard) {
  return std::to_string(shard.value());
}

Result<Tenant> tenant_of(base::BytesView row) {
  return row_as<schema::tenancy::TenantPlaced>(row, [](const record::RecordView& record, const auto& event) {
    return Tenant{base::TenantId(text_of(event.tenant())), std::string(text_of(event.display_name())),
                  record::ShardId(event.shard()), record.time()};
  });
}

Result<Move> move_of(std::string_view tenant, base::BytesView row) {
  Move move{.tenant = base::TenantId(tenant), .number = 0, .from = {}, .to = {}};
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  record::RowReader reader(row);
  reader >> move.number >> from >> to;
  TRV_TRY(reader.finish("the row of a move"));
  move.from = record::ShardId(from);
  move.to = record::ShardId(to);
  return move;
}

Result<Member> member_of(base::BytesView row) {
  return row_as<schema::tenancy::MemberAdded>(row, [](const record::RecordView& record, const auto& event) {
    return Member{std::string(text_of(event.user())), parse_role(text_of(event.role())).value_or(Role::viewer),
                  record.time()};
  });
}

Result<Token> token_of(base::BytesView row) {
  return row_as<schema::tenancy::TokenIssued>(row, [](const record::RecordView& record, const auto& event) {
    Token token;
    token.tenant = base::TenantId(record.tenant());
    token.id = text_of(event.token_id());
    token.name = text_of(event.name());
    token.role = parse_role(text_of(event.role())).value_or(Role::viewer);
    token.hash = digest_of(event.hash());
    token.issued = record.time();
    if (event.expires_ns() != 0) token.expires = base::Timestamp(event.expires_ns());
    token.certificate = text_of(event.certificate());
    return token;
  });
}

Result<Connection> connection_of(base::BytesView row) {
  return row_as<schema::tenancy::ConnectionApplied>(row, [](const record::RecordView&, const auto& event) {
    return Connection{.name = std::string(text_of(event.name())),
                      .plugin = std::string(text_of(event.plugin())),
                      .base_url = std::string(text_of(event.base_url())),
                      .scheme = std::string(text_of(event.scheme())),
                      .user = std::string(text_of(event.user())),
                      .secret = std::string(text_of(event.secret())),
                      .webhook_secret = std::string(text_of(event.webhook_secret())),
                      .allow_private_network = event.allow_private_network()};
  });
}

Result<Webhook> webhook_of(base::BytesView row) {
  return row_as<schema::tenancy::WebhookDeclared>(row, [](const record::RecordView&, const auto& event) {
    Webhook webhook;
    webhook.name = text_of(event.name());
    webhook.type = text_of(event.type());
    webhook.source = text_of(event.source());
    const bool is_by_token = text_of(event.scheme()) == to_string(DeliveryProof::token);
    webhook.proof = is_by_token ? DeliveryProof::token : DeliveryProof::hmac_sha256;
    webhook.secret = text_of(event.secret());
    webhook.header = text_of(event.header());
    webhook.prefix = text_of(event.prefix());
    webhook.encoding = text_of(event.encoding());
    if (event.secret_encoding() != nullptr) webhook.secret_encoding = text_of(event.secret_encoding());
    webhook.signed_text = text_of(event.signed_text());
    webhook.timestamp_header = text_of(event.timestamp_header());
    webhook.tolerance_s = event.tolerance_s();
    if (is_by_token) webhook.token_sha256 = digest_of(event.token_sha256());
    webhook.id_header = text_of(event.id_header());
    return webhook;
  });
}

}  // namespace

base::Status TenancyStore::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(tenants_, txn.create_table("tenancy_tenants"));
  TRV_TRY_ASSIGN(tenants_in_, txn.create_table("tenancy_tenants_in"));
  TRV_TRY_ASSIGN(placements_, txn.create_table("tenancy_placements"));
  TRV_TRY_ASSIGN(moves_, txn.create_table("tenancy_moves"));
  TRV_TRY_ASSIGN(created_, txn.create_table("tenancy_created"));
  TRV_TRY_ASSIGN(retention_, txn.create_table("tenancy_retention"));
  TRV_TRY_ASSIGN(members_, txn.create_table("tenancy_members"));
  TRV_TRY_ASSIGN(tokens_, txn.create_table("tenancy_tokens"));
  TRV_TRY_ASSIGN(token_hashes_, txn.create_table("tenancy_token_hashes"));
  TRV_TRY_ASSIGN(owner_tokens_, txn.create_table("tenancy_owner_tokens"));
  TRV_TRY_ASSIGN(connections_, txn.create_table("tenancy_connections"));
  TRV_TRY_ASSIGN(webhooks_, txn.create_table("tenancy_webhooks"));
  TRV_TRY_ASSIGN(packages_, txn.create_table("tenancy_packages"));
  TRV_TRY_ASSIGN(loaded_packages_, txn.create_table("tenancy_loaded_packages"));
  TRV_TRY_ASSIGN(refused_packages_, txn.create_table("tenancy_refused_packages"));
  TRV_TRY_ASSIGN(revocations_, txn.create_table("tenancy_revocations"));
  TRV_TRY_ASSIGN(grants_, txn.create_table("tenancy_grants"));
  TRV_TRY_ASSIGN(current_versions_, txn.create_table("tenancy_current_versions"));
  TRV_TRY_ASSIGN(quarantines_, txn.create_table("tenancy_quarantines"));
  TRV_TRY_ASSIGN(consents_, txn.create_table("tenancy_consents"));
  TRV_TRY_ASSIGN(configurations_, txn.create_table("tenancy_configurations"));
  return {};
}

base::Status TenancyStore::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  // Most events are of instances and change nothing here.
  if (event.stream_kind() == "instance") return {};
  const std::string_view type = event.type();
  const std::string_view tenant = event.tenant();
  const std::string key = scoped(tenant, event.stream_id());
  if (type == "trv.tenant.placed") {
    TRV_TRY_ASSIGN(const Tenant placed, tenant_of(event.stored()));
    TRV_TRY(add_tenants_in(txn, placed.shard, 1));
    return tenants_.put(txn, placed.id.value(), event.stored());
  }
  if (type == move_requested_type || type == moved_type || type == move_finished_type) return apply_move(txn, event);
  if (type == "trv.tenant.created") return created_.put(txn, tenant, base::BytesView());
  if (type == retention_set_type) return retention_.put(txn, tenant, event.stored());
  if (type == "trv.member.added") return members_.put(txn, key, event.stored());
  if (type == "trv.token.issued") {
    TRV_TRY_ASSIGN(const Token token, token_of(event.stored()));
    TRV_TRY(token_hashes_.put(txn, hash_key(token), base::as_bytes(key)));
    if (token.role == Role::owner) TRV_TRY(owner_tokens_.put(txn, owner_key(token), base::as_bytes(token.id)));
    return tokens_.put(txn, key, event.stored());
  }
  if (type == "trv.token.revoked") {
    TRV_TRY_ASSIGN(const auto token, find(txn, tokens_, key, token_of));
    if (!token) return {};
    TRV_TRY(token_hashes_.erase(txn, hash_key(*token)));
    if (token->role == Role::owner) TRV_TRY(owner_tokens_.erase(txn, owner_key(*token)));
    TRV_TRY(tokens_.erase(txn, key));
    return {};
  }
  if (type == "trv.connection.applied") return connections_.put(txn, key, event.stored());
  if (type == "trv.connection.removed") {
    TRV_TRY(connections_.erase(txn, key));
    return {};
  }
  if (type == "trv.webhook.declared") return webhooks_.put(txn, key, event.stored());
  if (type == "trv.webhook.removed") {
    TRV_TRY(webhooks_.erase(txn, key));
    return {};
  }
  if (event.stream_kind() == "plugin") return apply_plugin(txn, event);
  if (event.stream_kind() == "revocations") return apply_revocations(txn, event);
  return {};
}

base::Status TenancyStore::add_tenants_in(lmdb::WriteTxn& txn, record::ShardId shard, std::int64_t more) {
  TRV_TRY_ASSIGN(const std::uint64_t before, tenants_in(txn, shard));
  const std::string now = std::to_string(static_cast<std::int64_t>(before) + more);
  return tenants_in_.put(txn, shard_key(shard), base::as_bytes(now));
}

base::Status TenancyStore::apply_move(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const std::string tenant(event.stream_id());
  std::string row;
  if (event.type() == move_requested_type) {
    TRV_TRY_ASSIGN(const auto* requested, record::payload_of<schema::tenancy::TenantMoveRequested>(event));
    record::RowWriter(row) << event.lsn().value() << std::uint64_t{requested->from()} << std::uint64_t{requested->to()};
    return moves_.put(txn, tenant, base::as_bytes(row));
  }
  if (event.type() == move_finished_type) {
    TRV_TRY(moves_.erase(txn, tenant));
    return {};
  }
  TRV_TRY_ASSIGN(const auto under_way, move(txn, base::TenantId(tenant)));
  if (!under_way) return fail(ErrorCode::corrupt, fmt::format("tenant '{}' moved without a request", tenant));
  TRV_TRY(add_tenants_in(txn, under_way->from, -1));
  TRV_TRY(add_tenants_in(txn, under_way->to, 1));
  record::RowWriter(row) << under_way->to.value() << under_way->from.value();
  return placements_.put(txn, tenant, base::as_bytes(row));
}

Result<std::optional<Move>> TenancyStore::move(const lmdb::Txn& txn, const base::TenantId& tenant) const {
  TRV_EXPECTS(!tenant.empty());
  TRV_TRY_ASSIGN(const auto row, moves_.get(txn, tenant.value()));
  if (!row) return std::nullopt;
  TRV_TRY_ASSIGN(Move found, move_of(tenant.value(), *row));
  return found;
}

Result<std::vector<Move>> TenancyStore::moves(const lmdb::Txn& txn, std::size_t count_max) const {
  std::vector<Move> found;
  TRV_TRY(lmdb::scan(txn, moves_, {}, {}, lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView row) -> Result<lmdb::Visit> {
                       if (found.size() == count_max) return lmdb::Visit::stop;
                       TRV_TRY_ASSIGN(Move one, move_of(base::as_text(key), row));
                       found.push_back(std::move(one));
                       return lmdb::Visit::go_on;
                     }));
  return found;
}

base::Status TenancyStore::add_placement(const lmdb::Txn& txn, Tenant& tenant) const {
  TRV_TRY_ASSIGN(const auto row, placements_.get(txn, tenant.id.value()));
  if (row) {
    std::uint64_t shard = 0;
    std::uint64_t before = 0;
    record::RowReader reader(*row);
    reader >> shard >> before;
    TRV_TRY(reader.finish("the placement of a tenant"));
    tenant.shard = record::ShardId(shard);
    tenant.came_from = record::ShardId(before);
  }
  TRV_TRY_ASSIGN(const auto under_way, move(txn, tenant.id));
  if (under_way) tenant.moves_to = under_way->to;
  return {};
}

Result<std::optional<Tenant>> TenancyStore::tenant(const lmdb::Txn& txn, const base::TenantId& id) const {
  if (id.empty()) return std::nullopt;
  TRV_TRY_ASSIGN(auto found, find(txn, tenants_, id.value(), tenant_of));
  if (found) TRV_TRY(add_placement(txn, *found));
  return found;
}

Result<std::uint64_t> TenancyStore::tenants_in(const lmdb::Txn& txn, record::ShardId shard) const {
  TRV_TRY_ASSIGN(const auto row, tenants_in_.get(txn, shard_key(shard)));
  std::uint64_t count = 0;
  if (!row) return count;
  const std::string_view text = base::as_text(*row);
  if (std::from_chars(text.data(), text.data() + text.size(), count).ec == std::errc()) return count;
  return fail(ErrorCode::corrupt, fmt::format("the count of the tenants in shard {} is not a number", shard.value()));
}

Result<bool> TenancyStore::is_here(const lmdb::Txn& txn, const base::TenantId& id) const {
  if (id.empty() || id.value().size() > lmdb::key_bytes_max) return false;
  return created_.contains(txn, id.value());
}

Result<Retention> TenancyStore::retention(const lmdb::Txn& txn, const base::TenantId& id) const {
  TRV_EXPECTS(!id.empty());
  TRV_TRY_ASSIGN(const auto row, retention_.get(txn, id.value()));
  if (!row) return Retention{};
  return row_as<schema::tenancy::RetentionSet>(*row, [](const record::RecordView&, const auto& event) {
    return Retention{.instances_days = event.instances_days(), .events_days = event.events_days()};
  });
}

Result<std::vector<Tenant>> TenancyStore::tenants(const lmdb::Txn& txn, std::string_view after,
                                                  std::size_t count_max) const {
  TRV_TRY_ASSIGN(auto found, list(txn, tenants_, "", after, count_max, tenant_of));
  for (Tenant& one : found) TRV_TRY(add_placement(txn, one));
  return found;
}

Result<std::optional<Member>> TenancyStore::member(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                   std::string_view user) const {
  return find(txn, members_, scoped(tenant.value(), user), member_of);
}

Result<std::vector<Member>> TenancyStore::members(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                  std::string_view after, std::size_t count_max) const {
  return list(txn, members_, scoped(tenant.value(), ""), after, count_max, member_of);
}

Result<std::optional<Token>> TenancyStore::token(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                 std::string_view id) const {
  return find(txn, tokens_, scoped(tenant.value(), id), token_of);
}

Result<std::optional<Token>> TenancyStore::token_by_hash(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         const base::Digest& hash) const {
  TRV_TRY_ASSIGN(const auto key, token_hashes_.get(txn, hash_key(tenant.value(), hash)));
  if (!key) return std::nullopt;
  return find(txn, tokens_, std::string(base::as_text(*key)), token_of);
}

Result<bool> TenancyStore::has_other_owner_token(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                 std::string_view id, base::Timestamp now) const {
  // Two tokens last longest; at least one of them is another token.
  bool found = false;
  TRV_TRY(lmdb::scan(txn, owner_tokens_, base::as_bytes(scoped(tenant.value(), "")), {}, lmdb::Direction::backward,
                     [&](base::BytesView, base::BytesView row) -> Result<lmdb::Visit> {
                       if (base::as_text(row) == id) return lmdb::Visit::go_on;
                       TRV_TRY_ASSIGN(const auto other, token(txn, tenant, base::as_text(row)));
                       found = other && (!other->expires || *other->expires > now);
                       return lmdb::Visit::stop;
                     }));
  return found;
}

Result<std::vector<Token>> TenancyStore::tokens(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                std::string_view after, std::size_t count_max) const {
  return list(txn, tokens_, scoped(tenant.value(), ""), after, count_max, token_of);
}

Result<std::optional<Connection>> TenancyStore::connection(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                           std::string_view name) const {
  return find(txn, connections_, scoped(tenant.value(), name), connection_of);
}

Result<std::vector<Connection>> TenancyStore::connections(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                          std::string_view after, std::size_t count_max) const {
  return list(txn, connections_, scoped(tenant.value(), ""), after, count_max, connection_of);
}

Result<std::optional<Webhook>> TenancyStore::webhook(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                     std::string_view name) const {
  return find(txn, webhooks_, scoped(tenant.value(), name), webhook_of);
}

Result<std::vector<Webhook>> TenancyStore::webhooks(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                    std::string_view after, std::size_t count_max) const {
  return list(txn, webhooks_, scoped(tenant.value(), ""), after, count_max, webhook_of);
}

}  // namespace trv::tenancy
