#include "kernel/tenancy/plugin_data.hpp"

#include <fmt/format.h>

#include "events/record/payload.hpp"
#include "events/record/row.hpp"
#include "events/schema/plugin_generated.h"
#include "kernel/tenancy/rows.hpp"
#include "sdk/base/contract.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using base::fail;
using flatbuffers::FlatBufferBuilder;
using record::text_of;

std::string row_of(const std::string& store, std::string_view key) {
  std::string row = store;
  row += '\0';
  row += key;
  return row;
}

std::uint64_t bytes_of(const PluginDatum& datum) noexcept {
  return datum.key.size() + datum.value.size();
}

Result<PluginDatum> datum_of(std::string_view key, base::BytesView row) {
  PluginDatum datum{.key = std::string(key), .value = {}, .revision = 0};
  record::RowReader reader(row);
  reader >> datum.revision >> datum.value;
  TRV_TRY(reader.finish("a value of a plugin's store"));
  return datum;
}

/// The revision is 0 where there is nothing.
base::Status check_revision(std::string_view key, std::uint64_t expected, std::uint64_t revision) {
  if (expected == any_revision || expected == revision) return {};
  const auto name = [](std::uint64_t one) {
    return one == 0 ? std::string("nothing") : fmt::format("revision {}", one);
  };
  return fail(ErrorCode::conflict, fmt::format("the store has {} of \"{}\", and {} was expected; read it again",
                                               name(revision), key, name(expected)));
}

}  // namespace

base::Status PluginData::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(values_, txn.create_table("plugin_data_values"));
  TRV_TRY_ASSIGN(uses_, txn.create_table("plugin_data_uses"));
  return {};
}

base::Status PluginData::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  if (event.type() == "trv.plugin.data-put") return put(txn, event);
  if (event.type() == "trv.plugin.data-erased") return erase(txn, event);
  return {};
}

base::Status PluginData::put(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* put, record::payload_of<schema::plugin::PluginDataPut>(event));
  const std::string store = scoped(event.tenant(), event.stream_id());
  const PluginDatum datum{.key = std::string(text_of(put->key())),
                          .value = std::string(text_of(put->value())),
                          .revision = put->revision()};
  const std::string row = row_of(store, datum.key);
  TRV_TRY_ASSIGN(const auto before, find(txn, row));
  TRV_TRY_ASSIGN(PluginDataUse use, use_of(txn, store));
  use.bytes += bytes_of(datum);
  use.last_revision = datum.revision;
  if (before) {
    use.bytes -= bytes_of({.key = datum.key, .value = before->value, .revision = 0});
  } else {
    ++use.entries;
  }
  std::string value;
  record::RowWriter(value) << datum.revision << std::string_view(datum.value);
  TRV_TRY(values_.put(txn, row, base::as_bytes(value)));
  return put_use(txn, store, use);
}

base::Status PluginData::erase(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* erased, record::payload_of<schema::plugin::PluginDataErased>(event));
  const std::string store = scoped(event.tenant(), event.stream_id());
  TRV_TRY_ASSIGN(PluginDataUse use, use_of(txn, store));
  if (erased->key() != nullptr) {
    const std::string_view key = text_of(erased->key());
    TRV_TRY_ASSIGN(const auto before, find(txn, row_of(store, key)));
    if (!before) return {};
    use.bytes -= bytes_of({.key = std::string(key), .value = before->value, .revision = 0});
    --use.entries;
    TRV_TRY(values_.erase(txn, row_of(store, key)));
    return put_use(txn, store, use);
  }
  TRV_TRY(erase_all(txn, values_, row_of(store, "")));
  // The last revision stays: a call that read one before must not find it again with another value.
  return put_use(txn, store, {.entries = 0, .bytes = 0, .last_revision = use.last_revision});
}

base::Status PluginData::put_use(lmdb::WriteTxn& txn, const std::string& store, const PluginDataUse& use) {
  std::string row;
  record::RowWriter(row) << use.entries << use.bytes << use.last_revision;
  return uses_.put(txn, store, base::as_bytes(row));
}

Result<PluginDataUse> PluginData::use_of(const lmdb::Txn& txn, const std::string& store) const {
  PluginDataUse use;
  TRV_TRY_ASSIGN(const auto row, uses_.get(txn, store));
  if (!row) return use;
  record::RowReader reader(*row);
  reader >> use.entries >> use.bytes >> use.last_revision;
  TRV_TRY(reader.finish("the size of a plugin's store"));
  return use;
}

Result<std::optional<PluginDatum>> PluginData::find(const lmdb::Txn& txn, const std::string& row) const {
  if (row.size() > lmdb::key_bytes_max) return std::nullopt;
  TRV_TRY_ASSIGN(const auto found, values_.get(txn, row));
  if (!found) return std::nullopt;
  TRV_TRY_ASSIGN(PluginDatum datum, datum_of("", *found));
  return std::optional(std::move(datum));
}

Result<std::optional<PluginDatum>> PluginData::get(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                   std::string_view plugin, std::string_view key) const {
  TRV_TRY_ASSIGN(auto found, find(txn, row_of(scoped(tenant.value(), plugin), key)));
  if (found) found->key = key;
  return found;
}

