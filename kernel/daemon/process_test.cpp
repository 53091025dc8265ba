// What the daemon knows of its surroundings.

#include "kernel/daemon/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/base/scratch_folder.hpp"

namespace trv::daemon {
namespace {

TEST(Journal, priorities_go_to_the_stream_that_systemd_names_and_to_no_other) {
  const auto folder = base::ScratchFolder::make("journal", ::testing::TempDir());
  ASSERT_TRUE(folder);
  const int file = ::open((folder->path() / "stream").c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_GE(file, 0);
  struct stat status{};
  ASSERT_EQ(::fstat(file, &status), 0);
  EXPECT_TRUE(is_journal({{"JOURNAL_STREAM", fmt::format("{}:{}", status.st_dev, status.st_ino)}}, file));
  EXPECT_FALSE(is_journal({{"JOURNAL_STREAM", fmt::format("{}:{}", status.st_dev, status.st_ino + 1)}}, file))
      << "it was sent to a file by the unit";
  EXPECT_FALSE(is_journal({{"INVOCATION_ID", "x"}}, file));
  ::close(file);
  EXPECT_FALSE(is_journal({{"JOURNAL_STREAM", "1:2"}}, file));
}

}  // namespace
}  // namespace trv::daemon
