#include "kernel/config/backup_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace trv::config {

bool is_within(const std::filesystem::path& one, const std::filesystem::path& other) {
  std::error_code error;
  const auto inner = std::filesystem::weakly_canonical(std::filesystem::absolute(one, error), error);
  const auto outer = std::filesystem::weakly_canonical(std::filesystem::absolute(other, error), error);
  return std::ranges::mismatch(outer, inner).in1 == outer.end();
}

base::Status check_backup_target(const Config& config) {
  if (config.backup_target.empty()) return {};
  for (const std::string& folder : {config.data_folder, config.folder_beside_log()}) {
    if (!is_within(config.backup_target, folder)) continue;
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("backup.target: {} is in {}, which it backs up; name another folder, best of another "
                                  "disk",
                                  config.backup_target, folder));
  }
  return {};
}

}  // namespace trv::config
