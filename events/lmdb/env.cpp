#include "events/lmdb/env.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <lmdb.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "events/lmdb/env_state.hpp"
#include "events/lmdb/table.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::lmdb {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;

namespace {

/// LMDB maps the file of its locks, and a page of it for which the disk has no room would end the process.
Status reserve_locks(const std::filesystem::path& folder, unsigned readers_max) {
  constexpr std::size_t bytes_of_a_reader = 64;  // the header takes less than two
  const std::filesystem::path file = folder / "lock.mdb";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  struct stat known{};
  int error = descriptor < 0 || ::fstat(descriptor, &known) != 0 ? errno : 0;
  const auto bytes = std::max<off_t>(known.st_size, static_cast<off_t>((readers_max + 2) * bytes_of_a_reader));
  if (error == 0) error = ::posix_fallocate(descriptor, 0, bytes);
  if (descriptor >= 0) ::close(descriptor);
  if (error == 0) return {};
  return fail(ErrorCode::unavailable,
              fmt::format("cannot reserve {} bytes for {}: {}", bytes, file.string(), std::strerror(error)));
}

// The pages that are free and not before `first`, by the table in which LMDB keeps them: each row is how many it lists
// and their numbers.
int count_free_pages(MDB_env* env, std::uint64_t first, std::uint64_t& pages) {
  MDB_txn* txn = nullptr;
  int code = mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
  if (code != MDB_SUCCESS) return code;
  constexpr MDB_dbi free_table = 0;
  MDB_cursor* cursor = nullptr;
  code = mdb_cursor_open(txn, free_table, &cursor);
  MDB_val key{};
  MDB_val row{};
  while (code == MDB_SUCCESS && (code = mdb_cursor_get(cursor, &key, &row, MDB_NEXT)) == MDB_SUCCESS) {
    const auto number_at = [&row](std::size_t place) {
      std::size_t number = 0;
      TRV_ASSERT(row.mv_size >= (place + 1) * sizeof number);
      std::memcpy(&number, static_cast<const char*>(row.mv_data) + place * sizeof number, sizeof number);
      return number;
    };
    const std::size_t count = number_at(0);
    if (first == 0) pages += count;
    for (std::size_t i = 1; first > 0 && i <= count; ++i) pages += number_at(i) >= first ? 1 : 0;
  }
  if (cursor != nullptr) mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  return code == MDB_NOTFOUND ? MDB_SUCCESS : code;
}

// A page behind the end of the file ends the process that reads it. A whole file is that short only where its last
// pages are free.
Status check_length(const EnvState& state) {
  MDB_envinfo info{};
  MDB_stat stat{};
  int code = mdb_env_info(state.env, &info);
  if (code == MDB_SUCCESS) code = mdb_env_stat(state.env, &stat);
  if (code != MDB_SUCCESS) return fail(to_error(state, code, "read statistics"));
  const std::filesystem::path file = state.folder / "data.mdb";
  const std::uint64_t needed = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(file, error);
  if (!error && bytes >= needed) return {};
  const std::uint64_t first_missing = bytes / stat.ms_psize;
  std::uint64_t free_pages = 0;
  if (!error) std::filesystem::resize_file(file, needed, error);
  if (!error) code = count_free_pages(state.env, first_missing, free_pages);
  if (!error && code == MDB_SUCCESS && free_pages == info.me_last_pgno + 1 - first_missing) return {};
  std::error_code ignored;
  std::filesystem::resize_file(file, bytes, ignored);
  return fail(ErrorCode::corrupt,
              fmt::format("{} has {} bytes of {}: it was cut off; restore the data folder from a backup", file.string(),
                          bytes, needed));
}

// LMDB checks what it reads, and ends the process where that cannot be.
void report_damage(MDB_env* env, const char* what) {
  const auto& state = *static_cast<const EnvState*>(mdb_env_get_userctx(env));
  note_damage(state);
  const std::string where =
      fmt::format("{}/data.mdb is damaged: {}", state.folder.string(),
                  state.marks_damage ? "the next start makes it anew" : "restore the data folder from a backup");
  base::contract_failed("a rule of LMDB", what, where.c_str(), 0);
}

/// With what is missing above it; their names are durable on return.
Status create_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> missing;
  for (std::filesystem::path at = std::filesystem::absolute(folder, error);
       !error && !std::filesystem::exists(at, error) && !error && at.has_relative_path(); at = at.parent_path()) {
    missing.push_back(at);
  }
  if (!error) std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot create the folder {}: {}", folder.string(), error.message()));
  }
  for (const std::filesystem::path& made : missing) TRV_TRY(base::sync_folder(made.parent_path()));
  return {};
}

}  // namespace

Env::Env(std::unique_ptr<EnvState> state) noexcept : state_(std::move(state)) {}
Env::Env(Env&&) noexcept = default;

