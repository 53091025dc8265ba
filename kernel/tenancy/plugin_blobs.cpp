#include "kernel/tenancy/plugin_blobs.hpp"

#include <fmt/format.h>

#include <algorithm>

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

constexpr std::int64_t day_ns = std::int64_t{86'400} * 1'000'000'000;
constexpr std::size_t digest_bytes = sizeof(base::Digest);

std::string prefix_of(const std::string& keeper) {
  return keeper + '\0';
}

std::string row_of(const std::string& keeper, const base::Digest& sha256) {
  return prefix_of(keeper) + std::string(base::as_text(base::BytesView(sha256)));
}

base::Digest digest_at_end_of(base::BytesView row_key) {
  TRV_EXPECTS(row_key.size() > digest_bytes);
  base::Digest sha256{};
  std::ranges::copy(row_key.last(digest_bytes), sha256.begin());
  return sha256;
}

Result<PluginBlob> blob_of(const base::Digest& sha256, base::BytesView row) {
  PluginBlob blob{.sha256 = sha256};
  record::RowReader reader(row);
  reader >> blob.bytes >> blob.media_type >> blob.name;
  TRV_TRY(reader.finish("a blob of a plugin"));
  return blob;
}

void add_to_day(PluginBlobUse& use, base::Timestamp time, std::uint64_t bytes) {
  const std::int64_t day = time.ns() / day_ns;
  if (day != use.day) use.bytes_of_day = 0;
  use.day = day;
  use.bytes_of_day += bytes;
}

}  // namespace

base::Status PluginBlobs::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(blobs_, txn.create_table("plugin_blobs"));
  TRV_TRY_ASSIGN(uses_, txn.create_table("plugin_blob_uses"));
  return {};
}

base::Status PluginBlobs::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  if (event.type() == "trv.plugin.blob_stored") return store(txn, event);
  if (event.type() == "trv.plugin.blob_erased") return erase(txn, event);
  return {};
}

base::Status PluginBlobs::store(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* stored, record::payload_of<schema::plugin::PluginBlobStored>(event));
  const std::string keeper = scoped(event.tenant(), event.stream_id());
  const std::string row = row_of(keeper, record::digest_of(stored->sha256()));
  TRV_TRY_ASSIGN(const auto before, find(txn, row));
  TRV_TRY_ASSIGN(PluginBlobUse use, use_of(txn, keeper));
  if (!before) {
    ++use.blobs;
    use.bytes += stored->bytes();
    add_to_day(use, event.time(), stored->bytes());
  }
  std::string value;
  record::RowWriter(value) << stored->bytes() << text_of(stored->media_type()) << text_of(stored->name());
  TRV_TRY(blobs_.put(txn, row, base::as_bytes(value)));
  return put_use(txn, keeper, use);
}

base::Status PluginBlobs::erase(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* erased, record::payload_of<schema::plugin::PluginBlobErased>(event));
  const std::string keeper = scoped(event.tenant(), event.stream_id());
  TRV_TRY_ASSIGN(PluginBlobUse use, use_of(txn, keeper));
  if (erased->sha256() != nullptr) {
    const std::string row = row_of(keeper, record::digest_of(erased->sha256()));
    TRV_TRY_ASSIGN(const auto before, find(txn, row));
    if (!before) return {};
    --use.blobs;
    use.bytes -= before->bytes;
    TRV_TRY(blobs_.erase(txn, row));
    return put_use(txn, keeper, use);
  }
  TRV_TRY(erase_all(txn, blobs_, prefix_of(keeper)));
  return put_use(txn, keeper, {.blobs = 0, .bytes = 0, .day = use.day, .bytes_of_day = use.bytes_of_day});
}

base::Status PluginBlobs::put_use(lmdb::WriteTxn& txn, const std::string& keeper, const PluginBlobUse& use) {
  std::string row;
  record::RowWriter(row) << use.blobs << use.bytes << use.day << use.bytes_of_day;
  return uses_.put(txn, keeper, base::as_bytes(row));
}

Result<PluginBlobUse> PluginBlobs::use_of(const lmdb::Txn& txn, const std::string& keeper) const {
  PluginBlobUse use;
  TRV_TRY_ASSIGN(const auto row, uses_.get(txn, keeper));
  if (!row) return use;
  record::RowReader reader(*row);
  reader >> use.blobs >> use.bytes >> use.day >> use.bytes_of_day;
  TRV_TRY(reader.finish("how much a plugin keeps in blobs"));
  return use;
}

Result<std::optional<PluginBlob>> PluginBlobs::find(const lmdb::Txn& txn, const std::string& row) const {
  if (row.size() > lmdb::key_bytes_max) return std::nullopt;
  TRV_TRY_ASSIGN(const auto found, blobs_.get(txn, row));
  if (!found) return std::nullopt;
  TRV_TRY_ASSIGN(PluginBlob blob, blob_of(digest_at_end_of(base::as_bytes(row)), *found));
  return std::optional(std::move(blob));
}

Result<std::optional<PluginBlob>> PluginBlobs::get(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                   std::string_view plugin, const base::Digest& sha256) const {
  return find(txn, row_of(scoped(tenant.value(), plugin), sha256));
}

