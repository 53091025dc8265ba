#include <lmdb.h>

#include <algorithm>
#include <utility>

#include "events/lmdb/env_state.hpp"
#include "events/lmdb/table.hpp"
#include "sdk/base/contract.hpp"

namespace trv::lmdb {

using base::BytesView;
using base::fail;
using base::Result;
using base::Status;

Result<Cursor> Cursor::open(const Txn& txn, const Table& table) {
  TRV_EXPECTS(txn.handle() != nullptr);
  MDB_cursor* cursor = nullptr;
  const int code = mdb_cursor_open(txn.handle(), table.handle(), &cursor);
  if (code != MDB_SUCCESS) return fail(to_read_error(txn.env(), txn.handle(), code, "open cursor"));
  TRV_ENSURES(cursor != nullptr);
  return Cursor(txn.env(), cursor, table.keys());
}

Cursor::~Cursor() {
  if (cursor_ != nullptr) mdb_cursor_close(cursor_);
}

Cursor::Cursor(Cursor&& other) noexcept
    : env_(other.env_), cursor_(std::exchange(other.cursor_, nullptr)), keys_(other.keys_) {}

Cursor& Cursor::operator=(Cursor&& other) noexcept {
  std::swap(env_, other.env_);
  std::swap(cursor_, other.cursor_);
  std::swap(keys_, other.keys_);
  return *this;
}

Result<std::optional<Entry>> Cursor::move(int operation, BytesView key) {
  TRV_EXPECTS(cursor_ != nullptr);
  MDB_val key_val{key.size(), const_cast<std::uint8_t*>(key.data())};
  MDB_val value{};
  const int code = mdb_cursor_get(cursor_, &key_val, &value, static_cast<MDB_cursor_op>(operation));
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != MDB_SUCCESS) return fail(to_read_error(*env_, mdb_cursor_txn(cursor_), code, "move cursor"));
  return Entry{{static_cast<const std::uint8_t*>(key_val.mv_data), key_val.mv_size},
               {static_cast<const std::uint8_t*>(value.mv_data), value.mv_size}};
}

Result<std::optional<Entry>> Cursor::first() {
  return move(MDB_FIRST);
}
Result<std::optional<Entry>> Cursor::last() {
  return move(MDB_LAST);
}
Result<std::optional<Entry>> Cursor::next() {
  return move(MDB_NEXT);
}
Result<std::optional<Entry>> Cursor::previous() {
  return move(MDB_PREV);
}

Result<std::optional<Entry>> Cursor::seek(const Key& key) {
  TRV_EXPECTS(keys_ == Keys::integer ? key.bytes().size() == sizeof(std::uint64_t) : !key.is_number());
  return move(MDB_SET_RANGE, key.bytes());
}

Result<std::optional<Entry>> Cursor::seek_back(const Key& key) {
  TRV_TRY_ASSIGN(const std::optional<Entry> at, seek(key));
  if (!at.has_value()) return last();
  if (std::ranges::equal(at->key, key.bytes())) return at;
  return previous();
}

Status Cursor::erase() {
  TRV_EXPECTS(cursor_ != nullptr);
  const int code = mdb_cursor_del(cursor_, 0);
  if (code != MDB_SUCCESS) return fail(to_error(*env_, code, "erase at cursor"));
  return {};
}

std::optional<base::Bytes> after_prefix(BytesView prefix) {
  base::Bytes key(prefix.begin(), prefix.end());
  while (!key.empty() && key.back() == 0xff) key.pop_back();
  if (key.empty()) return std::nullopt;
  ++key.back();
  return key;
}

Result<std::optional<Entry>> scan_start(Cursor& cursor, BytesView prefix, BytesView from, Direction direction) {
  const auto less = [](BytesView a, BytesView b) { return base::as_text(a) < base::as_text(b); };
  if (direction == Direction::forward) {
    const BytesView start = from.empty() || (!prefix.empty() && less(from, prefix)) ? prefix : from;
    return start.empty() ? cursor.first() : cursor.seek(start);
  }
  const std::optional<base::Bytes> end = after_prefix(prefix);
  if (!from.empty() && (!end.has_value() || less(from, *end))) return cursor.seek_back(from);
  if (!end.has_value()) return cursor.last();
  TRV_TRY_ASSIGN(const std::optional<Entry> at, cursor.seek(*end));
  return at.has_value() ? cursor.previous() : cursor.last();
}

}  // namespace trv::lmdb
