#include "kernel/config/backup_target.hpp"

#include <gtest/gtest.h>

namespace trv::config {
namespace {

TEST(BackupTarget, it_lies_outside_of_what_is_backed_up) {
  Config config;
  config.data_folder = "/var/lib/travertine";
  EXPECT_TRUE(check_backup_target(config)) << "there is none";
  for (const char* outside : {"/backup", "/var/lib/travertine-backup", "/var/lib"}) {
    config.backup_target = outside;
    EXPECT_TRUE(check_backup_target(config)) << outside;
  }
  for (const char* inside : {"/var/lib/travertine", "/var/lib/travertine/backup", "/backup/../var/lib/travertine/b"}) {
    config.backup_target = inside;
    const base::Status refused = check_backup_target(config);
    ASSERT_FALSE(refused) << inside;
    EXPECT_NE(refused.error().message().find("backup.target: "), std::string::npos) << refused.error().message();
    EXPECT_FALSE(check_files(config, base::Timestamp(0))) << "trav config check says so, too";
  }
}

}  // namespace
}  // namespace trv::config
