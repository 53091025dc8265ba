#pragma once
// Where backups go, as far as a configuration can be wrong about it.

#include "kernel/config/config.hpp"

namespace trv::config {

/// Error: invalid where backup.target is in a folder that is backed up.
[[nodiscard]] base::Status check_backup_target(const Config& config);

}  // namespace trv::config
