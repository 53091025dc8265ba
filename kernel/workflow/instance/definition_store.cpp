#include <algorithm>

#include "kernel/workflow/instance/store.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

/// Splits a key at its zeros.
std::vector<std::string_view> parts_of(base::BytesView key) {
  std::vector<std::string_view> parts;
  std::string_view rest = base::as_text(key);
  while (true) {
    const std::size_t at = rest.find('\0');
    parts.push_back(rest.substr(0, at));
    if (at == std::string_view::npos) return parts;
    rest.remove_prefix(at + 1);
  }
}

bool holds_zero(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

base::Result<StoredDefinition> stored(definition::Name name, base::BytesView bytes, bool with_text) {
  TRV_TRY_ASSIGN(const DefinitionRow row, decode_definition(bytes));
  StoredDefinition out;
  out.name = std::move(name);
  out.sha256 = row.sha256;
  out.format = row.format == "json" ? definition::Format::json : definition::Format::yaml;
  out.title = row.title;
  out.applied = base::Timestamp(row.applied_ns);
  for (const std::string_view type : row.event_types) out.event_types.emplace_back(type);
  if (with_text) out.text = row.text;
  return out;
}

base::Result<std::optional<ScheduleState>> schedule_of(const lmdb::Txn& txn, const Tables& tables,
                                                       const base::TenantId& tenant, const definition::Name& name) {
  TRV_TRY_ASSIGN(const auto bytes, tables.schedules.get(txn, latest_key(tenant.value(), name.space, name.name)));
  if (!bytes) return std::nullopt;
  TRV_TRY_ASSIGN(const ScheduleRow row, decode_schedule(*bytes));
  if (row.version != name.version) return std::nullopt;
  ScheduleState state{.text = row.text, .due = {}, .last = {}, .missed = row.missed, .gathered = row.gathered};
  if (row.due_ns != 0) state.due = base::Timestamp(row.due_ns);
  if (row.last_ns != 0) state.last = base::Timestamp(row.last_ns);
  return state;
}

}  // namespace

base::Result<std::optional<StoredDefinition>> DefinitionStore::find(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                    std::string_view space, std::string_view name,
                                                                    std::string_view version) const {
  return find(txn, tenant, {std::string(space), std::string(name), std::string(version)}, true);
}

base::Result<std::optional<StoredDefinition>> DefinitionStore::find_head(const lmdb::Txn& txn,
                                                                         const base::TenantId& tenant,
                                                                         std::string_view space, std::string_view name,
                                                                         std::string_view version) const {
  return find(txn, tenant, {std::string(space), std::string(name), std::string(version)}, false);
}

base::Result<std::optional<StoredDefinition>> DefinitionStore::find(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                    definition::Name wanted, bool with_text) const {
  if (holds_zero(wanted.space) || holds_zero(wanted.name) || holds_zero(wanted.version)) return std::nullopt;
  if (wanted.space.size() + wanted.name.size() + wanted.version.size() > 256) return std::nullopt;
  if (wanted.version.empty()) {
    TRV_TRY_ASSIGN(const auto latest, tables_.latest.get(txn, latest_key(tenant.value(), wanted.space, wanted.name)));
    if (!latest) return std::nullopt;
    wanted.version = base::as_text(*latest);
  }
  const std::string key = definition_key(tenant.value(), wanted.space, wanted.name, wanted.version);
  TRV_TRY_ASSIGN(const auto bytes, tables_.definitions.get(txn, key));
  if (!bytes) return std::nullopt;
  TRV_TRY_ASSIGN(StoredDefinition out, stored(std::move(wanted), *bytes, with_text));
  return out;
}

base::Result<std::optional<StoredDefinition>> DefinitionStore::find_text(const lmdb::Txn& txn,
                                                                         const base::TenantId& tenant,
                                                                         const definition::Name& name,
                                                                         const base::Digest& sha256) const {
  TRV_EXPECTS(!name.version.empty());
  TRV_TRY_ASSIGN(auto here, find(txn, tenant, name, true));
  if (here && here->sha256 == sha256) return here;
  TRV_TRY_ASSIGN(const auto bytes, tables_.retired.get(txn, retired_key(tenant.value(), sha256)));
  if (!bytes) return std::nullopt;
  TRV_TRY_ASSIGN(StoredDefinition out, stored(name, *bytes, true));
  TRV_ENSURES(out.sha256 == sha256);
  return out;
}

base::Result<std::optional<Disabled>> DefinitionStore::disabled(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                std::string_view space, std::string_view name) const {
  TRV_EXPECTS(!holds_zero(space) && !holds_zero(name));
  TRV_TRY_ASSIGN(const auto bytes, tables_.disabled.get(txn, latest_key(tenant.value(), space, name)));
  if (!bytes) return std::nullopt;
  TRV_TRY_ASSIGN(const DisabledRow row, decode_disabled(*bytes));
  return Disabled{base::Timestamp(row.since_ns), std::string(row.actor), std::string(row.reason)};
}

