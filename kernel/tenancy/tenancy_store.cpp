#include "kernel/tenancy/tenancy_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "events/record/payload.hpp"
#include "events/record/row.hpp"
#include "events/schema/plugin_generated.h"
#include "events/schema/tenancy_generated.h"
#include "sdk/base/big_endian.hpp"
#include "sdk/base/contract.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using record::digest_of;
using record::text_of;

// tenant ‖ 0 ‖ name: no tenant's rows can be reached with another's prefix.
std::string scoped(std::string_view tenant, std::string_view name) {
  TRV_EXPECTS(!tenant.empty());
  std::string key(tenant);
  key += '\0';
  key += name;
  return key;
}

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

std::string package_key(std::string_view plugin, std::string_view version) {
  return fmt::format("{}/{}", plugin, version);
}

/// A row is the record as stored; what is read from it is what the event said.
template <typename Table, typename Make>
auto row_as(base::BytesView row, Make make)
    -> Result<decltype(make(std::declval<const record::RecordView&>(), std::declval<const Table&>()))> {
  TRV_TRY_ASSIGN(const record::Record stored, record::Record::decode(row));
  TRV_TRY_ASSIGN(const Table* event, record::payload_of<Table>(stored.view()));
  return make(stored.view(), *event);
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
    webhook.signed_text = text_of(event.signed_text());
    webhook.timestamp_header = text_of(event.timestamp_header());
    webhook.tolerance_s = event.tolerance_s();
    if (is_by_token) webhook.token_sha256 = digest_of(event.token_sha256());
    webhook.id_header = text_of(event.id_header());
    return webhook;
  });
}

Result<Package> requested_package_of(base::BytesView row) {
  return row_as<schema::plugin::PluginRequested>(row, [](const record::RecordView& record, const auto& event) {
    return Package{.plugin = std::string(text_of(event.plugin())),
                   .version = std::string(text_of(event.version())),
                   .package_sha256 = digest_of(event.package_sha256()),
                   .status = PackageStatus::pending,
                   .package_bytes = event.package_bytes(),
                   .library_sha256 = digest_of(event.library_sha256()),
                   .manifest = std::string(text_of(event.manifest())),
                   .request = record.event_id(),
                   .changed = record.time()};
  });
}

/// What an outcome says of a package, which trv.plugin.loaded and trv.plugin.refused say alike.
template <typename Outcome>
Package with_outcome(const record::RecordView& record, const Outcome& event, PackageStatus status) {
  Package package;
  package.plugin = text_of(event.plugin());
  package.version = text_of(event.version());
  package.package_sha256 = digest_of(event.package_sha256());
  package.status = status;
  package.changed = record.time();
  return package;
}

Result<Package> loaded_package_of(base::BytesView row) {
  return row_as<schema::plugin::PluginLoaded>(row, [](const record::RecordView& record, const auto& event) {
    return with_outcome(record, event, PackageStatus::loaded);
  });
}

Result<Package> refused_package_of(base::BytesView row) {
  return row_as<schema::plugin::PluginRefused>(row, [](const record::RecordView& record, const auto& event) {
    Package package = with_outcome(record, event, PackageStatus::refused);
    const bool is_at_fault = text_of(event.code()) != to_string(ErrorCode::unavailable);
    package.refusal =
        base::Error(is_at_fault ? ErrorCode::invalid : ErrorCode::unavailable, std::string(text_of(event.reason())));
    return package;
  });
}

Result<Grant> grant_of(base::BytesView row) {
  return row_as<schema::plugin::PluginEnabled>(row, [](const record::RecordView& record, const auto& event) {
    return Grant{std::string(text_of(event.plugin())), std::string(text_of(event.version())), record.time()};
  });
}

/// Of a plugin's key and a version of it.
std::string quarantine_key(const std::string& plugin, std::string_view version) {
  return plugin + '\0' + std::string(version);
}

Result<Quarantine> quarantine_of(base::BytesView row) {
  return row_as<schema::plugin::PluginCrashed>(row, [](const record::RecordView& record, const auto& event) {
    return Quarantine{std::string(text_of(event.reason())), record.time()};
  });
}

template <typename Value>
Result<std::optional<Value>> find(const lmdb::Txn& txn, const lmdb::Table& table, const std::string& key,
                                  Result<Value> (*parse)(base::BytesView)) {
  if (key.size() > lmdb::key_bytes_max) return std::nullopt;
  TRV_TRY_ASSIGN(const auto row, table.get(txn, key));
  if (!row) return std::nullopt;
  TRV_TRY_ASSIGN(Value value, parse(*row));
  return std::optional<Value>(std::move(value));
}

