#pragma once
// Files that the command line reads and writes. Any thread.
//
// Errors name the file. Reading: invalid (missing, no regular file or pipe, not readable), too_large. Writing:
// internal.

#include <filesystem>
#include <string>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::cli {

enum class FileMode { owner_only, everybody_reads };
enum class Sync { now, later };

/// The whole file, or standard input's pipe under a name like /dev/stdin.
[[nodiscard]] base::Result<std::string> read_file(const std::filesystem::path& file, std::size_t bytes_max);

/// Writes beside `file`, syncs, renames over it and syncs the folder: durable on return, never half written. With
/// Sync::later nothing is synced: durable after sync_all, and its reader has to check it after a crash.
[[nodiscard]] base::Status replace_file(const std::filesystem::path& file, std::string_view bytes, FileMode mode,
                                        Sync sync = Sync::now);

/// Makes everything durable that was written to the file system of a folder.
[[nodiscard]] base::Status sync_all(const std::filesystem::path& folder);

/// Makes what is missing of the path, mode 0700.
[[nodiscard]] base::Status make_private_folders(const std::filesystem::path& folder);

}  // namespace trv::cli
