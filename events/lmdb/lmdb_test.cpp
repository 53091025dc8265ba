#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/lmdb/folder_lock.hpp"
#include "events/lmdb/table.hpp"

namespace {

std::mutex synced_mutex;
std::vector<std::string> synced_paths;

}  // namespace

// Takes the place of the C library's: notes what was synced.
extern "C" int fsync(int descriptor) {
  {
    const std::lock_guard lock(synced_mutex);
    std::error_code error;
    synced_paths.push_back(std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", descriptor), error));
  }
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace trv::lmdb {
namespace {

using base::as_bytes;
using base::as_text;
using base::BytesView;
using base::ErrorCode;
using base::Result;

class LmdbTest : public testing::Test {
 protected:
  LmdbTest() : folder_(std::filesystem::path(testing::TempDir()) / fmt::format("lmdb_test_{}", ::getpid())) {
    std::filesystem::remove_all(folder_);
  }
  ~LmdbTest() override { std::filesystem::remove_all(folder_); }

  Env open(const EnvOptions& options = {.sync = Sync::none}) {
    auto env = Env::open(folder_ / "env", options);
    EXPECT_TRUE(env.has_value()) << env.error().message();
    return std::move(*env);
  }
  static Table make_table(Env& env, std::string_view name, Keys keys = Keys::bytes) {
    auto txn = env.begin_write();
    const auto table = txn->create_table(name, keys);
    EXPECT_TRUE(table.has_value() && txn->commit().has_value());
    return *table;
  }
  static void put(Env& env, const Table& table, std::vector<std::string> keys) {
    auto txn = env.begin_write();
    for (const std::string& key : keys) ASSERT_TRUE(table.put(*txn, key, as_bytes("value of " + key)));
    ASSERT_TRUE(txn->commit());
  }
  static std::vector<std::string> scanned(Env& env, const Table& table, std::string_view prefix, std::string_view from,
                                          Direction direction, std::size_t limit = 100) {
    auto txn = env.begin_read();
    std::vector<std::string> keys;
    EXPECT_TRUE(
        scan(*txn, table, as_bytes(prefix), as_bytes(from), direction, [&](BytesView key, BytesView) -> Result<Visit> {
          keys.emplace_back(as_text(key));
          return keys.size() < limit ? Visit::go_on : Visit::stop;
        }));
    return keys;
  }

  std::filesystem::path folder_;
};

using Strings = std::vector<std::string>;

TEST_F(LmdbTest, what_was_committed_is_there_after_reopening) {
  {
    Env env = open({.sync = Sync::full});
    put(env, make_table(env, "t"), {"a"});
  }
  Env env = open();
  auto txn = env.begin_read();
  const auto table = txn->open_table("t");
  ASSERT_TRUE(table);
  EXPECT_EQ(as_text(**table->get(*txn, "a")), "value of a");
  EXPECT_FALSE(table->get(*txn, "b")->has_value());
  EXPECT_EQ(*txn->table_names(), Strings{"t"});
}

TEST_F(LmdbTest, what_was_not_committed_never_happened) {
  Env env = open();
  const Table table = make_table(env, "t");
  {
    auto txn = env.begin_write();
    ASSERT_TRUE(table.put(*txn, "a", as_bytes("1")));
  }
  {
    auto txn = env.begin_write();
    ASSERT_TRUE(table.put(*txn, "b", as_bytes("1")));
    txn->abort();
  }
  auto txn = env.begin_read();
  EXPECT_EQ(*table.count(*txn), 0);
}

TEST_F(LmdbTest, a_reader_keeps_its_view_while_others_write) {
  Env env = open();
  const Table table = make_table(env, "t");
  put(env, table, {"a"});
  auto before = env.begin_read();
  put(env, table, {"b"});
  EXPECT_EQ(*table.count(*before), 1);
  auto after = env.begin_read();
  EXPECT_EQ(*table.count(*after), 2);
}

TEST_F(LmdbTest, a_reader_may_move_to_another_thread) {
  Env env = open();
  const Table table = make_table(env, "t");
  put(env, table, {"a"});
  auto txn = env.begin_read();
  auto second = env.begin_read();  // two in one thread
  ASSERT_TRUE(second);
  std::thread([&, moved = std::move(*txn)] { EXPECT_EQ(*table.count(moved), 1); }).join();
}

TEST_F(LmdbTest, a_key_is_refused_when_empty_or_over_511_bytes) {
  Env env = open();
  const Table table = make_table(env, "t");
  auto txn = env.begin_write();
  EXPECT_EQ(table.put(*txn, "", as_bytes("v")).error().code(), ErrorCode::invalid);
  EXPECT_EQ(table.put(*txn, std::string(512, 'k'), as_bytes("v")).error().code(), ErrorCode::invalid);
  EXPECT_TRUE(table.put(*txn, std::string(511, 'k'), as_bytes("v")));
}

TEST_F(LmdbTest, put_new_and_append_never_replace) {
  Env env = open();
  const Table table = make_table(env, "t");
  auto txn = env.begin_write();
  EXPECT_TRUE(*table.put_new(*txn, "b", as_bytes("1")));
  EXPECT_FALSE(*table.put_new(*txn, "b", as_bytes("2")));
  EXPECT_EQ(as_text(**table.get(*txn, "b")), "1");
  EXPECT_EQ(table.append(*txn, "a", as_bytes("1")).error().code(), ErrorCode::conflict);
  EXPECT_TRUE(table.append(*txn, "c", as_bytes("")));
  EXPECT_TRUE(*table.erase(*txn, "b"));
  EXPECT_FALSE(*table.erase(*txn, "b"));
  auto space = table.put_reserved(*txn, "d", 3);
  ASSERT_TRUE(space);
  std::ranges::copy(as_bytes("xyz"), space->begin());
  EXPECT_EQ(as_text(table.last(*txn)->value().value), "xyz");
  EXPECT_EQ(as_text(table.first(*txn)->value().key), "c");
  EXPECT_TRUE(table.clear(*txn));
  EXPECT_EQ(*table.count(*txn), 0);
}

TEST_F(LmdbTest, numbers_sort_as_numbers) {
  Env env = open();
  const Table table = make_table(env, "n", Keys::integer);
  auto txn = env.begin_write();
  for (const std::uint64_t number : {300ull, 2ull, 70000ull}) ASSERT_TRUE(table.put(*txn, number, {}));
  EXPECT_EQ(number_of(table.first(*txn)->value().key), 2);
  EXPECT_EQ(number_of(table.last(*txn)->value().key), 70000);
  auto cursor = Cursor::open(*txn, table);
  EXPECT_EQ(number_of(cursor->seek(std::uint64_t{3})->value().key), 300);
  EXPECT_EQ(number_of(cursor->seek_back(std::uint64_t{299})->value().key), 2);
  EXPECT_FALSE(cursor->seek_back(std::uint64_t{1})->has_value());
  EXPECT_FALSE(cursor->seek(std::uint64_t{70001})->has_value());
}

TEST_F(LmdbTest, a_table_of_another_kind_is_a_conflict) {
  Env env = open();
  make_table(env, "n", Keys::integer);
  auto txn = env.begin_write();
  EXPECT_EQ(txn->open_table("n").error().code(), ErrorCode::conflict);
  EXPECT_EQ(txn->open_table("absent").error().code(), ErrorCode::not_found);
}

TEST_F(LmdbTest, a_scan_stays_inside_its_prefix_in_both_directions) {
  Env env = open();
  const Table table = make_table(env, "t");
  put(env, table, {"a", "b", "b1", "b2", "b3", "c", std::string("b\xff"), std::string("\xff\xff")});
  const std::string high = "b\xff";
  EXPECT_EQ(scanned(env, table, "b", "", Direction::forward), (Strings{"b", "b1", "b2", "b3", high}));
  EXPECT_EQ(scanned(env, table, "b", "", Direction::backward), (Strings{high, "b3", "b2", "b1", "b"}));
  EXPECT_EQ(scanned(env, table, "b", "b2", Direction::forward), (Strings{"b2", "b3", high}));
  EXPECT_EQ(scanned(env, table, "b", "b2", Direction::backward), (Strings{"b2", "b1", "b"}));
  EXPECT_EQ(scanned(env, table, "b", "b25", Direction::backward), (Strings{"b2", "b1", "b"}));
  EXPECT_EQ(scanned(env, table, "b", "a", Direction::forward, 1), Strings{"b"});
  EXPECT_EQ(scanned(env, table, "b", "zz", Direction::backward, 1), Strings{high});
  EXPECT_EQ(scanned(env, table, "b", "a", Direction::backward), Strings{});
  EXPECT_EQ(scanned(env, table, "\xff", "", Direction::backward), Strings{"\xff\xff"});
  EXPECT_EQ(scanned(env, table, "x", "", Direction::forward), Strings{});
  EXPECT_EQ(scanned(env, table, "", "", Direction::forward, 2), (Strings{"a", "b"}));
  EXPECT_EQ(scanned(env, table, "", "", Direction::backward, 2), (Strings{"\xff\xff", "c"}));
}

TEST_F(LmdbTest, a_cursor_erases_what_it_is_at) {
  Env env = open();
  const Table table = make_table(env, "t");
  put(env, table, {"a", "b", "c"});
  auto txn = env.begin_write();
  {
    auto cursor = Cursor::open(*txn, table);
    ASSERT_TRUE(cursor->seek("b")->has_value());
    ASSERT_TRUE(cursor->erase());
    EXPECT_EQ(as_text(cursor->next()->value().key), "c");
  }
  EXPECT_FALSE(*table.contains(*txn, "b"));
}

TEST_F(LmdbTest, a_full_map_is_reported_and_survived) {
  Env env = open({.map_bytes = 1 << 18, .sync = Sync::none});
  const Table table = make_table(env, "t");
  const base::Bytes large(16 << 10, 'x');
  base::Error error(ErrorCode::internal, "");
  {
    auto txn = env.begin_write();
    for (std::uint64_t i = 0; i < 100; ++i) {
      if (auto status = table.put(*txn, std::to_string(i), large); !status) {
        error = status.error();
        break;
      }
    }
    EXPECT_EQ(txn->commit().error().code(), ErrorCode::internal) << "only abort is left";
  }
  EXPECT_EQ(error.code(), ErrorCode::exhausted);
  EXPECT_NE(error.message().find("262144"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find(folder_.string()), std::string::npos) << error.message();
  put(env, table, {"small"});
  EXPECT_EQ(env.stats()->map_bytes, 1 << 18);
  EXPECT_GT(env.stats()->used_bytes, 0);
}

TEST_F(LmdbTest, a_copy_is_whole_and_never_overwrites) {
  Env env = open();
  put(env, make_table(env, "t"), {"a"});
  ASSERT_TRUE(env.copy_to(folder_ / "copy"));
  EXPECT_EQ(env.copy_to(folder_ / "copy").error().code(), ErrorCode::conflict);
  auto copy = Env::open(folder_ / "copy", {.access = Access::read_only});
  ASSERT_TRUE(copy) << copy.error().message();
  auto txn = copy->begin_read();
  EXPECT_TRUE(*txn->open_table("t")->contains(*txn, "a"));
}

TEST_F(LmdbTest, what_is_no_environment_is_an_error_not_a_crash) {
  std::filesystem::create_directories(folder_ / "env");
  FILE* file = std::fopen((folder_ / "env" / "data.mdb").c_str(), "w");
  std::fputs(std::string(10000, 'z').c_str(), file);
  std::fclose(file);
  EXPECT_EQ(Env::open(folder_ / "env").error().code(), ErrorCode::corrupt);
  EXPECT_EQ(Env::open("/proc/nowhere").error().code(), ErrorCode::unavailable);
  EXPECT_EQ(Env::open(folder_ / "absent", {.access = Access::read_only}).error().code(), ErrorCode::unavailable);
}

TEST_F(LmdbTest, a_file_that_was_cut_off_is_refused_and_left_as_it_is) {
  {
    Env env = open();
    const Table table = make_table(env, "t");
    std::vector<std::string> keys;
    for (int i = 0; i < 5'000; ++i) keys.push_back(fmt::format("key-{:08}", i));
    put(env, table, keys);
  }
  const std::filesystem::path file = folder_ / "env" / "data.mdb";
  const std::uintmax_t whole = std::filesystem::file_size(file);
  for (const std::uintmax_t bytes : {whole - 1, whole - 4096, whole / 2, std::uintmax_t{8192}}) {
    std::filesystem::resize_file(file, bytes);
    const auto opened = Env::open(folder_ / "env", {});
    ASSERT_FALSE(opened.has_value()) << bytes;
    EXPECT_EQ(opened.error().code(), ErrorCode::corrupt);
    for (const std::string& part : {file.string(), std::to_string(bytes), std::string("backup")}) {
      EXPECT_NE(opened.error().message().find(part), std::string::npos) << opened.error().message();
    }
    EXPECT_EQ(std::filesystem::file_size(file), bytes);
  }
}

TEST_F(LmdbTest, a_file_whose_last_pages_were_never_written_is_whole) {
  Env env = open();
  const Table table = make_table(env, "t");
  {
    auto txn = env.begin_write();
    const std::string large(100'000, 'x');
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(table.put(*txn, fmt::format("k{}", i), as_bytes(large)));
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(table.erase(*txn, fmt::format("k{}", i)));
    ASSERT_TRUE(txn->commit());
  }
  const std::filesystem::path copy = folder_ / "copy";
  std::filesystem::copy(folder_ / "env", copy);
  auto opened = Env::open(copy, {.sync = Sync::none});
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_TRUE(scanned(*opened, make_table(*opened, "t"), "", "", Direction::forward).empty());
}

TEST_F(LmdbTest, one_daemon_holds_a_data_folder_until_it_dies) {
  {
    auto lock = FolderLock::acquire(folder_);
    ASSERT_TRUE(lock);
    const auto second = FolderLock::acquire(folder_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), ErrorCode::conflict);
    EXPECT_NE(second.error().message().find("in use by another daemon"), std::string::npos);
  }
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FolderLock::acquire(folder_);
    const char answer = lock ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_FALSE(FolderLock::acquire(folder_));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(FolderLock::acquire(folder_));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(LmdbTest, the_names_of_a_new_environment_and_of_its_folders_are_durable) {
  std::filesystem::create_directories(folder_);
  const std::filesystem::path env = folder_ / "data" / "log";
  const auto synced = [&](const std::filesystem::path& path) {
    return std::ranges::count(synced_paths, std::filesystem::canonical(path).string());
  };
  synced_paths.clear();
  ASSERT_TRUE(Env::open(env));
  EXPECT_EQ(synced(env), 1) << "the file's name";
  EXPECT_EQ(synced(folder_ / "data"), 1) << "its folder's name";
  EXPECT_EQ(synced(folder_), 1) << "and that of the folder above";
  synced_paths.clear();
  ASSERT_TRUE(Env::open(env));
  EXPECT_EQ(synced(env), 0) << "they are there";
}

/// Bytes of files and shared memory that this process has in its memory.
std::uint64_t resident_file_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;
  statm >> size >> resident >> shared;
  return shared * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(LmdbTest, released_pages_leave_the_memory_of_the_process_and_come_back) {
  Env env = open();
  const Table table = make_table(env, "t", Keys::integer);
  constexpr std::uint64_t values = 48;
  const std::string megabyte(1 << 20, 'x');
  for (std::uint64_t i = 0; i < values; ++i) {
    auto txn = *env.begin_write();
    ASSERT_TRUE(table.put(txn, i, as_bytes(megabyte)));
    ASSERT_TRUE(txn.commit());
  }
  const auto read_all = [&] {
    const auto txn = *env.begin_read();
    for (std::uint64_t i = 0; i < values; ++i) EXPECT_EQ(as_text(**table.get(txn, i)), megabyte);
  };
  read_all();
  const std::uint64_t before = resident_file_bytes();
  env.release_pages();
  EXPECT_LT(resident_file_bytes() + (std::uint64_t{32} << 20), before);
  read_all();
}

}  // namespace
}  // namespace trv::lmdb
