#include "tests/support/simulation/state.hpp"

#include "events/lmdb/table.hpp"

namespace trv::simulation {
namespace {

constexpr std::uint64_t map_bytes = std::uint64_t{1} << 30;

}  // namespace

std::vector<projection::Projector*> State::projectors() {
  return {&timers, &outbox, &tenancy, &ingest, &workflows, &trail};
}

base::Status State::open(log::ShardId shard, const std::filesystem::path& folder, const std::filesystem::path& snapshot,
                         projection::Projector* extra) {
  projection::ProjectionOptions options;
  options.folder = folder;
  options.snapshot_folder = snapshot;
  options.map_bytes = map_bytes;
  std::vector<projection::Projector*> all = projectors();
  if (extra != nullptr) all.push_back(extra);
  TRV_TRY_ASSIGN(projection, projection::Projection::open(options, shard, std::move(all)));
  return {};
}

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
  State state;
  TRV_TRY_ASSIGN(lmdb::Env env,
                 lmdb::Env::open(scratch, {.map_bytes = map_bytes, .tables_max = 128, .sync = lmdb::Sync::none}));
  {
    TRV_TRY_ASSIGN(auto txn, env.begin_write());
    for (projection::Projector* projector : state.projectors()) TRV_TRY(projector->open(txn));
    TRV_TRY(txn.commit());
  }
  {
    TRV_TRY_ASSIGN(auto txn, env.begin_write());
    TRV_TRY_ASSIGN(const auto reader, log.read(shard, log::Lsn(1)));
    for (projection::Projector* projector : state.projectors()) projector->begin();
    for (;;) {
      TRV_TRY_ASSIGN(const auto stored, reader->next(base::Duration(0)));
      if (!stored) break;
      TRV_TRY_ASSIGN(const auto event, record::RecordView::over(stored->bytes));
      if (event.tenant() != tenant) continue;
      for (projection::Projector* projector : state.projectors()) TRV_TRY(projector->apply(txn, event));
    }
    for (projection::Projector* projector : state.projectors()) TRV_TRY(projector->finish(txn));
    TRV_TRY(txn.commit());
  }
  TRV_TRY_ASSIGN(auto txn, env.begin_read());
  return rows_of(std::move(txn));
}

}  // namespace trv::simulation
