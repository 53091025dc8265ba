#include "events/backup/backup.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "events/lmdb/env.hpp"
#include "events/lmdb/table.hpp"

namespace trv::backup {
namespace {

using base::ErrorCode;

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    std::string name = testing::TempDir() + "backup_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    write_log("one");
    write("keys/audit.pem", "key");
    write("secrets/master.key", "master");
    write("secrets/acme/0123", "sealed");
    write("secrets/acme/.0123", "half written");
    write("packages/ab/cdef", std::string(3'000'000, 'p'));
    write("lock", "");
    write("projection/data.mdb", "comes back by itself");
    write("plugins/ab/plugin.so", "comes back from its archive");
  }
  ~BackupTest() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((data() / path).parent_path());
    std::ofstream(data() / path) << text;
  }
  void write_log(const std::string& text) const {
    auto env = lmdb::Env::open(data() / "log");
    ASSERT_TRUE(env) << env.error().message();
    auto txn = env->begin_write();
    ASSERT_TRUE(txn);
    const auto table = txn->create_table("entries");
    ASSERT_TRUE(table);
    ASSERT_TRUE(table->put(*txn, text, base::to_bytes(text)));
    ASSERT_TRUE(txn->commit());
  }
  [[nodiscard]] std::filesystem::path data() const { return folder_ / "data"; }
  [[nodiscard]] std::filesystem::path to() const { return folder_ / "to"; }
  void expect_corrupt(std::string_view what) const {
    for (const auto& error : {verify(to()).error(), take_over(to()).error()}) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
      EXPECT_NE(error.message().find(what), std::string::npos) << error.message();
    }
  }

  std::filesystem::path folder_;
};

TEST_F(BackupTest, of_a_folder_whose_log_is_on_kafka_holds_what_is_beside_the_log) {
  std::filesystem::remove_all(data() / "log");
  const auto made = create(data(), to());
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->files, 4U);
  EXPECT_TRUE(verify(to()).has_value());
  EXPECT_FALSE(std::filesystem::exists(to() / "log"));
  ASSERT_TRUE(take_over(to()));
  std::filesystem::remove_all(data() / "keys");
  const auto refused = create(data(), folder_ / "other");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
  EXPECT_NE(refused.error().message().find("it has neither log/data.mdb nor keys/audit.pem"), std::string::npos);
}

TEST_F(BackupTest, holds_everything_but_what_comes_back_by_itself) {
  const auto made = create(data(), to());
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->files, 5U);
  EXPECT_GT(made->bytes, 3'000'000U);
  EXPECT_FALSE(std::filesystem::exists(to() / "projection"));
  EXPECT_FALSE(std::filesystem::exists(to() / "plugins"));
  EXPECT_FALSE(std::filesystem::exists(to() / "lock"));
  EXPECT_FALSE(std::filesystem::exists(to() / "secrets/acme/.0123"));
  EXPECT_EQ(std::filesystem::status(to()).permissions(), std::filesystem::perms::owner_all);
  auto env = lmdb::Env::open(to() / "log");
  ASSERT_TRUE(env) << env.error().message();
  auto txn = env->begin_write();
  ASSERT_TRUE(txn);
  const auto table = txn->open_table("entries");
  ASSERT_TRUE(table);
  EXPECT_TRUE(table->contains(*txn, "one").value());
}

TEST_F(BackupTest, is_verified_and_taken_over_once) {
  ASSERT_TRUE(create(data(), to()));
  const auto verified = verify(to());
  ASSERT_TRUE(verified) << verified.error().message();
  EXPECT_EQ(verified->files, 5U);
  ASSERT_TRUE(take_over(to()));
  EXPECT_EQ(verify(to()).error().code(), ErrorCode::not_found) << "a data folder like any other";
  EXPECT_TRUE(take_over(to()));
}

TEST_F(BackupTest, a_file_that_is_missing_cut_off_or_changed_is_named) {
  ASSERT_TRUE(create(data(), to()));
  std::filesystem::resize_file(to() / "packages/ab/cdef", 1000);
  expect_corrupt("packages/ab/cdef is not what was backed up");
  std::filesystem::remove(to() / "keys/audit.pem");
  expect_corrupt("keys/audit.pem is missing");
  std::ofstream(to() / "backup.sha256") << "nonsense\n";
  expect_corrupt("line 1 is not a digest");
}

TEST_F(BackupTest, one_that_was_cut_off_is_recognised) {
  std::filesystem::create_directories(data() / "zz");
  std::ofstream(data() / "zz/file\nwith a line end") << "x";
  ASSERT_FALSE(create(data(), to()));
  expect_corrupt("was not finished");
}

TEST_F(BackupTest, goes_to_an_empty_folder_outside_of_the_data) {
  std::filesystem::create_directories(to());
  std::ofstream(to() / "mine") << "x";
  EXPECT_EQ(create(data(), to()).error().code(), ErrorCode::conflict);
  EXPECT_EQ(create(data(), data() / "backup").error().code(), ErrorCode::invalid);
  EXPECT_EQ(create(folder_ / "none", to()).error().code(), ErrorCode::invalid);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(to()), {}), 1) << "nothing was written";
}

TEST_F(BackupTest, says_that_it_runs_while_it_runs_and_comes_one_at_a_time) {
  EXPECT_FALSE(is_running(data()));
  bool was_running = false;
  ErrorCode second = ErrorCode::internal;
  const auto made = create(data(), to(), [&](std::string_view, std::uint64_t, std::uint64_t) {
    was_running = is_running(data());
    second = create(data(), folder_ / "second").error().code();
  });
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(was_running);
  EXPECT_EQ(second, ErrorCode::conflict);
  EXPECT_FALSE(is_running(data()));
}

}  // namespace
}  // namespace trv::backup
