#pragma once
// Tables of an LMDB environment: ordered maps from bytes, or from numbers, to bytes.
//
// Views of keys and values point into the map: they are valid until the transaction ends or, in a WriteTxn, until its
// next write. They start at any address: copy before reading anything wider than a byte.

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "events/lmdb/env.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

struct MDB_cursor;

namespace trv::lmdb {

/// A key: bytes, text or a number. Borrows from what it is made of.
class Key {
 public:
  Key(base::BytesView bytes) noexcept : bytes_(bytes) {}                     // NOLINT(google-explicit-constructor)
  Key(const base::Bytes& bytes) noexcept : bytes_(bytes) {}                  // NOLINT(google-explicit-constructor)
  Key(std::string_view text) noexcept : bytes_(base::as_bytes(text)) {}      // NOLINT(google-explicit-constructor)
  Key(const std::string& text) noexcept : bytes_(base::as_bytes(text)) {}    // NOLINT(google-explicit-constructor)
  Key(const char* text) noexcept : Key(std::string_view(text)) {}            // NOLINT(google-explicit-constructor)
  Key(std::uint64_t number) noexcept : number_(number), is_number_(true) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool is_number() const noexcept { return is_number_; }
  [[nodiscard]] base::BytesView bytes() const noexcept {
    return is_number_ ? base::BytesView(reinterpret_cast<const std::uint8_t*>(&number_), sizeof number_) : bytes_;
  }

 private:
  base::BytesView bytes_;
  std::uint64_t number_ = 0;
  bool is_number_ = false;
};

/// The number in a key of a Keys::integer table.
[[nodiscard]] std::uint64_t number_of(base::BytesView key) noexcept;

struct Entry {
  base::BytesView key;
  base::BytesView value;
};

/// A handle, cheap to copy, valid as long as its environment. A key must be of the table's kind (contract).
class Table {
 public:
  Table() = default;

  [[nodiscard]] base::Result<std::optional<base::BytesView>> get(const Txn& txn, const Key& key) const;
  [[nodiscard]] base::Result<bool> contains(const Txn& txn, const Key& key) const;
  /// Writes or replaces. Errors: invalid for a key of 0 or more than 511 bytes; exhausted when the map is full: then
  /// the transaction can only be aborted.
  [[nodiscard]] base::Status put(WriteTxn& txn, const Key& key, base::BytesView value) const;
  /// False, and nothing written, if the key exists.
  [[nodiscard]] base::Result<bool> put_new(WriteTxn& txn, const Key& key, base::BytesView value) const;
  /// The fast way for a key that is greater than all in the table. Error: conflict if it is not.
  [[nodiscard]] base::Status append(WriteTxn& txn, const Key& key, base::BytesView value) const;
  /// Memory of `size` bytes for the value, to be filled before the next write.
  [[nodiscard]] base::Result<std::span<std::uint8_t>> put_reserved(WriteTxn& txn, const Key& key,
                                                                   std::size_t size) const;
  /// False if there was none.
  [[nodiscard]] base::Result<bool> erase(WriteTxn& txn, const Key& key) const;
  /// Erases every entry; the table stays.
  [[nodiscard]] base::Status clear(WriteTxn& txn) const;
  [[nodiscard]] base::Result<std::uint64_t> count(const Txn& txn) const;
  /// Of its pages, of which some may be partly empty.
  [[nodiscard]] base::Result<std::uint64_t> bytes(const Txn& txn) const;
  [[nodiscard]] base::Result<std::optional<Entry>> first(const Txn& txn) const;
  [[nodiscard]] base::Result<std::optional<Entry>> last(const Txn& txn) const;

  [[nodiscard]] unsigned handle() const noexcept { return handle_; }
  [[nodiscard]] Keys keys() const noexcept { return keys_; }

 private:
  friend class Txn;
  friend class WriteTxn;
  Table(unsigned handle, Keys keys) noexcept : handle_(handle), keys_(keys) {}

  unsigned handle_ = 0;
  Keys keys_ = Keys::bytes;
};

/// A place in a table. Ends before its transaction.
class Cursor {
 public:
  [[nodiscard]] static base::Result<Cursor> open(const Txn& txn, const Table& table);
  ~Cursor();
  Cursor(Cursor&& other) noexcept;
  Cursor& operator=(Cursor&& other) noexcept;

  /// Each moves and returns the entry there, or nullopt when there is none.
  [[nodiscard]] base::Result<std::optional<Entry>> first();
  [[nodiscard]] base::Result<std::optional<Entry>> last();
  [[nodiscard]] base::Result<std::optional<Entry>> next();
  [[nodiscard]] base::Result<std::optional<Entry>> previous();
  /// The first entry whose key is not less than `key`.
  [[nodiscard]] base::Result<std::optional<Entry>> seek(const Key& key);
  /// The last entry whose key is not greater than `key`.
  [[nodiscard]] base::Result<std::optional<Entry>> seek_back(const Key& key);
  /// Erases the entry that the last move returned; then next() returns the one behind it. Only in a WriteTxn.
  [[nodiscard]] base::Status erase();

 private:
  Cursor(const EnvState& env, MDB_cursor* cursor, Keys keys) noexcept : env_(&env), cursor_(cursor), keys_(keys) {}
  [[nodiscard]] base::Result<std::optional<Entry>> move(int operation, base::BytesView key = {});

  const EnvState* env_;
  MDB_cursor* cursor_;
  Keys keys_;
};

enum class Direction { forward, backward };
enum class Visit { go_on, stop };

/// Visits the entries whose keys begin with `prefix` (empty: all), in key order or against it. `from`: where to start,
/// itself included; empty: at the end that the direction begins with. `visitor` is called as
/// Result<Visit>(base::BytesView key, base::BytesView value) and must not write to the table.
template <typename Visitor>
[[nodiscard]] base::Status scan(const Txn& txn, const Table& table, base::BytesView prefix, base::BytesView from,
                                Direction direction, Visitor&& visitor);

/// The least key greater than every key with this prefix; nullopt if there is none (all bytes 0xff, or empty).
[[nodiscard]] std::optional<base::Bytes> after_prefix(base::BytesView prefix);

[[nodiscard]] inline bool begins_with(base::BytesView key, base::BytesView prefix) noexcept {
  return base::as_text(key).starts_with(base::as_text(prefix));
}

/// Where a scan starts.
[[nodiscard]] base::Result<std::optional<Entry>> scan_start(Cursor& cursor, base::BytesView prefix,
                                                            base::BytesView from, Direction direction);

template <typename Visitor>
base::Status scan(const Txn& txn, const Table& table, base::BytesView prefix, base::BytesView from, Direction direction,
                  Visitor&& visitor) {
  TRV_TRY_ASSIGN(Cursor cursor, Cursor::open(txn, table));
  TRV_TRY_ASSIGN(std::optional<Entry> entry, scan_start(cursor, prefix, from, direction));
  while (entry.has_value() && begins_with(entry->key, prefix)) {
    TRV_TRY_ASSIGN(const Visit visit, visitor(entry->key, entry->value));
    if (visit == Visit::stop) return {};
    TRV_TRY_ASSIGN(entry, direction == Direction::forward ? cursor.next() : cursor.previous());
  }
  return {};
}

}  // namespace trv::lmdb
