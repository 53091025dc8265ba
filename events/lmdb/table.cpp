#include "events/lmdb/table.hpp"

#include <lmdb.h>

#include <cstring>

#include "events/lmdb/env_state.hpp"
#include "sdk/base/contract.hpp"

namespace trv::lmdb {

using base::BytesView;
using base::fail;
using base::Result;
using base::Status;

namespace {

MDB_val to_val(BytesView bytes) noexcept {
  return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())};
}
BytesView to_view(const MDB_val& val) noexcept {
  return {static_cast<const std::uint8_t*>(val.mv_data), val.mv_size};
}

// A number for a table of bytes would sort by the machine's byte order; bytes for a table of numbers must be one
// number.
void expect_usable(const Txn& txn, Keys keys, const Key& key) {
  TRV_EXPECTS(txn.handle() != nullptr);
  TRV_EXPECTS(keys == Keys::integer ? key.bytes().size() == sizeof(std::uint64_t) : !key.is_number());
}

}  // namespace

std::uint64_t number_of(BytesView key) noexcept {
  TRV_EXPECTS(key.size() == sizeof(std::uint64_t));
  std::uint64_t number = 0;
  std::memcpy(&number, key.data(), sizeof number);
  return number;
}

Result<std::optional<BytesView>> Table::get(const Txn& txn, const Key& key) const {
  expect_usable(txn, keys_, key);
  MDB_val key_val = to_val(key.bytes());
  MDB_val value{};
  const int code = mdb_get(txn.handle(), handle_, &key_val, &value);
  // No entry has a key that is too long.
  if (code == MDB_NOTFOUND || code == MDB_BAD_VALSIZE) return std::nullopt;
  if (code != MDB_SUCCESS) return fail(to_read_error(txn.env(), txn.handle(), code, "get"));
  return to_view(value);
}

Result<bool> Table::contains(const Txn& txn, const Key& key) const {
  TRV_TRY_ASSIGN(const auto value, get(txn, key));
  return value.has_value();
}

Status Table::put(WriteTxn& txn, const Key& key, BytesView value) const {
  expect_usable(txn, keys_, key);
  MDB_val key_val = to_val(key.bytes());
  MDB_val value_val = to_val(value);
  const int code = mdb_put(txn.handle(), handle_, &key_val, &value_val, 0);
  if (code != MDB_SUCCESS) return fail(to_error(txn.env(), code, "put"));
  return {};
}

Result<bool> Table::put_new(WriteTxn& txn, const Key& key, BytesView value) const {
  expect_usable(txn, keys_, key);
  MDB_val key_val = to_val(key.bytes());
  MDB_val value_val = to_val(value);
  const int code = mdb_put(txn.handle(), handle_, &key_val, &value_val, MDB_NOOVERWRITE);
  if (code == MDB_KEYEXIST) return false;
  if (code != MDB_SUCCESS) return fail(to_error(txn.env(), code, "put new"));
  return true;
}

Status Table::append(WriteTxn& txn, const Key& key, BytesView value) const {
  expect_usable(txn, keys_, key);
  MDB_val key_val = to_val(key.bytes());
  MDB_val value_val = to_val(value);
  const int code = mdb_put(txn.handle(), handle_, &key_val, &value_val, MDB_APPEND);
  if (code != MDB_SUCCESS) return fail(to_error(txn.env(), code, "append"));
  return {};
}

Result<std::span<std::uint8_t>> Table::put_reserved(WriteTxn& txn, const Key& key, std::size_t size) const {
  expect_usable(txn, keys_, key);
  MDB_val key_val = to_val(key.bytes());
  MDB_val value{size, nullptr};
  const int code = mdb_put(txn.handle(), handle_, &key_val, &value, MDB_RESERVE);
  if (code != MDB_SUCCESS) return fail(to_error(txn.env(), code, "put"));
  return std::span<std::uint8_t>(static_cast<std::uint8_t*>(value.mv_data), size);
}

Result<bool> Table::erase(WriteTxn& txn, const Key& key) const {
  expect_usable(txn, keys_, key);
  MDB_val key_val = to_val(key.bytes());
  const int code = mdb_del(txn.handle(), handle_, &key_val, nullptr);
  if (code == MDB_NOTFOUND) return false;
  if (code != MDB_SUCCESS) return fail(to_error(txn.env(), code, "erase"));
  return true;
}

Status Table::clear(WriteTxn& txn) const {
  const int code = mdb_drop(txn.handle(), handle_, 0);
  if (code != MDB_SUCCESS) return fail(to_error(txn.env(), code, "clear"));
  return {};
}

Result<std::uint64_t> Table::count(const Txn& txn) const {
  MDB_stat stat{};
  const int code = mdb_stat(txn.handle(), handle_, &stat);
  if (code != MDB_SUCCESS) return fail(to_error(txn.env(), code, "count"));
  return std::uint64_t{stat.ms_entries};
}

Result<std::uint64_t> Table::bytes(const Txn& txn) const {
  MDB_stat stat{};
  const int code = mdb_stat(txn.handle(), handle_, &stat);
  if (code != MDB_SUCCESS) return fail(to_error(txn.env(), code, "count pages"));
  return std::uint64_t{stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages} * stat.ms_psize;
}

Result<std::optional<Entry>> Table::first(const Txn& txn) const {
  TRV_TRY_ASSIGN(Cursor cursor, Cursor::open(txn, *this));
  return cursor.first();
}

Result<std::optional<Entry>> Table::last(const Txn& txn) const {
  TRV_TRY_ASSIGN(Cursor cursor, Cursor::open(txn, *this));
  return cursor.last();
}

}  // namespace trv::lmdb
