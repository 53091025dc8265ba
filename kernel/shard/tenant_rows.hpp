#pragma once
// The rows of one tenant in the projection of a shard, of whatever projector: how they are copied to the projection of
// another shard and erased in the first. Every table whose keys begin with the tenant is named in the source file.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/lmdb/table.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"

namespace trv::shard {

/// How far rows are copied: up to this one, and of it `value_bytes` where its value is cut.
struct CopyMark {
  std::string table;  ///< empty: nothing yet
  std::string key;    ///< behind the tenant
  std::uint64_t value_bytes = 0;

  friend bool operator==(const CopyMark&, const CopyMark&) = default;
};

/// Rows of one table, small enough for a record. See RowsCopied in events/schema/tenancy.fbs.
struct RowsPart {
  std::string table;
  std::string rows;
  bool appends = false;
  bool goes_on = false;
};

/// open() and what takes a WriteTxn on the shard's thread; the rest with any read transaction, on any thread.
class TenantRows {
 public:
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn);

  /// What comes behind `mark`, in about `bytes_max` bytes; nothing where that is the end. `mark` moves on.
  [[nodiscard]] base::Result<std::vector<RowsPart>> read(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         CopyMark& mark, std::size_t bytes_max) const;
  /// Puts the rows of a part, whose texts are borrowed. Returns the mark behind it. Error: corrupt.
  [[nodiscard]] base::Result<CopyMark> put(lmdb::WriteTxn& txn, const base::TenantId& tenant, const CopyMark& before,
                                           std::string_view table, base::BytesView rows, bool appends,
                                           bool goes_on) const;
  /// How many there are, up to `count_max`.
  [[nodiscard]] base::Result<std::size_t> count(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                std::size_t count_max) const;
  /// Erases `count` of them, always the same ones.
  [[nodiscard]] base::Status erase(lmdb::WriteTxn& txn, const base::TenantId& tenant, std::size_t count) const;

  /// The names of the tables that hold rows of tenants.
  [[nodiscard]] static std::vector<std::string_view> tables();

 private:
  struct Named {
    std::string_view name;
    bool is_by_tenant = false;  ///< the key is the tenant; else it begins with the tenant and a zero
    lmdb::Table table;

    [[nodiscard]] std::string key(const base::TenantId& tenant, std::string_view suffix) const;
  };
  [[nodiscard]] base::Result<std::optional<lmdb::Entry>> seek(lmdb::Cursor& cursor, const Named& named,
                                                              const base::TenantId& tenant,
                                                              std::optional<std::string_view> after) const;
  /// Behind the one at which the cursor is. nullopt: it was the tenant's last in this table.
  [[nodiscard]] base::Result<std::optional<lmdb::Entry>> next(lmdb::Cursor& cursor, const Named& named,
                                                              const base::TenantId& tenant) const;

  std::vector<Named> tables_;
};

}  // namespace trv::shard
