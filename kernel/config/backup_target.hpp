#pragma once
// Where backups go, as far as a configuration can be wrong about it.

#include <filesystem>

#include "kernel/config/config.hpp"

namespace trv::config {

/// Whether the one is the other, or below it, wherever links lead. Neither has to be there.
[[nodiscard]] bool is_within(const std::filesystem::path& one, const std::filesystem::path& other);

/// Error: invalid where backup.target is in a folder that is backed up.
[[nodiscard]] base::Status check_backup_target(const Config& config);

}  // namespace trv::config
