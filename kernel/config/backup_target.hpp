#pragma once
// Where backups go, as far as a configuration can be wrong about it.

#include <filesystem>
#include <string>

#include "kernel/config/config.hpp"
#include "kernel/s3/client.hpp"

namespace trv::config {

/// Whether the one is the other, or below it, wherever links lead. Neither has to be there.
[[nodiscard]] bool is_within(const std::filesystem::path& one, const std::filesystem::path& other);

/// Error: invalid where backup.target is in a folder that is backed up, or names a storage that storage_settings()
/// refuses.
[[nodiscard]] base::Status check_backup_target(const Config& config);

/// How the storage of a target s3://bucket/prefix is reached, by the keys of [backup] and the variables AWS_… of the
/// environment; credentials are read now. Error: invalid or denied, names the key and what to do.
[[nodiscard]] base::Result<s3::Settings> storage_settings(const Config& config, const std::string& target);

}  // namespace trv::config
