#include "events/projection/state_digest.hpp"

#include <array>

#include "events/lmdb/table.hpp"

namespace trv::projection {

base::Result<base::Digest> digest_rows(lmdb::ReadTxn& txn, std::string_view without) {
  TRV_TRY_ASSIGN(const std::vector<std::string> names, txn.table_names());
  base::Digest digest{};
  // Lengths come before their bytes, so that no two contents run together.
  const auto add = [&](base::BytesView key, base::BytesView value) {
    const std::array<std::uint64_t, 2> sizes{key.size(), value.size()};
    digest = base::sha256({digest, {reinterpret_cast<const std::uint8_t*>(sizes.data()), sizeof sizes}, key, value});
  };
  for (const std::string& name : names) {
    if (name == without) continue;
    add(base::as_bytes(name), {});
    base::Result<lmdb::Table> table = txn.open_table(name, lmdb::Keys::bytes);
    if (!table && table.error().code() == base::ErrorCode::conflict) table = txn.open_table(name, lmdb::Keys::integer);
    if (!table) return base::fail(table.error());
    TRV_TRY(lmdb::scan(txn, *table, {}, {}, lmdb::Direction::forward,
                       [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                         add(key, value);
                         return lmdb::Visit::go_on;
                       }));
  }
  return digest;
}

base::Result<DigestedState> digest_state(lmdb::ReadTxn& txn) {
  TRV_TRY_ASSIGN(const lmdb::Table applied, txn.open_table(applied_table));
  DigestedState state;
  TRV_TRY_ASSIGN(state.applied, read_applied(txn, applied));
  TRV_TRY_ASSIGN(state.rows, digest_rows(txn, applied_table));
  return state;
}

}  // namespace trv::projection
