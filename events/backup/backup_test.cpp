#include "events/backup/backup.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "sdk/base/digest.hpp"

namespace trv::backup {
namespace {

using base::ErrorCode;

/// A copy as an earlier version made it.
class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    std::string name = testing::TempDir() + "backup_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    write("keys/audit.pem", "key");
    write("packages/ab/cdef", std::string(3'000'000, 'p'));
    std::ofstream(folder_ / "backup.sha256") << list_;
  }
  ~BackupTest() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
    list_ += base::to_hex(base::sha256(base::as_bytes(text))) + "  " + path + "\n";
  }
  void expect_corrupt(std::string_view what) const {
    for (const auto& error : {verify(folder_).error(), take_over(folder_).error()}) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
      EXPECT_NE(error.message().find(what), std::string::npos) << error.message();
    }
  }

  std::filesystem::path folder_;
  std::string list_;
};

TEST_F(BackupTest, is_verified_and_taken_over_once) {
  const auto verified = verify(folder_);
  ASSERT_TRUE(verified) << verified.error().message();
  EXPECT_EQ(verified->files, 2U);
  EXPECT_GT(verified->bytes, 3'000'000U);
  ASSERT_TRUE(take_over(folder_));
  EXPECT_EQ(verify(folder_).error().code(), ErrorCode::not_found) << "a data folder like any other";
  EXPECT_TRUE(take_over(folder_));
}

TEST_F(BackupTest, a_file_that_is_missing_cut_off_or_changed_is_named) {
  std::filesystem::resize_file(folder_ / "packages/ab/cdef", 1000);
  expect_corrupt("packages/ab/cdef is not what was backed up");
  std::filesystem::remove(folder_ / "keys/audit.pem");
  expect_corrupt("keys/audit.pem is missing");
  std::ofstream(folder_ / "backup.sha256") << "nonsense\n";
  expect_corrupt("line 1 is not a digest");
}

TEST_F(BackupTest, one_that_was_cut_off_is_recognised) {
  std::ofstream(folder_ / "backup.unfinished") << "x";
  expect_corrupt("was not finished");
}

TEST_F(BackupTest, says_that_it_runs_while_it_is_held_and_comes_one_at_a_time) {
  EXPECT_FALSE(is_running(folder_));
  {
    const auto held = hold(folder_);
    ASSERT_TRUE(held) << held.error().message();
    EXPECT_TRUE(is_running(folder_));
    EXPECT_EQ(hold(folder_).error().code(), ErrorCode::conflict);
  }
  EXPECT_FALSE(is_running(folder_));
  EXPECT_TRUE(hold(folder_));
}

}  // namespace
}  // namespace trv::backup
