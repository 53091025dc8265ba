#include "events/lmdb/env_state.hpp"

#include <fmt/format.h>
#include <lmdb.h>

#include <cerrno>
#include <fstream>

#include "events/lmdb/env.hpp"
#include "sdk/base/contract.hpp"

namespace trv::lmdb {

using base::Error;
using base::ErrorCode;

void note_damage(const EnvState& env) {
  if (env.is_damaged.exchange(true) || !env.marks_damage) return;
  // Without it the next process finds the damage by itself.
  const std::ofstream ignored(env.folder / damage_mark);
}

Error to_error(const EnvState& env, int code, std::string_view doing) {
  TRV_EXPECTS(code != MDB_SUCCESS);
  const std::string place = fmt::format("{} in {}", doing, env.folder.string());
  switch (code) {
    case MDB_MAP_FULL:
      return {ErrorCode::exhausted,
              fmt::format("{}: its limit of {} bytes is reached; erase data or raise the limit", place, env.map_bytes)};
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return {ErrorCode::exhausted,
              fmt::format("{}: the disk, or what this process may use of it, is full; free some space", place)};
    case MDB_DBS_FULL:
      return {ErrorCode::exhausted, fmt::format("{}: more than {} tables; raise tables_max", place, env.tables_max)};
    case MDB_READERS_FULL:
      return {ErrorCode::exhausted,
              fmt::format("{}: more than {} readers at a time; end some or raise readers_max", place, env.readers_max)};
    case MDB_TXN_FULL:
      return {ErrorCode::exhausted, fmt::format("{}: the transaction is too large; commit more often", place)};
    case MDB_BAD_VALSIZE:
      return {ErrorCode::invalid,
              fmt::format("{}: a key must have 1 to {} bytes", place, mdb_env_get_maxkeysize(env.env))};
    case MDB_KEYEXIST:
      return {ErrorCode::conflict, fmt::format("{}: the key exists, or is not greater than the last", place)};
    case MDB_NOTFOUND: return {ErrorCode::not_found, fmt::format("{}: no such entry", place)};
    case MDB_INCOMPATIBLE: return {ErrorCode::conflict, fmt::format("{}: the table is of another kind", place)};
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
      note_damage(env);
      return {ErrorCode::corrupt, fmt::format("{}: {}; restore a copy", place, mdb_strerror(code))};
    case MDB_BAD_TXN:
      return {ErrorCode::internal, fmt::format("{}: the transaction failed before and must be aborted", place)};
    default: return {ErrorCode::unavailable, fmt::format("{}: {}", place, mdb_strerror(code))};
  }
}

Error to_read_error(const EnvState& env, const MDB_txn* txn, int code, std::string_view doing) {
  // Nothing but damage fails a transaction that only reads; LMDB does not always say so the first time.
  if (code == MDB_BAD_TXN && txn != env.writer) code = MDB_CORRUPTED;
  Error error = to_error(env, code, doing);
  return error.code() == ErrorCode::corrupt ? error : Error(ErrorCode::internal, error.message());
}

}  // namespace trv::lmdb
