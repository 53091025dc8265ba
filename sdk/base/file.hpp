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

/// Writes `bytes` to a new file `temporary_name`, which is relative to the folder of `path`, syncs, and moves it into
/// place; durable when it returns. Error: unavailable or not_found (no such folder), names the file.
[[nodiscard]] Status write_file(const std::filesystem::path& path, std::string_view temporary_name, BytesView bytes,
                                mode_t mode);

/// Makes the names in a folder durable. Error: unavailable.
[[nodiscard]] Status sync_folder(const std::filesystem::path& folder);

}  // namespace trv::base
