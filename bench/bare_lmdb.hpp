#pragma once
// What LMDB itself can do: one table, number keys, MDB_APPEND, a synced commit per batch.

#include <lmdb.h>

#include <filesystem>

#include "events/log/batch.hpp"
#include "sdk/base/contract.hpp"

namespace trv::bench {

class BareLmdb {
 public:
  explicit BareLmdb(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    check(mdb_env_create(&env_));
    check(mdb_env_set_mapsize(env_, std::size_t{64} << 30));
    check(mdb_env_set_maxdbs(env_, 4));
    check(mdb_env_open(env_, folder.c_str(), MDB_NOTLS, 0600));
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn));
    check(mdb_dbi_open(txn, "log", MDB_CREATE | MDB_INTEGERKEY, &table_));
    check(mdb_txn_commit(txn));
  }
  ~BareLmdb() { mdb_env_close(env_); }
  BareLmdb(const BareLmdb&) = delete;
  BareLmdb& operator=(const BareLmdb&) = delete;

  void append(const log::Batch& batch) {
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      ++position_;
      const base::BytesView bytes = batch.at(i);
      MDB_val key{sizeof position_, &position_};
      MDB_val value{bytes.size(), const_cast<std::uint8_t*>(bytes.data())};
      check(mdb_put(txn, table_, &key, &value, MDB_APPEND));
    }
    check(mdb_txn_commit(txn));
  }

 private:
  static void check(int code) { TRV_ASSERT(code == MDB_SUCCESS); }

  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace trv::bench
