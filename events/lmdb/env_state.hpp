#pragma once
// Shared by the sources of this folder: the environment's handle and how LMDB's codes become errors.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "sdk/base/result.hpp"

struct MDB_env;
struct MDB_txn;

namespace trv::lmdb {

struct EnvState {
  MDB_env* env = nullptr;
  std::filesystem::path folder;
  std::uint64_t map_bytes = 0;
  unsigned tables_max = 0;
  unsigned readers_max = 0;
  bool marks_damage = false;
  mutable std::atomic<const MDB_txn*> writer = nullptr;  ///< LMDB has one, which it uses again
  mutable std::atomic<bool> is_damaged = false;
};

/// Leaves the mark, too, where the options say so.
void note_damage(const EnvState& env);
/// `doing` says what failed, for example "put". Precondition: code is not success.
[[nodiscard]] base::Error to_error(const EnvState& env, int code, std::string_view doing);
/// The same of a read: internal or corrupt, because what a reader asks for is not the reason.
[[nodiscard]] base::Error to_read_error(const EnvState& env, const MDB_txn* txn, int code, std::string_view doing);

}  // namespace trv::lmdb
