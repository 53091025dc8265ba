#include "kernel/shard/tenant_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "events/record/row.hpp"
#include "sdk/base/contract.hpp"

namespace trv::shard {
namespace {

struct Kind {
  std::string_view name;
  bool is_by_tenant = false;
};

/// In the order in which they are copied; they are erased in the other. The outbox is empty when a tenant moves.
constexpr std::array<Kind, 44> kinds = {{
    {.name = "audit_nodes"},
    {.name = "audit_places"},
    {.name = "audit_size", .is_by_tenant = true},
    {.name = "ingest_by_time"},
    {.name = "ingest_taken"},
    {.name = "outbox_parked"},
    {.name = "plugin_blob_uses"},
    {.name = "plugin_blobs"},
    {.name = "plugin_data_uses"},
    {.name = "plugin_data_values"},
    {.name = "residence_timers"},
    {.name = "retention_due", .is_by_tenant = true},
    {.name = "tenancy_configurations"},
    {.name = "tenancy_connections"},
    {.name = "tenancy_consents"},
    {.name = "tenancy_created", .is_by_tenant = true},
    {.name = "tenancy_current_versions"},
    {.name = "tenancy_grants"},
    {.name = "tenancy_members"},
    {.name = "tenancy_owner_tokens"},
    {.name = "tenancy_quarantines"},
    {.name = "tenancy_retention", .is_by_tenant = true},
    {.name = "tenancy_token_hashes"},
    {.name = "tenancy_tokens"},
    {.name = "tenancy_webhooks"},
    {.name = "workflow_branches"},
    {.name = "workflow_compensations"},
    {.name = "workflow_contexts"},
    {.name = "workflow_definitions"},
    {.name = "workflow_disabled"},
    {.name = "workflow_ended"},
    {.name = "workflow_filter_failures"},
    {.name = "workflow_frames"},
    {.name = "workflow_gathered"},
    {.name = "workflow_inputs"},
    {.name = "workflow_instances"},
    {.name = "workflow_latest"},
    {.name = "workflow_listens"},
    {.name = "workflow_marks"},
    {.name = "workflow_positions"},
    {.name = "workflow_retired"},
    {.name = "workflow_schedules"},
    {.name = "workflow_start_keys"},
    {.name = "workflow_subscriptions"},
}};

static_assert(std::ranges::is_sorted(kinds, {}, &Kind::name));

/// Of the rows in one part; one that is larger is cut.
constexpr std::size_t part_bytes_max = 128 * 1024;

}  // namespace

std::vector<std::string_view> TenantRows::tables() {
  std::vector<std::string_view> names;
  for (const Kind& kind : kinds) names.push_back(kind.name);
  return names;
}

base::Status TenantRows::open(lmdb::WriteTxn& txn) {
  tables_.clear();
  for (const Kind& kind : kinds) {
    TRV_TRY_ASSIGN(const lmdb::Table table, txn.create_table(kind.name));
    tables_.push_back({.name = kind.name, .is_by_tenant = kind.is_by_tenant, .table = table});
  }
  return {};
}

std::string TenantRows::Named::key(const base::TenantId& tenant, std::string_view suffix) const {
  TRV_EXPECTS(!tenant.empty() && (suffix.empty() || !is_by_tenant));
  std::string key = tenant.value();
  if (!is_by_tenant) key += '\0';
  return key += suffix;
}

base::Result<std::optional<lmdb::Entry>> TenantRows::seek(lmdb::Cursor& cursor, const Named& named,
                                                          const base::TenantId& tenant,
                                                          std::optional<std::string_view> after) const {
  if (named.is_by_tenant && after) return std::nullopt;
  const std::string first = named.key(tenant, "");
  // The least key behind `after`.
  const std::string from = after ? named.key(tenant, *after) + '\0' : first;
  TRV_TRY_ASSIGN(const auto entry, cursor.seek(from));
  const bool is_ours = entry && (named.is_by_tenant ? base::as_text(entry->key) == first
                                                    : lmdb::begins_with(entry->key, base::as_bytes(first)));
  return is_ours ? entry : std::nullopt;
}

base::Result<std::vector<RowsPart>> TenantRows::read(const lmdb::Txn& txn, const base::TenantId& tenant, CopyMark& mark,
                                                     std::size_t bytes_max) const {
  std::vector<RowsPart> parts;
  std::size_t bytes = 0;
  const auto begin = std::ranges::lower_bound(tables_, std::string_view(mark.table), {}, &Named::name);
  for (auto named = begin; named != tables_.end(); ++named) {
    TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, named->table));
    const bool is_begun = named->name == mark.table;
    std::uint64_t done = is_begun ? mark.value_bytes : 0;
    auto entry = done > 0 ? cursor.seek(named->key(tenant, mark.key))
                          : seek(cursor, *named, tenant, is_begun ? std::optional(mark.key) : std::nullopt);
    if (!entry) return base::fail(std::move(entry).error());
    if (done > 0 && (!*entry || (*entry)->value.size() <= done)) {
      return base::fail(base::ErrorCode::corrupt, fmt::format("a row of {} changed while it was copied", named->name));
    }
    RowsPart part{.table = std::string(named->name), .rows = {}, .appends = done > 0, .goes_on = false};
    const std::size_t prefix_bytes = named->key(tenant, "").size();
    std::string row;
    while (*entry) {
      if (bytes >= bytes_max && part.rows.empty()) return parts;
      const std::string key((base::as_text((*entry)->key)).substr(prefix_bytes));
      const std::string_view value = base::as_text((*entry)->value).substr(done);
      const std::string_view piece = value.substr(0, part_bytes_max);
      part.goes_on = piece.size() < value.size();
      record::RowWriter(row) << key << piece;
      part.rows += row;
      bytes += row.size();
      mark = {.table = part.table, .key = key, .value_bytes = part.goes_on ? done + piece.size() : 0};
      done = mark.value_bytes;
      if (part.goes_on || part.rows.size() >= part_bytes_max || bytes >= bytes_max) {
        const bool appends = part.goes_on;
        parts.push_back(std::move(part));
        part = {.table = std::string(named->name), .rows = {}, .appends = appends, .goes_on = false};
        if (appends) continue;
      }
      entry = next(cursor, *named, tenant);
      if (!entry) return base::fail(std::move(entry).error());
    }
    if (!part.rows.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

base::Result<CopyMark> TenantRows::put(lmdb::WriteTxn& txn, const base::TenantId& tenant, const CopyMark& before,
                                       std::string_view table, base::BytesView rows, bool appends, bool goes_on) const {
  const auto named = std::ranges::find(tables_, table, &Named::name);
  if (named == tables_.end()) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("rows of '{}' do not belong to tenants", table));
  }
  CopyMark mark{.table = std::string(table), .key = {}, .value_bytes = 0};
  for (bool is_first = true; !rows.empty(); is_first = false) {
    std::string_view key;
    std::string_view value;
    record::RowReader reader(rows);
    reader >> key >> value;
    rows = reader.rest();
    if (rows.empty()) TRV_TRY(reader.finish("a copied row"));
    if (named->is_by_tenant && !key.empty()) {
      return base::fail(base::ErrorCode::corrupt, fmt::format("a copied row of '{}' has a wrong key", table));
    }
    const std::string whole = named->key(tenant, key);
    std::string joined;
    if (is_first && appends) {
      TRV_TRY_ASSIGN(const auto begun, named->table.get(txn, whole));
      if (!begun || before.key != key || before.value_bytes != begun->size()) {
        return base::fail(base::ErrorCode::corrupt,
                          fmt::format("a copied row of '{}' goes on that did not begin", table));
      }
      joined = std::string(base::as_text(*begun)) + std::string(value);
      value = joined;
    }
    TRV_TRY(named->table.put(txn, whole, base::as_bytes(value)));
    mark.key = key;
    mark.value_bytes = rows.empty() && goes_on ? value.size() : 0;
  }
  return mark;
}

