#include "sdk/base/file_age.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "sdk/base/clock.hpp"

namespace trv::base {
namespace {

TEST(FileAgeTest, a_file_is_as_old_as_its_last_write_and_a_missing_one_is_of_no_age) {
  std::string folder = testing::TempDir() + "file_age_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::filesystem::path file = std::filesystem::path(folder) / "file";
  std::ofstream(file) << "text";
  std::filesystem::last_write_time(file, std::filesystem::last_write_time(file) - std::chrono::hours(23));
  const Timestamp now = SystemClock().now();
  EXPECT_FALSE(is_older(file, now).value());
  EXPECT_TRUE(is_older(file, now + std::chrono::hours(2)).value());
  EXPECT_TRUE(is_older(file, now, std::chrono::hours(22)).value());
  EXPECT_FALSE(is_older(folder, now).value());
  EXPECT_TRUE(is_older(folder, now + std::chrono::hours(25)).value());
  EXPECT_FALSE(is_older(folder + "/missing", now, Duration(0)).value());
  const auto refused = is_older(file / "below", now);
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_NE(refused.error().message().find(file.string()), std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace trv::base
