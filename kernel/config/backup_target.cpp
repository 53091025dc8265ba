#include "kernel/config/backup_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace trv::config {

base::Status check_backup_target(const Config& config) {
  if (config.backup_target.empty()) return {};
  std::error_code error;
  const auto inner = std::filesystem::weakly_canonical(std::filesystem::absolute(config.backup_target, error), error);
  for (const std::string& folder : {config.data_folder, config.folder_beside_log()}) {
    const auto outer = std::filesystem::weakly_canonical(std::filesystem::absolute(folder, error), error);
    if (std::ranges::mismatch(outer, inner).in1 != outer.end()) continue;
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("backup.target: {} is in {}, which it backs up; name another folder, best of another "
                                  "disk",
                                  config.backup_target, folder));
  }
  return {};
}

}  // namespace trv::config
