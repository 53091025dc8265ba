#pragma once
// LMDB environments and transactions. This folder is the only code that includes lmdb.h.
//
// One environment is opened once per process, never on network storage and never across a fork. Transactions must end
// before their environment does. Every failure of LMDB is a Result: exhausted where map or disk is full, invalid for
// keys that LMDB cannot hold, corrupt for damaged files, unavailable for the rest of the world.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

struct MDB_env;
struct MDB_txn;

namespace trv::lmdb {

/// LMDB's limit for a key.
inline constexpr std::size_t key_bytes_max = 511;

enum class Sync {
  full,  ///< a commit that returned is on the disk
  none,  ///< a commit survives the process, not the machine; after a crash of the machine the file may be damaged
};
enum class Access { read_write, read_only };
/// Which pages are copied.
enum class Pages {
  all,   ///< as they are
  used,  ///< without free ones, in order
};
enum class Keys {
  bytes,    ///< 1 to 511 bytes, in byte order
  integer,  ///< 64-bit numbers, in number order
};

/// What says to the next process that the files beside it are of no use.
inline constexpr const char* damage_mark = "damaged";

struct EnvOptions {
  std::uint64_t map_bytes = std::uint64_t{64} << 30;  ///< most that the file can grow to; costs address space only
  unsigned tables_max = 64;
  unsigned readers_max = 512;
  Sync sync = Sync::full;
  Access access = Access::read_write;
  bool marks_damage = false;  ///< where damage is found, a file damage_mark is left in the folder
};

struct EnvStats {
  std::uint64_t used_bytes = 0;  ///< high-water mark of the file; free pages inside it are reused
  std::uint64_t map_bytes = 0;
  std::uint32_t readers = 0;  ///< reader slots in use
};

class Table;
class ReadTxn;
class WriteTxn;

/// What all transactions of an environment share.
struct EnvState;

/// Any thread; see the transactions for theirs.
class Env {
 public:
  /// Creates the folder and the files where they are missing (not when read_only) and frees the slots of readers that
  /// died. Errors: unavailable (message names the path), corrupt (no LMDB files of this version).
  [[nodiscard]] static base::Result<Env> open(const std::filesystem::path& folder, const EnvOptions& options = {});
  ~Env();
  Env(Env&&) noexcept;
  Env& operator=(Env&&) noexcept;

  /// A snapshot that later writes do not touch. While it lives, pages that writers replace cannot be reused: keep it
  /// short. Any number at a time.
  [[nodiscard]] base::Result<ReadTxn> begin_read() const;
  /// Waits for the writer before us, also one in another process.
  [[nodiscard]] base::Result<WriteTxn> begin_write();
  /// Brings everything that was committed to the disk; for Sync::none.
  [[nodiscard]] base::Status sync();
  /// Writes a consistent copy to `folder`, created if missing, and brings it to the disk. Writers go on meanwhile; a
  /// copy of all pages waits for one that has begun. Error: conflict if it holds an environment already.
  [[nodiscard]] base::Status copy_to(const std::filesystem::path& folder, Pages pages = Pages::all) const;
  [[nodiscard]] base::Result<EnvStats> stats() const;
  /// Lets go of the pages of the file that this process has in its memory: the system keeps them as it sees fit, and
  /// what is read again comes back. Bounds what a pass over much data leaves resident. Any time; views stay valid.
  void release_pages() const;
  /// Damage was found in the file since it was opened; what was read meanwhile may be wrong. It stays so. Any thread.
  [[nodiscard]] bool is_damaged() const noexcept;
  [[nodiscard]] const std::filesystem::path& folder() const noexcept;

 private:
  explicit Env(std::unique_ptr<EnvState> state) noexcept;
  std::unique_ptr<EnvState> state_;
};

/// What every transaction can do: read. Move-only.
class Txn {
 public:
  Txn(const Txn&) = delete;
  Txn& operator=(const Txn&) = delete;

  /// Opens a table that exists. Open tables before other threads start: LMDB allows one thread at a time to do so.
  /// The table without a name is in every environment: it leads to the others by their names. Error: not_found.
  [[nodiscard]] base::Result<Table> open_table(std::string_view name, Keys keys = Keys::bytes);
  /// Names of all tables, in byte order.
  [[nodiscard]] base::Result<std::vector<std::string>> table_names() const;

  [[nodiscard]] MDB_txn* handle() const noexcept { return txn_; }
  [[nodiscard]] const EnvState& env() const noexcept { return *env_; }

 protected:
  Txn(const EnvState& env, MDB_txn* txn) noexcept : env_(&env), txn_(txn) {}
  Txn(Txn&& other) noexcept;
  Txn& operator=(Txn&& other) noexcept;
  ~Txn() = default;

  const EnvState* env_;
  MDB_txn* txn_;
};

/// Ends with its scope. One thread at a time, not bound to one.
class ReadTxn final : public Txn {
 public:
  ~ReadTxn();
  ReadTxn(ReadTxn&&) noexcept = default;
  ReadTxn& operator=(ReadTxn&& other) noexcept;

 private:
  friend class Env;
  using Txn::Txn;
};

/// Aborts unless committed. Bound to the thread that began it.
class WriteTxn final : public Txn {
 public:
  ~WriteTxn();
  WriteTxn(WriteTxn&&) noexcept = default;
  WriteTxn& operator=(WriteTxn&& other) noexcept;

  /// Opens a table, creating it if missing. It may be used in other transactions once this one has committed.
  /// Error: exhausted when tables_max is reached.
  [[nodiscard]] base::Result<Table> create_table(std::string_view name, Keys keys = Keys::bytes);

  /// Durable on return when the environment has Sync::full. On error nothing of this transaction is stored.
  [[nodiscard]] base::Status commit();
  void abort() noexcept;

 private:
  friend class Env;
  using Txn::Txn;
};

}  // namespace trv::lmdb
