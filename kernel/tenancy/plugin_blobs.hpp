#pragma once
// The large things that plugins keep (trv.blob/1): which digests each plugin has in each tenant, and the decisions that
// change it. The bytes are in a blob store. Decisions are pure, as decisions.hpp says.

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "events/lmdb/table.hpp"
#include "events/projection/projector.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/digest.hpp"

namespace trv::tenancy {

/// Of all blobs of one plugin in one tenant.
inline constexpr std::uint64_t plugin_blobs_bytes_max = 1'073'741'824;
inline constexpr std::uint64_t plugin_blobs_max = 10'000;
/// That one plugin stores in one tenant within a day of UTC: what is erased takes its room for a day.
inline constexpr std::uint64_t plugin_blobs_bytes_per_day_max = 4'294'967'296;

struct PluginBlob {
  base::Digest sha256{};
  std::uint64_t bytes = 0;
  std::string media_type = {};
  std::string name = {};
};

/// How much a plugin keeps.
struct PluginBlobUse {
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;
  std::int64_t day = 0;            ///< of the last one that was stored, since 1970
  std::uint64_t bytes_of_day = 0;  ///< stored in it, also what is erased again
};

/// Rows begin with the tenant, then the plugin. Threads: as TenancyStore.
class PluginBlobs final : public projection::Projector {
 public:
  [[nodiscard]] std::string_view name() const override { return "plugin_blobs"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 1; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

  [[nodiscard]] base::Result<std::optional<PluginBlob>> get(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                            std::string_view plugin, const base::Digest& sha256) const;
  /// Those behind `after` in the order of their digests; one more than `count_max` is never given.
  struct Page {
    std::vector<PluginBlob> blobs;
    bool has_more = false;
  };
  [[nodiscard]] base::Result<Page> list(const lmdb::Txn& txn, const base::TenantId& tenant, std::string_view plugin,
                                        const std::optional<base::Digest>& after, std::size_t count_max) const;
  [[nodiscard]] base::Result<PluginBlobUse> use(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                std::string_view plugin) const;
  /// The plugins that keep blobs in the tenant.
  [[nodiscard]] base::Result<std::vector<std::string>> plugins(const lmdb::Txn& txn,
                                                               const base::TenantId& tenant) const;
  /// Adds what any plugin keeps in any tenant.
  [[nodiscard]] base::Status add_named(const lmdb::Txn& txn, std::set<base::Digest>& named) const;

 private:
  [[nodiscard]] base::Status store(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status erase(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Result<std::optional<PluginBlob>> find(const lmdb::Txn& txn, const std::string& row) const;
  [[nodiscard]] base::Result<PluginBlobUse> use_of(const lmdb::Txn& txn, const std::string& keeper) const;
  [[nodiscard]] base::Status put_use(lmdb::WriteTxn& txn, const std::string& keeper, const PluginBlobUse& use);

  lmdb::Table blobs_;  ///< tenant 0 plugin 0 digest
  lmdb::Table uses_;   ///< tenant 0 plugin
};

/// Whether there is room for a blob at a time: what is kept already needs none. Error: exhausted, as decide().
[[nodiscard]] base::Status check_room(const PluginBlobs& store, const lmdb::Txn& state, const base::TenantId& tenant,
                                      std::string_view plugin, const PluginBlob& blob, base::Timestamp now);

struct StorePluginBlob {
  std::string plugin;
  PluginBlob blob;
  std::string call = {};  ///< idempotency key
};
/// What is kept already under the same name and media type: no events. Error: exhausted (of all blobs, or of a day).
[[nodiscard]] Result<Decision> decide(const PluginBlobs& store, const lmdb::Txn& state, DecisionContext& context,
                                      const StorePluginBlob& command);

struct ErasePluginBlob {
  std::string plugin;
  std::optional<base::Digest> sha256 = std::nullopt;  ///< nullopt: all
  std::string call = {};                              ///< empty: it is not a call
};
/// What is not kept is erased: no events.
[[nodiscard]] Result<Decision> decide(const PluginBlobs& store, const lmdb::Txn& state, DecisionContext& context,
                                      const ErasePluginBlob& command);

}  // namespace trv::tenancy
