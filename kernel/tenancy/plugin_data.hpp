#pragma once
// What plugins keep between their calls: of each tenant and plugin a small store of keys and JSON (trv.kv/1), and the
// decisions that change it. Decisions are pure, as decisions.hpp says.

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/lmdb/table.hpp"
#include "events/projection/projector.hpp"
#include "kernel/tenancy/decisions.hpp"

namespace trv::tenancy {

/// Of keys and values together, of one plugin in one tenant.
inline constexpr std::uint64_t plugin_data_bytes_max = 10'485'760;
inline constexpr std::uint64_t plugin_data_entries_max = 10'000;

struct PluginDatum {
  std::string key;
  std::string value;  ///< JSON
  std::uint64_t revision = 0;
};

/// How much a store holds.
struct PluginDataUse {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t last_revision = 0;  ///< also of what is erased: none comes twice
};

/// Rows begin with the tenant, then the plugin. Threads: as TenancyStore.
class PluginData final : public projection::Projector {
 public:
  [[nodiscard]] std::string_view name() const override { return "plugin_data"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 1; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

  [[nodiscard]] base::Result<std::optional<PluginDatum>> get(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                             std::string_view plugin, std::string_view key) const;
  /// Keys that begin with `prefix` and come behind `after`, in their order, at most so many with at most so many bytes,
  /// but one in any case; one more than `count_max` is never given.
  struct Page {
    std::vector<PluginDatum> entries;
    bool has_more = false;
  };
  [[nodiscard]] base::Result<Page> list(const lmdb::Txn& txn, const base::TenantId& tenant, std::string_view plugin,
                                        std::string_view prefix, std::string_view after, std::size_t count_max,
                                        std::size_t bytes_max) const;
  [[nodiscard]] base::Result<PluginDataUse> use(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                std::string_view plugin) const;
  /// The plugins that have a store in the tenant which is not empty.
  [[nodiscard]] base::Result<std::vector<std::string>> plugins(const lmdb::Txn& txn,
                                                               const base::TenantId& tenant) const;

 private:
  [[nodiscard]] base::Status put(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status erase(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status put_use(lmdb::WriteTxn& txn, const std::string& store, const PluginDataUse& use);
  [[nodiscard]] base::Result<PluginDataUse> use_of(const lmdb::Txn& txn, const std::string& store) const;
  [[nodiscard]] base::Result<std::optional<PluginDatum>> find(const lmdb::Txn& txn, const std::string& row) const;

  lmdb::Table values_;  ///< tenant 0 plugin 0 key
  lmdb::Table uses_;    ///< tenant 0 plugin
};

/// Whatever revision there is, or none.
inline constexpr std::uint64_t any_revision = std::numeric_limits<std::uint64_t>::max();

struct PutPluginData {
  std::string plugin;
  std::string key;
  std::string value;                      ///< JSON
  std::uint64_t expected = any_revision;  ///< 0: there is nothing
  std::string call = {};                  ///< idempotency key
};
/// `revision` is that of the key afterwards. What is there already, with any revision expected: no events. Errors:
/// conflict (another revision), exhausted (the store is full), too_large (the key, with this tenant and plugin).
[[nodiscard]] Result<Decision> decide(const PluginData& store, const lmdb::Txn& state, DecisionContext& context,
                                      const PutPluginData& command, std::uint64_t& revision);

struct ErasePluginData {
  std::string plugin;
  std::optional<std::string> key = std::nullopt;  ///< nullopt: all
  std::uint64_t expected = any_revision;          ///< of the key
  std::string call = {};                          ///< empty: it is not a call
};
/// What is not there is erased: no events. Error: conflict (another revision).
[[nodiscard]] Result<Decision> decide(const PluginData& store, const lmdb::Txn& state, DecisionContext& context,
                                      const ErasePluginData& command);

}  // namespace trv::tenancy