/// Values under `prefix` whose names come after `after`.
template <typename Value>
Result<std::vector<Value>> list(const lmdb::Txn& txn, const lmdb::Table& table, const std::string& prefix,
                                std::string_view after, std::size_t count_max,
                                Result<Value> (*parse)(base::BytesView)) {
  TRV_EXPECTS(count_max > 0);
  std::vector<Value> values;
  const std::string from = after.empty() ? std::string() : prefix + std::string(after.substr(0, 400)) + '\0';
  TRV_TRY(lmdb::scan(txn, table, base::as_bytes(prefix), base::as_bytes(from), lmdb::Direction::forward,
                     [&](base::BytesView, base::BytesView row) -> Result<lmdb::Visit> {
                       if (values.size() >= count_max) return lmdb::Visit::stop;
                       TRV_TRY_ASSIGN(Value value, parse(row));
                       values.push_back(std::move(value));
                       return lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(values.size() <= count_max);
  return values;
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
  TRV_TRY_ASSIGN(grants_, txn.create_table("tenancy_grants"));
  TRV_TRY_ASSIGN(quarantines_, txn.create_table("tenancy_quarantines"));
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
  if (type == "trv.plugin.requested") {
    TRV_TRY_ASSIGN(const Package package, requested_package_of(event.stored()));
    const std::string row = package_key(package.plugin, package.version);
    TRV_TRY(loaded_packages_.erase(txn, row));
    TRV_TRY(refused_packages_.erase(txn, row));
    return packages_.put(txn, row, event.stored());
  }
  if (type == "trv.plugin.loaded") {
    TRV_TRY_ASSIGN(const Package package, loaded_package_of(event.stored()));
    return loaded_packages_.put(txn, package_key(package.plugin, package.version), event.stored());
  }
  if (type == "trv.plugin.refused") {
    TRV_TRY_ASSIGN(const Package package, refused_package_of(event.stored()));
    const std::string row = package_key(package.plugin, package.version);
    TRV_TRY(packages_.erase(txn, row));
    return refused_packages_.put(txn, row, event.stored());
  }
  if (type == "trv.plugin.enabled") return grants_.put(txn, key, event.stored());
  if (type == "trv.plugin.disabled") {
    TRV_TRY(grants_.erase(txn, key));
    return {};
  }
  if (type == "trv.plugin.crashed") {
    TRV_TRY_ASSIGN(const auto* crashed, record::payload_of<schema::plugin::PluginCrashed>(event));
    return crashed->quarantined()
               ? quarantines_.put(txn, quarantine_key(key, text_of(crashed->version())), event.stored())
               : base::Status();
  }
  if (type == "trv.plugin.released") {
    TRV_TRY_ASSIGN(const auto* released, record::payload_of<schema::plugin::PluginReleased>(event));
    TRV_TRY(quarantines_.erase(txn, quarantine_key(key, text_of(released->version()))));
    return {};
  }
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

base::Status TenancyStore::add_outcome(const lmdb::Txn& txn, Package& package) const {
  TRV_TRY_ASSIGN(const auto loaded,
                 find(txn, loaded_packages_, package_key(package.plugin, package.version), loaded_package_of));
  if (!loaded) return {};
  TRV_ASSERT(loaded->package_sha256 == package.package_sha256);
  package.status = loaded->status;
  package.changed = loaded->changed;
  return {};
}

Result<std::optional<Package>> TenancyStore::package(const lmdb::Txn& txn, std::string_view plugin,
                                                     std::string_view version) const {
  const std::string row = package_key(plugin, version);
  TRV_TRY_ASSIGN(auto package, find(txn, packages_, row, requested_package_of));
  if (!package) return find(txn, refused_packages_, row, refused_package_of);
  TRV_TRY(add_outcome(txn, *package));
  return package;
}

Result<bool> TenancyStore::has_loaded_package(const lmdb::Txn& txn, std::string_view plugin) const {
  TRV_TRY_ASSIGN(const auto first, list(txn, loaded_packages_, package_key(plugin, ""), "", 1, loaded_package_of));
  return !first.empty();
}

Result<std::vector<Package>> TenancyStore::packages(const lmdb::Txn& txn, std::string_view after,
                                                    std::size_t count_max) const {
  TRV_TRY_ASSIGN(auto packages, list(txn, packages_, "", after, count_max, requested_package_of));
  for (Package& package : packages) TRV_TRY(add_outcome(txn, package));
  return packages;
}

Result<std::optional<Grant>> TenancyStore::grant(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                 std::string_view plugin) const {
  TRV_TRY_ASSIGN(auto grant, find(txn, grants_, scoped(tenant.value(), plugin), grant_of));
  if (grant) TRV_TRY(add_quarantine(txn, tenant, *grant));
  return grant;
}

Result<std::vector<Grant>> TenancyStore::grants(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                std::string_view after, std::size_t count_max) const {
  TRV_TRY_ASSIGN(auto grants, list(txn, grants_, scoped(tenant.value(), ""), after, count_max, grant_of));
  for (Grant& grant : grants) TRV_TRY(add_quarantine(txn, tenant, grant));
  return grants;
}

base::Status TenancyStore::add_quarantine(const lmdb::Txn& txn, const base::TenantId& tenant, Grant& grant) const {
  const std::string key = quarantine_key(scoped(tenant.value(), grant.plugin), grant.version);
  TRV_TRY_ASSIGN(grant.quarantine, find(txn, quarantines_, key, quarantine_of));
  return {};
}

}  // namespace trv::tenancy