base::Result<std::optional<lmdb::Entry>> TenantRows::next(lmdb::Cursor& cursor, const Named& named,
                                                          const base::TenantId& tenant) const {
  if (named.is_by_tenant) return std::nullopt;
  TRV_TRY_ASSIGN(const auto entry, cursor.next());
  const bool is_ours = entry && lmdb::begins_with(entry->key, base::as_bytes(named.key(tenant, "")));
  return is_ours ? entry : std::nullopt;
}

base::Result<std::size_t> TenantRows::count(const lmdb::Txn& txn, const base::TenantId& tenant,
                                            std::size_t count_max) const {
  std::size_t count = 0;
  for (const Named& named : tables_) {
    TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, named.table));
    TRV_TRY_ASSIGN(auto entry, seek(cursor, named, tenant, std::nullopt));
    while (entry && count < count_max) {
      ++count;
      TRV_TRY_ASSIGN(entry, next(cursor, named, tenant));
    }
  }
  return count;
}

base::Status TenantRows::erase(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::size_t count) const {
  // A trail goes last, and its size first of it: without that it is empty, not damaged.
  for (const Named& named : tables_ | std::views::reverse) {
    if (count == 0) return {};
    TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, named.table));
    TRV_TRY_ASSIGN(auto entry, seek(cursor, named, tenant, std::nullopt));
    while (entry && count > 0) {
      TRV_TRY(cursor.erase());
      --count;
      TRV_TRY_ASSIGN(entry, next(cursor, named, tenant));
    }
  }
  return {};
}

}  // namespace trv::shard
