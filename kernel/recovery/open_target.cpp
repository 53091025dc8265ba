#include "kernel/recovery/open_target.hpp"

#include <fmt/format.h>

#include "kernel/config/backup_target.hpp"
#include "kernel/recovery/folder_target.hpp"
#include "kernel/recovery/s3_target.hpp"

namespace trv::recovery {

base::Result<std::unique_ptr<Target>> open_target(const std::string& name, const config::Config& config,
                                                  const base::Clock& clock, base::Random& random,
                                                  const std::stop_token& stop) {
  if (name.empty()) {
    return base::fail(base::ErrorCode::invalid, "the backup target is empty; name a folder, or s3://bucket/prefix");
  }
  if (s3::is_url(name)) {
    TRV_TRY_ASSIGN(s3::Place place, s3::parse_place(name));
    TRV_TRY_ASSIGN(s3::Settings settings, config::storage_settings(config, name));
    return std::make_unique<S3Target>(std::move(settings), std::move(place.prefix), clock, random, stop);
  }
  auto target = std::make_unique<FolderTarget>(name, random);
  TRV_TRY(target->remove_left_over(clock));
  return target;
}

}  // namespace trv::recovery