Result<PluginBlobs::Page> PluginBlobs::list(const lmdb::Txn& txn, const base::TenantId& tenant, std::string_view plugin,
                                            const std::optional<base::Digest>& after, std::size_t count_max) const {
  TRV_EXPECTS(count_max > 0);
  Page page;
  const std::string keeper = scoped(tenant.value(), plugin);
  const std::string prefix = prefix_of(keeper);
  const std::string from = after ? row_of(keeper, *after) + '\0' : prefix;
  TRV_TRY(lmdb::scan(txn, blobs_, base::as_bytes(prefix), base::as_bytes(from), lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView row) -> Result<lmdb::Visit> {
                       page.has_more = page.blobs.size() >= count_max;
                       if (page.has_more) return lmdb::Visit::stop;
                       TRV_TRY_ASSIGN(PluginBlob blob, blob_of(digest_at_end_of(key), row));
                       page.blobs.push_back(std::move(blob));
                       return lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(page.blobs.size() <= count_max);
  return page;
}

Result<PluginBlobUse> PluginBlobs::use(const lmdb::Txn& txn, const base::TenantId& tenant,
                                       std::string_view plugin) const {
  return use_of(txn, scoped(tenant.value(), plugin));
}

Result<std::vector<std::string>> PluginBlobs::plugins(const lmdb::Txn& txn, const base::TenantId& tenant) const {
  return names_of(txn, uses_, tenant.value(), [&](const std::string& key) -> Result<bool> {
    TRV_TRY_ASSIGN(const PluginBlobUse use, use_of(txn, key));
    return use.blobs > 0;
  });
}

base::Status PluginBlobs::add_named(const lmdb::Txn& txn, std::set<base::Digest>& named) const {
  return lmdb::scan(txn, blobs_, {}, {}, lmdb::Direction::forward,
                    [&](base::BytesView key, base::BytesView) -> Result<lmdb::Visit> {
                      named.insert(digest_at_end_of(key));
                      return lmdb::Visit::go_on;
                    });
}

// ---- decisions

base::Status check_room(const PluginBlobs& store, const lmdb::Txn& state, const base::TenantId& tenant,
                        std::string_view plugin, const PluginBlob& blob, base::Timestamp now) {
  TRV_TRY_ASSIGN(const auto before, store.get(state, tenant, plugin, blob.sha256));
  if (before) return {};
  TRV_TRY_ASSIGN(PluginBlobUse use, store.use(state, tenant, plugin));
  if (use.bytes + blob.bytes > plugin_blobs_bytes_max || use.blobs >= plugin_blobs_max) {
    return fail(ErrorCode::exhausted,
                fmt::format("there is no room for a blob of {} bytes: plugin '{}' keeps {} blobs with {} bytes in "
                            "tenant '{}', and may keep {} with {}; erase what is not needed",
                            blob.bytes, plugin, use.blobs, use.bytes, tenant.value(), plugin_blobs_max,
                            plugin_blobs_bytes_max));
  }
  add_to_day(use, now, blob.bytes);
  if (use.bytes_of_day <= plugin_blobs_bytes_per_day_max) return {};
  return fail(ErrorCode::exhausted,
              fmt::format("plugin '{}' has stored {} bytes in tenant '{}' today, and may store {} a day of UTC; store "
                          "less often what changes",
                          plugin, use.bytes_of_day - blob.bytes, tenant.value(), plugin_blobs_bytes_per_day_max));
}

Result<Decision> decide(const PluginBlobs& store, const lmdb::Txn& state, DecisionContext& context,
                        const StorePluginBlob& command) {
  const PluginBlob& blob = command.blob;
  TRV_TRY_ASSIGN(const auto before, store.get(state, context.tenant, command.plugin, blob.sha256));
  TRV_EXPECTS(!before || before->bytes == blob.bytes);
  if (before && before->media_type == blob.media_type && before->name == blob.name) return Decision{};
  TRV_TRY(check_room(store, state, context.tenant, command.plugin, blob, context.now));
  FlatBufferBuilder builder;
  const auto text = [&builder](const std::string& value) {
    return value.empty() ? flatbuffers::Offset<flatbuffers::String>() : builder.CreateString(value);
  };
  const auto plugin = builder.CreateString(command.plugin);
  const auto sha256 = builder.CreateVector(blob.sha256.data(), blob.sha256.size());
  const auto media_type = text(blob.media_type);
  const auto name = text(blob.name);
  const auto call = text(command.call);
  Decision decision;
  decision.events.push_back(
      shard::draft(context, "plugin", command.plugin, "trv.plugin.blob_stored",
                   record::finish(builder, schema::plugin::CreatePluginBlobStored(builder, plugin, sha256, blob.bytes,
                                                                                  media_type, name, call))));
  return decision;
}

Result<Decision> decide(const PluginBlobs& store, const lmdb::Txn& state, DecisionContext& context,
                        const ErasePluginBlob& command) {
  Decision decision;
  if (command.sha256) {
    TRV_TRY_ASSIGN(const auto before, store.get(state, context.tenant, command.plugin, *command.sha256));
    if (!before) return decision;
  } else {
    TRV_TRY_ASSIGN(const PluginBlobUse use, store.use(state, context.tenant, command.plugin));
    if (use.blobs == 0) return decision;
  }
  FlatBufferBuilder builder;
  const auto plugin = builder.CreateString(command.plugin);
  const auto sha256 = command.sha256 ? builder.CreateVector(command.sha256->data(), command.sha256->size()) : 0;
  const auto call = command.call.empty() ? 0 : builder.CreateString(command.call);
  decision.events.push_back(
      shard::draft(context, "plugin", command.plugin, "trv.plugin.blob_erased",
                   record::finish(builder, schema::plugin::CreatePluginBlobErased(builder, plugin, sha256, call))));
  return decision;
}

}  // namespace trv::tenancy
