#pragma once
// Rows of tenants: their keys, and how one or a page of them is read. A row is the record as stored.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/lmdb/table.hpp"
#include "events/record/payload.hpp"
#include "events/record/record.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/result.hpp"

namespace trv::tenancy {

/// tenant ‖ 0 ‖ name: no tenant's rows can be reached with another's prefix.
inline std::string scoped(std::string_view tenant, std::string_view name) {
  TRV_EXPECTS(!tenant.empty());
  std::string key(tenant);
  key += '\0';
  key += name;
  return key;
}

/// What is read from a row is what the event said.
template <typename Table, typename Make>
auto row_as(base::BytesView row, Make make)
    -> base::Result<decltype(make(std::declval<const record::RecordView&>(), std::declval<const Table&>()))> {
  TRV_TRY_ASSIGN(const record::Record stored, record::Record::decode(row));
  TRV_TRY_ASSIGN(const Table* event, record::payload_of<Table>(stored.view()));
  return make(stored.view(), *event);
}

template <typename Value>
base::Result<std::optional<Value>> find(const lmdb::Txn& txn, const lmdb::Table& table, const std::string& key,
                                        base::Result<Value> (*parse)(base::BytesView)) {
  if (key.size() > lmdb::key_bytes_max) return std::nullopt;
  TRV_TRY_ASSIGN(const auto row, table.get(txn, key));
  if (!row) return std::nullopt;
  TRV_TRY_ASSIGN(Value value, parse(*row));
  return std::optional<Value>(std::move(value));
}

/// Values under `prefix` whose names come after `after`.
template <typename Value>
base::Result<std::vector<Value>> list(const lmdb::Txn& txn, const lmdb::Table& table, const std::string& prefix,
                                      std::string_view after, std::size_t count_max,
                                      base::Result<Value> (*parse)(base::BytesView)) {
  TRV_EXPECTS(count_max > 0);
  std::vector<Value> values;
  const std::string from = after.empty() ? std::string() : prefix + std::string(after.substr(0, 400)) + '\0';
  TRV_TRY(lmdb::scan(txn, table, base::as_bytes(prefix), base::as_bytes(from), lmdb::Direction::forward,
                     [&](base::BytesView, base::BytesView row) -> base::Result<lmdb::Visit> {
                       if (values.size() >= count_max) return lmdb::Visit::stop;
                       TRV_TRY_ASSIGN(Value value, parse(row));
                       values.push_back(std::move(value));
                       return lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(values.size() <= count_max);
  return values;
}

/// Erases every row under `prefix`.
inline base::Status erase_all(lmdb::WriteTxn& txn, const lmdb::Table& table, const std::string& prefix) {
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, table));
  TRV_TRY_ASSIGN(auto entry, cursor.seek(prefix));
  while (entry && lmdb::begins_with(entry->key, base::as_bytes(prefix))) {
    TRV_TRY(cursor.erase());
    TRV_TRY_ASSIGN(entry, cursor.next());
  }
  return {};
}

/// The names of the tenant's rows, of those that `counts` by their key.
template <typename Counts>
base::Result<std::vector<std::string>> names_of(const lmdb::Txn& txn, const lmdb::Table& table, std::string_view tenant,
                                                Counts counts) {
  std::vector<std::string> names;
  const std::string prefix = scoped(tenant, "");
  TRV_TRY(lmdb::scan(txn, table, base::as_bytes(prefix), {}, lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView) -> base::Result<lmdb::Visit> {
                       TRV_TRY_ASSIGN(const bool is_one, counts(std::string(base::as_text(key))));
                       if (is_one) names.emplace_back(base::as_text(key).substr(prefix.size()));
                       return lmdb::Visit::go_on;
                     }));
  return names;
}

}  // namespace trv::tenancy
