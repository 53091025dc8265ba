#pragma once
// Reading the files of a folder that may come from an enemy.

#include <filesystem>

#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::verify {

/// A regular file of at most `bytes_max` bytes. Devices, pipes and folders are refused without being read.
/// Error: not_found, too_large, invalid, unavailable; the message does not repeat the path.
[[nodiscard]] base::Result<base::Bytes> read_file(const std::filesystem::path& file, std::size_t bytes_max);

}  // namespace trv::verify
