#include "sdk/base/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "sdk/base/file_copy.hpp"

namespace trv::base {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "trv-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string content(const char* name) {
    const auto bytes = read_file(folder_ / name, 100);
    return bytes ? std::string(as_text(*bytes)) : bytes.error().message();
  }
  [[nodiscard]] std::ptrdiff_t files() const { return std::distance(std::filesystem::directory_iterator(folder_), {}); }
  std::filesystem::path folder_;
};

TEST_F(Files, what_a_crash_left_of_a_write_does_not_hinder_the_next) {
  std::ofstream(folder_ / ".aside") << "half of it";
  for (const Sync sync : {Sync::now, Sync::later}) {
    const Status written =
        write_file(folder_ / "file", ".aside", as_bytes(sync == Sync::now ? "one" : "two"), 0600, sync);
    ASSERT_TRUE(written) << written.error().message();
    EXPECT_EQ(content("file"), sync == Sync::now ? "one" : "two");
    EXPECT_EQ(files(), 1);
  }
  struct stat about{};
  ASSERT_EQ(::stat((folder_ / "file").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  EXPECT_TRUE(sync_file_system(folder_));
}

TEST_F(Files, a_file_is_created_once_and_never_replaced) {
  const auto first = create_file(folder_ / "key", ".aside", as_bytes("one"), 0600);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_TRUE(*first);
  const auto second = create_file(folder_ / "key", ".aside", as_bytes("two"), 0600);
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_FALSE(*second);
  EXPECT_EQ(content("key"), "one");
  EXPECT_EQ(files(), 1);
}

TEST_F(Files, a_missing_folder_is_named_and_nothing_is_left_where_a_write_fails) {
  for (const Status& status : {write_file(folder_ / "no" / "file", ".aside", as_bytes("x"), 0600),
                               sync_file(folder_ / "no"), sync_folder(folder_ / "no")}) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::not_found);
    EXPECT_NE(status.error().message().find((folder_ / "no").string()), std::string::npos) << status.error().message();
  }
  std::filesystem::create_directory(folder_ / "taken");
  std::ofstream(folder_ / "taken" / "inside") << "x";
  EXPECT_FALSE(write_file(folder_ / "taken", ".aside", as_bytes("x"), 0600));
  EXPECT_EQ(files(), 1);
}

TEST_F(Files, a_copy_in_blocks_has_the_digest_of_its_bytes) {
  const std::string text(3'000'000, 'b');
  std::ofstream(folder_ / "from") << text;
  std::uint64_t done = 0;
  const auto copied = copy_file(folder_ / "from", folder_ / "to", 0400, Sync::now, [&](std::uint64_t b) { done = b; });
  ASSERT_TRUE(copied) << copied.error().message();
  EXPECT_EQ(copied->sha256, sha256(as_bytes(text)));
  EXPECT_EQ(copied->bytes, text.size());
  EXPECT_EQ(done, text.size());
  const auto found = digest_file(folder_ / "to");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->sha256, copied->sha256);
  EXPECT_EQ(copy_file(folder_ / "none", folder_ / "other", 0600).error().code(), ErrorCode::not_found);
  EXPECT_FALSE(copy_file(folder_ / "from", folder_ / "to", 0600)) << "nothing is replaced";
  EXPECT_EQ(digest_file(folder_ / "none").error().code(), ErrorCode::not_found);
  EXPECT_EQ(files(), 2);
}

}  // namespace
}  // namespace trv::base
