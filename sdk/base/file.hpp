#pragma once
// Small files written so that a crash leaves the old state or the new one. Functions of values; any thread.

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::base {

/// The whole file. Errors: not_found, too_large (over `bytes_max`), unavailable.
[[nodiscard]] Result<Bytes> read_file(const std::filesystem::path& path, std::size_t bytes_max);

enum class Sync { now, later };

/// Writes `bytes` to a new file `temporary_name`, which is relative to the folder of `path` and replaces what a crash
/// left under that name, syncs, and moves it into place, over a file that is there. Durable on return; with Sync::later
/// after sync_file_system, and its reader has to check it after a crash. Error: unavailable or not_found (no such
/// folder), names the file.
[[nodiscard]] Status write_file(const std::filesystem::path& path, std::string_view temporary_name, BytesView bytes,
                                mode_t mode, Sync sync = Sync::now);
/// The same where there is no file yet; of several processes at once one succeeds. False, and nothing is changed, where
/// there is a file; no two may use the same temporary name at once.
[[nodiscard]] Result<bool> create_file(const std::filesystem::path& path, std::string_view temporary_name,
                                       BytesView bytes, mode_t mode);

/// Makes what was written to a file durable, with its name. Error: not_found, unavailable.
[[nodiscard]] Status sync_file(const std::filesystem::path& path);
/// Makes the names in a folder durable. Error: not_found, unavailable.
[[nodiscard]] Status sync_folder(const std::filesystem::path& folder);
/// Makes everything durable that was written to the file system of a folder. Error: not_found, unavailable.
[[nodiscard]] Status sync_file_system(const std::filesystem::path& folder);

}  // namespace trv::base
