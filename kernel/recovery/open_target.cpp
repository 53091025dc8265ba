#include "kernel/recovery/open_target.hpp"

#include <fmt/format.h>

#include "kernel/recovery/folder_target.hpp"

namespace trv::recovery {

base::Result<std::unique_ptr<Target>> open_target(const std::string& name, const base::Clock& clock,
                                                  base::Random& random) {
  if (name.empty()) return base::fail(base::ErrorCode::invalid, "the backup target is empty; name a folder");
  if (name.find("://") != std::string::npos) {
    return base::fail(base::ErrorCode::invalid, fmt::format("'{}' is not a backup target; name a folder", name));
  }
  auto target = std::make_unique<FolderTarget>(name, random);
  TRV_TRY(target->remove_left_over(clock));
  return target;
}

}  // namespace trv::recovery
