#include <fmt/format.h>
#include <lmdb.h>

#include <utility>

#include "events/lmdb/env.hpp"
#include "events/lmdb/env_state.hpp"
#include "events/lmdb/table.hpp"
#include "sdk/base/contract.hpp"

namespace trv::lmdb {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;

namespace {

Result<MDB_dbi> open_handle(const EnvState& env, MDB_txn* txn, std::string_view name, Keys keys, unsigned flags) {
  MDB_dbi handle = 0;
  const std::string terminated(name);
  if (keys == Keys::integer) flags |= MDB_INTEGERKEY;
  int code = mdb_dbi_open(txn, name.empty() ? nullptr : terminated.c_str(), flags, &handle);
  if (code != MDB_SUCCESS) return fail(to_error(env, code, fmt::format("open table {}", name)));
  // LMDB ignores the wish for a table that exists.
  unsigned present = 0;
  code = mdb_dbi_flags(txn, handle, &present);
  if (code == MDB_SUCCESS && ((present & MDB_INTEGERKEY) != 0) != (keys == Keys::integer)) code = MDB_INCOMPATIBLE;
  if (code != MDB_SUCCESS) return fail(to_error(env, code, fmt::format("open table {}", name)));
  return handle;
}

}  // namespace

Txn::Txn(Txn&& other) noexcept : env_(other.env_), txn_(std::exchange(other.txn_, nullptr)) {}

Txn& Txn::operator=(Txn&& other) noexcept {
  std::swap(env_, other.env_);
  std::swap(txn_, other.txn_);
  return *this;
}

Result<Table> Txn::open_table(std::string_view name, Keys keys) {
  TRV_EXPECTS(txn_ != nullptr && (!name.empty() || keys == Keys::bytes));
  TRV_TRY_ASSIGN(const MDB_dbi handle, open_handle(*env_, txn_, name, keys, 0));
  return Table(handle, keys);
}

Result<std::vector<std::string>> Txn::table_names() const {
  TRV_EXPECTS(txn_ != nullptr);
  MDB_dbi main = 0;
  const int code = mdb_dbi_open(txn_, nullptr, 0, &main);
  if (code != MDB_SUCCESS) return fail(to_error(*env_, code, "list tables"));
  std::vector<std::string> names;
  TRV_TRY(scan(*this, Table(main, Keys::bytes), {}, {}, Direction::forward,
               [&](base::BytesView key, base::BytesView) -> Result<Visit> {
                 names.emplace_back(base::as_text(key));
                 return Visit::go_on;
               }));
  return names;
}

ReadTxn& ReadTxn::operator=(ReadTxn&& other) noexcept {
  Txn::operator=(std::move(other));
  return *this;
}

ReadTxn::~ReadTxn() {
  // Commit, not abort: tables opened in this transaction stay open.
  if (txn_ != nullptr) TRV_ASSERT(mdb_txn_commit(txn_) == MDB_SUCCESS);
}

WriteTxn& WriteTxn::operator=(WriteTxn&& other) noexcept {
  Txn::operator=(std::move(other));
  return *this;
}

WriteTxn::~WriteTxn() {
  abort();
}

Result<Table> WriteTxn::create_table(std::string_view name, Keys keys) {
  TRV_EXPECTS(txn_ != nullptr && !name.empty());
  TRV_TRY_ASSIGN(const MDB_dbi handle, open_handle(*env_, txn_, name, keys, MDB_CREATE));
  return Table(handle, keys);
}

Status WriteTxn::commit() {
  TRV_EXPECTS(txn_ != nullptr);
  const int code = mdb_txn_commit(std::exchange(txn_, nullptr));
  if (code != MDB_SUCCESS) return fail(to_error(*env_, code, "commit"));
  return {};
}

void WriteTxn::abort() noexcept {
  if (txn_ != nullptr) mdb_txn_abort(std::exchange(txn_, nullptr));
}

}  // namespace trv::lmdb