Env& Env::operator=(Env&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Env::~Env() {
  if (state_ != nullptr && state_->env != nullptr) mdb_env_close(state_->env);
}

Result<Env> Env::open(const std::filesystem::path& folder, const EnvOptions& options) {
  if (options.access == Access::read_write) {
    TRV_TRY(create_folder(folder));
    TRV_TRY(reserve_locks(folder, options.readers_max));
  }
  std::error_code error;
  const bool is_new = !std::filesystem::exists(folder / "data.mdb", error) && !error;

  Env opened(std::make_unique<EnvState>());
  EnvState& state = *opened.state_;
  state.folder = folder;
  state.map_bytes = options.map_bytes;
  state.tables_max = options.tables_max;
  state.readers_max = options.readers_max;
  state.marks_damage = options.marks_damage;
  if (const int code = mdb_env_create(&state.env); code != MDB_SUCCESS) return fail(to_error(state, code, "open"));

  unsigned flags = MDB_NOTLS;
  if (options.sync == Sync::none) flags |= MDB_NOSYNC;
  if (options.access == Access::read_only) flags |= MDB_RDONLY;
  int code = mdb_env_set_mapsize(state.env, options.map_bytes);
  if (code == MDB_SUCCESS) code = mdb_env_set_maxdbs(state.env, options.tables_max);
  if (code == MDB_SUCCESS) code = mdb_env_set_maxreaders(state.env, options.readers_max);
  if (code == MDB_SUCCESS) code = mdb_env_open(state.env, folder.c_str(), flags, 0600);
  if (code == MDB_SUCCESS) code = mdb_env_set_userctx(state.env, &state);
  if (code == MDB_SUCCESS) code = mdb_env_set_assert(state.env, report_damage);
  if (code == MDB_SUCCESS) code = mdb_reader_check(state.env, nullptr);
  if (code != MDB_SUCCESS) return fail(to_error(state, code, "open"));
  if (options.access == Access::read_write) TRV_TRY(check_length(state));
  // What a commit syncs is the file, not its name.
  if (is_new && options.access == Access::read_write) TRV_TRY(base::sync_folder(folder));
  return opened;
}

Result<ReadTxn> Env::begin_read() const {
  MDB_txn* txn = nullptr;
  const int code = mdb_txn_begin(state_->env, nullptr, MDB_RDONLY, &txn);
  if (code != MDB_SUCCESS) return fail(to_error(*state_, code, "begin read"));
  return ReadTxn(*state_, txn);
}

Result<WriteTxn> Env::begin_write() {
  MDB_txn* txn = nullptr;
  const int code = mdb_txn_begin(state_->env, nullptr, 0, &txn);
  if (code != MDB_SUCCESS) return fail(to_error(*state_, code, "begin write"));
  state_->writer = txn;
  return WriteTxn(*state_, txn);
}

Status Env::sync() {
  const int code = mdb_env_sync(state_->env, 1);
  if (code != MDB_SUCCESS) return fail(to_error(*state_, code, "sync"));
  return {};
}

Status Env::copy_to(const std::filesystem::path& folder, Pages pages) const {
  TRV_TRY(create_folder(folder));
  const std::filesystem::path file = folder / "data.mdb";
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    return fail(ErrorCode::conflict, fmt::format("{} exists; copy to another folder", file.string()));
  }
  const int code = mdb_env_copy2(state_->env, folder.c_str(), pages == Pages::used ? MDB_CP_COMPACT : 0);
  if (code != MDB_SUCCESS) return fail(to_error(*state_, code, "copy to " + folder.string()));
  return base::sync_file(file);
}

Result<EnvStats> Env::stats() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  int code = mdb_env_info(state_->env, &info);
  if (code == MDB_SUCCESS) code = mdb_env_stat(state_->env, &stat);
  std::uint64_t pages = std::uint64_t{info.me_last_pgno} + 1;
  // They are reused before the file grows, and matter only when it hardly can any more.
  if (code == MDB_SUCCESS && pages * stat.ms_psize > info.me_mapsize / 8 * 7) {
    std::uint64_t free_pages = 0;
    code = count_free_pages(state_->env, 0, free_pages);
    pages -= std::min(pages, free_pages);
  }
  if (code != MDB_SUCCESS) return fail(to_error(*state_, code, "read statistics"));
  return EnvStats{.used_bytes = pages * stat.ms_psize, .map_bytes = info.me_mapsize, .readers = info.me_numreaders};
}

// LMDB does not say where its map is; the system does.
void Env::release_pages() const {
  std::error_code error;
  const std::string file = std::filesystem::canonical(state_->folder / "data.mdb", error).string();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; !error && std::getline(maps, line);) {
    if (!line.ends_with(file)) continue;
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    const char* const last = line.data() + line.size();
    const auto first = std::from_chars(line.data(), last, begin, 16);
    if (first.ec != std::errc() || first.ptr == last || *first.ptr != '-') continue;
    if (std::from_chars(first.ptr + 1, last, end, 16).ec != std::errc() || end <= begin) continue;
    // A shared map of a file: nothing is lost. Where the system refuses, the pages stay until it needs the memory.
    (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

bool Env::is_damaged() const noexcept {
  return state_->is_damaged;
}

const std::filesystem::path& Env::folder() const noexcept {
  return state_->folder;
}

}  // namespace trv::lmdb
