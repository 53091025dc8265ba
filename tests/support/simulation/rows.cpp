#include "tests/support/simulation/rows.hpp"

#include "events/lmdb/table.hpp"
#include "kernel/node/shard_stores.hpp"

namespace trv::simulation {

base::Result<Rows> rows_of(lmdb::ReadTxn txn) {
  Rows rows;
  TRV_TRY_ASSIGN(const auto names, txn.table_names());
  for (const std::string& name : names) {
    auto table = txn.open_table(name, lmdb::Keys::bytes);
    if (!table && table.error().code() == base::ErrorCode::conflict) table = txn.open_table(name, lmdb::Keys::integer);
    if (!table) return base::fail(table.error());
    if (name == "projection.applied") continue;
    TRV_TRY(lmdb::scan(txn, *table, {}, {}, lmdb::Direction::forward,
                       [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                         rows[{name, std::string(base::as_text(key))}] = base::as_text(value);
                         return lmdb::Visit::go_on;
                       }));
  }
  return rows;
}

base::Result<Rows> rows_of_tenant(log::EventLog& log, log::ShardId shard, std::string_view tenant,
                                  const std::filesystem::path& scratch) {
  std::filesystem::remove_all(scratch);
  node::ShardStores stores;
  TRV_TRY_ASSIGN(lmdb::Env env,
                 lmdb::Env::open(scratch, {.map_bytes = map_bytes, .tables_max = 128, .sync = lmdb::Sync::none}));
  {
    TRV_TRY_ASSIGN(auto txn, env.begin_write());
    for (projection::Projector* projector : stores.projectors()) TRV_TRY(projector->open(txn));
    TRV_TRY(txn.commit());
  }
  {
    TRV_TRY_ASSIGN(auto txn, env.begin_write());
    TRV_TRY_ASSIGN(const auto reader, log.read(shard, log::Lsn(1)));
    for (projection::Projector* projector : stores.projectors()) projector->begin();
    for (;;) {
      TRV_TRY_ASSIGN(const auto stored, reader->next(base::Duration(0)));
      if (!stored) break;
      TRV_TRY_ASSIGN(const auto event, record::RecordView::over(stored->bytes));
      if (event.tenant() != tenant) continue;
      for (projection::Projector* projector : stores.projectors()) TRV_TRY(projector->apply(txn, event));
    }
    for (projection::Projector* projector : stores.projectors()) TRV_TRY(projector->finish(txn));
    TRV_TRY(txn.commit());
  }
  TRV_TRY_ASSIGN(auto txn, env.begin_read());
  return rows_of(std::move(txn));
}

}  // namespace trv::simulation
