#pragma once
// Files of any size, read in blocks: digests and copies that need little memory. Functions of values; any thread.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>

#include "sdk/base/digest.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/result.hpp"

namespace trv::base {

struct FileDigest {
  Digest sha256{};
  std::uint64_t bytes = 0;
};

/// Called after each block with how many bytes are done.
using BlockDone = std::function<void(std::uint64_t bytes)>;

/// Errors: not_found, unavailable; each names the file.
[[nodiscard]] Result<FileDigest> digest_file(const std::filesystem::path& file, const BlockDone& done = {});

/// Copies into a new file `to`, whose content is durable on return; its name is durable after sync_folder(). With
/// Sync::later neither is. After an error `to` is removed again. Errors: not_found (there is no `from`), exhausted (the
/// disk is full), unavailable; each names the file.
[[nodiscard]] Result<FileDigest> copy_file(const std::filesystem::path& from, const std::filesystem::path& to,
                                           mode_t mode, Sync sync = Sync::now, const BlockDone& done = {});

}  // namespace trv::base