base::Result<std::vector<std::string>> DefinitionStore::versions(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                 std::string_view space, std::string_view name) const {
  TRV_EXPECTS(!holds_zero(space) && !holds_zero(name));
  const std::string prefix = latest_key(tenant.value(), space, name) + '\0';
  std::vector<std::string> out;
  TRV_TRY(lmdb::scan(txn, tables_.definitions, base::as_bytes(prefix), {}, lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView) -> base::Result<lmdb::Visit> {
                       out.emplace_back(base::as_text(key.subspan(prefix.size())));
                       return lmdb::Visit::go_on;
                     }));
  return out;
}

base::Result<std::vector<definition::Name>> DefinitionStore::in_space(const lmdb::Txn& txn,
                                                                      const base::TenantId& tenant,
                                                                      std::string_view space) const {
  std::vector<definition::Name> names;
  const std::string prefix = latest_key(tenant.value(), space, "");
  TRV_TRY(lmdb::scan(txn, tables_.latest, base::as_bytes(prefix), {}, lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView version) -> base::Result<lmdb::Visit> {
                       names.push_back({std::string(space), std::string(base::as_text(key).substr(prefix.size())),
                                        std::string(base::as_text(version))});
                       return lmdb::Visit::go_on;
                     }));
  return names;
}

base::Result<std::vector<definition::Name>> DefinitionStore::subscribed(const lmdb::Txn& txn,
                                                                        const base::TenantId& tenant,
                                                                        std::string_view event_type) const {
  std::vector<definition::Name> names;
  std::vector<std::string_view> types = {std::string_view()};
  if (!event_type.empty() && event_type.size() <= definition::event_type_bytes_max && !holds_zero(event_type)) {
    types.push_back(event_type);
  }
  for (const std::string_view type : types) {
    const std::string prefix = subscription_prefix(tenant.value(), type);
    TRV_TRY(lmdb::scan(txn, tables_.subscriptions, base::as_bytes(prefix), {}, lmdb::Direction::forward,
                       [&](base::BytesView key, base::BytesView version) -> base::Result<lmdb::Visit> {
                         const auto parts = parts_of(key);
                         if (parts.size() == 4) {
                           definition::Name name{std::string(parts[2]), std::string(parts[3]),
                                                 std::string(base::as_text(version))};
                           if (std::find(names.begin(), names.end(), name) == names.end())
                             names.push_back(std::move(name));
                         }
                         return lmdb::Visit::go_on;
                       }));
  }
  return names;
}

base::Result<Page<StoredDefinition>> DefinitionStore::list(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                           std::string_view cursor, std::size_t count_max) const {
  TRV_EXPECTS(count_max > 0);
  const std::string prefix = tenant_prefix(tenant.value());
  std::string from;
  if (!cursor.empty()) {
    const auto bytes = base::from_hex(cursor);
    if (!bytes || bytes->size() > lmdb::key_bytes_max - prefix.size()) {
      return base::fail(base::ErrorCode::invalid,
                        "the cursor is not one that a list has given; leave it out to start from the beginning");
    }
    from = prefix + std::string(base::as_text(*bytes));
  }
  Page<StoredDefinition> page;
  TRV_TRY(lmdb::scan(txn, tables_.definitions, base::as_bytes(prefix), base::as_bytes(from), lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                       if (page.items.size() == count_max) {
                         page.next = base::to_hex(key.subspan(prefix.size()));
                         return lmdb::Visit::stop;
                       }
                       const auto parts = parts_of(key);
                       if (parts.size() != 4)
                         return base::fail(base::ErrorCode::corrupt, "a definition's key has no four parts");
                       TRV_TRY_ASSIGN(
                           StoredDefinition item,
                           stored({std::string(parts[1]), std::string(parts[2]), std::string(parts[3])}, value, false));
                       TRV_TRY_ASSIGN(const auto failures, tables_.filter_failures.get(txn, key));
                       if (failures) {
                         TRV_TRY_ASSIGN(const FilterFailuresRow row, decode_filter_failures(*failures));
                         item.filter_failures = {row.count, base::Timestamp(row.time_ns), std::string(row.event),
                                                 std::string(row.reason)};
                       }
                       TRV_TRY_ASSIGN(item.schedule, schedule_of(txn, tables_, tenant, item.name));
                       TRV_TRY_ASSIGN(item.disabled, disabled(txn, tenant, item.name.space, item.name.name));
                       page.items.push_back(std::move(item));
                       return lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(page.items.size() <= count_max);
  return page;
}

}  // namespace trv::instance
