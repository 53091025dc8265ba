// What an earlier run stored and did not live to record is gone after the next start; what the log names stays.

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/api/daemon.hpp"

namespace trv::api {
namespace {

TEST(SweepTest, what_no_record_names_is_removed_at_start) {
  const ScratchFolder scratch;
  {
    const auto daemon = Daemon::start(scratch);
    ASSERT_TRUE(daemon) << daemon.error().message();
    EXPECT_EQ((*daemon)->stop(), 0);
  }
  const std::filesystem::path data = scratch.path() / "data";
  const std::filesystem::path package = data / "plugins" / std::string(64, 'a');
  const std::filesystem::path secret = data / "secrets" / "acme" / std::string(32, 'b');
  for (const std::filesystem::path& file : {package / "package.trvp", secret}) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << "left behind";
  }
  const auto daemon = Daemon::start(scratch);
  ASSERT_TRUE(daemon) << daemon.error().message();
  EXPECT_FALSE(std::filesystem::exists(package));
  EXPECT_FALSE(std::filesystem::exists(secret));
}

}  // namespace
}  // namespace trv::api
