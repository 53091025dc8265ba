#pragma once
// Files that the command line reads and writes. Any thread.
//
// Errors name the file. Reading: invalid (missing, no regular file or pipe, not readable), too_large. Writing:
// internal.

#include <filesystem>
#include <string>
#include <string_view>

#include "sdk/base/file.hpp"

namespace trv::cli {

enum class FileMode { owner_only, everybody_reads };

/// The whole file, or standard input's pipe under a name like /dev/stdin.
[[nodiscard]] base::Result<std::string> read_file(const std::filesystem::path& file, std::size_t bytes_max);

/// base::write_file; no two threads write the same file at once.
[[nodiscard]] base::Status replace_file(const std::filesystem::path& file, std::string_view bytes, FileMode mode,
                                        base::Sync sync = base::Sync::now);

/// Makes what is missing of the path, mode 0700.
[[nodiscard]] base::Status make_private_folders(const std::filesystem::path& folder);

/// What is wrong is in the user's files, and not in how the command was typed.
[[nodiscard]] base::Error about_files(const base::Error& error);

}  // namespace trv::cli
