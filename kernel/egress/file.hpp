#pragma once
// Small files written so that a crash leaves the old state or the new one. Functions of values; any thread.

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

/// The whole file. Errors: not_found, too_large (over `bytes_max`), unavailable.
[[nodiscard]] base::Result<base::Bytes> read_file(const std::filesystem::path& path, std::size_t bytes_max);

/// Writes `bytes` beside `path` under `temporary_name`, syncs, and moves it into place; durable when it returns.
/// Error: unavailable, names the file.
[[nodiscard]] base::Status write_file(const std::filesystem::path& path, std::string_view temporary_name,
                                      base::BytesView bytes, mode_t mode);

/// Makes the names in a folder durable. Error: unavailable.
[[nodiscard]] base::Status sync_folder(const std::filesystem::path& folder);

}  // namespace trv::egress