Result<PluginData::Page> PluginData::list(const lmdb::Txn& txn, const base::TenantId& tenant, std::string_view plugin,
                                          std::string_view prefix, std::string_view after, std::size_t count_max,
                                          std::size_t bytes_max) const {
  TRV_EXPECTS(count_max > 0);
  Page page;
  const std::string store = row_of(scoped(tenant.value(), plugin), "");
  const std::string begin = store + std::string(prefix);
  if (begin.size() > lmdb::key_bytes_max || store.size() + after.size() >= lmdb::key_bytes_max) return page;
  const std::string from = after.empty() || after < prefix ? begin : store + std::string(after) + '\0';
  std::size_t bytes = 0;
  TRV_TRY(lmdb::scan(txn, values_, base::as_bytes(begin), base::as_bytes(from), lmdb::Direction::forward,
                     [&](base::BytesView row_key, base::BytesView row) -> Result<lmdb::Visit> {
                       TRV_TRY_ASSIGN(PluginDatum datum, datum_of(base::as_text(row_key).substr(store.size()), row));
                       bytes += bytes_of(datum);
                       page.has_more = page.entries.size() >= count_max || (bytes > bytes_max && !page.entries.empty());
                       if (page.has_more) return lmdb::Visit::stop;
                       page.entries.push_back(std::move(datum));
                       return lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(page.entries.size() <= count_max);
  return page;
}

Result<PluginDataUse> PluginData::use(const lmdb::Txn& txn, const base::TenantId& tenant,
                                      std::string_view plugin) const {
  return use_of(txn, scoped(tenant.value(), plugin));
}

Result<std::vector<std::string>> PluginData::plugins(const lmdb::Txn& txn, const base::TenantId& tenant) const {
  return names_of(txn, uses_, tenant.value(), [&](const std::string& key) -> Result<bool> {
    TRV_TRY_ASSIGN(const PluginDataUse use, use_of(txn, key));
    return use.entries > 0;
  });
}

// ---- decisions

Result<Decision> decide(const PluginData& store, const lmdb::Txn& state, DecisionContext& context,
                        const PutPluginData& command, std::uint64_t& revision) {
  TRV_EXPECTS(!command.key.empty() && !command.value.empty());
  const std::size_t row_bytes = row_of(scoped(context.tenant.value(), command.plugin), command.key).size();
  if (row_bytes > lmdb::key_bytes_max) {
    return fail(ErrorCode::too_large,
                fmt::format("the key \"{}\" is {} bytes too long for the store of plugin '{}' in tenant '{}'",
                            command.key, row_bytes - lmdb::key_bytes_max, command.plugin, context.tenant.value()));
  }
  TRV_TRY_ASSIGN(const auto before, store.get(state, context.tenant, command.plugin, command.key));
  revision = before ? before->revision : 0;
  TRV_TRY(check_revision(command.key, command.expected, revision));
  if (before && before->value == command.value && command.expected == any_revision) return Decision{};
  TRV_TRY_ASSIGN(const PluginDataUse use, store.use(state, context.tenant, command.plugin));
  const std::uint64_t bytes =
      use.bytes + command.value.size() + (before ? 0 : command.key.size()) - (before ? before->value.size() : 0);
  const std::uint64_t entries = use.entries + (before ? 0 : 1);
  if (bytes > plugin_data_bytes_max || entries > plugin_data_entries_max) {
    return fail(
        ErrorCode::exhausted,
        fmt::format("the store of plugin '{}' in tenant '{}' is full: it has {} entries and {} bytes, at most {} "
                    "and {}; erase what is not needed",
                    command.plugin, context.tenant.value(), use.entries, use.bytes, plugin_data_entries_max,
                    plugin_data_bytes_max));
  }
  revision = use.last_revision + 1;
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto key = builder.CreateString(command.key);
  const auto value = builder.CreateString(command.value);
  const auto call = command.call.empty() ? 0 : builder.CreateString(command.call);
  Decision decision;
  decision.events.push_back(shard::draft(
      context, "plugin", command.plugin, "trv.plugin.data-put",
      record::finish(builder, schema::plugin::CreatePluginDataPut(builder, plugin, key, value, revision, call))));
  return decision;
}

Result<Decision> decide(const PluginData& store, const lmdb::Txn& state, DecisionContext& context,
                        const ErasePluginData& command) {
  TRV_EXPECTS(command.key || command.expected == any_revision);
  Decision decision;
  if (command.key) {
    TRV_TRY_ASSIGN(const auto before, store.get(state, context.tenant, command.plugin, *command.key));
    TRV_TRY(check_revision(*command.key, command.expected, before ? before->revision : 0));
    if (!before) return decision;
  } else {
    TRV_TRY_ASSIGN(const PluginDataUse use, store.use(state, context.tenant, command.plugin));
    if (use.entries == 0) return decision;
  }
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto key = command.key ? builder.CreateString(*command.key) : 0;
  const auto call = command.call.empty() ? 0 : builder.CreateString(command.call);
  decision.events.push_back(
      shard::draft(context, "plugin", command.plugin, "trv.plugin.data-erased",
                   record::finish(builder, schema::plugin::CreatePluginDataErased(builder, plugin, key, call))));
  return decision;
}

}  // namespace trv::tenancy
