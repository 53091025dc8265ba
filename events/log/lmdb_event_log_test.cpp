// What the embedded log promises beyond the suite.

#include "events/log/lmdb_event_log.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "events/log/lmdb_rows.hpp"
#include "events/log/log_writer.hpp"
#include "events/record/chain.hpp"
#include "events/record/entry.hpp"

namespace trv::log {
namespace {

using base::ErrorCode;

const ShardId shard(3);

class LmdbEventLogTest : public testing::Test {
 protected:
  LmdbEventLogTest() : folder_(std::filesystem::path(testing::TempDir()) / fmt::format("lmdb_log_{}", ::getpid())) {
    std::filesystem::remove_all(folder_);
  }
  ~LmdbEventLogTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<LmdbEventLog> open(const LmdbEventLogOptions& options = {}) {
    auto log = LmdbEventLog::open(folder_, options);
    EXPECT_TRUE(log.has_value()) << log.error().message();
    return std::move(*log);
  }
  static LogWriter claimed(EventLog& log, ShardId of = shard) {
    auto claim = log.claim(of, "node", base::Uuid());
    EXPECT_TRUE(claim.has_value());
    return LogWriter(*claim);
  }
  static base::Result<Settled> settle(EventLog& log, LogWriter& writer, std::size_t count, std::size_t payload_bytes) {
    TRV_TRY_ASSIGN(const Ticket ticket, log.append(writer.claim(), writer.batch(count, payload_bytes)));
    return log.settle(ticket);
  }
  static std::uint64_t read_all(EventLog& log, ShardId of = shard) {
    auto reader = log.read(of, Lsn(1));
    std::uint64_t count = 0;
    while (true) {
      const auto stored = (*reader)->next(base::Duration::zero());
      EXPECT_TRUE(stored.has_value()) << stored.error().message();
      if (!stored.has_value() || !stored->has_value()) return count;
      EXPECT_EQ((*stored)->lsn, Lsn(++count));
    }
  }

  std::filesystem::path folder_;
};

TEST_F(LmdbEventLogTest, a_full_log_says_so_and_goes_on) {
  const auto log = open({.map_bytes = 2 << 20});
  LogWriter writer = claimed(*log);
  std::uint64_t acknowledged = 0;
  base::Error error(ErrorCode::internal, "");
  for (int i = 0; i < 100 && error.code() == ErrorCode::internal; ++i) {
    if (const auto settled = settle(*log, writer, 4, 50'000); settled) {
      acknowledged = settled->last.value();
    } else {
      error = settled.error();
    }
  }
  ASSERT_EQ(error.code(), ErrorCode::exhausted) << error.message();
  EXPECT_NE(error.message().find("2097152"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find(folder_.string()), std::string::npos) << error.message();
  EXPECT_GT(acknowledged, 0);
  EXPECT_EQ(read_all(*log), acknowledged);

  // The same claim goes on with what is smaller.
  const Claim again{
      .shard = shard, .epoch = writer.claim().epoch, .nonce = {}, .next = Lsn(acknowledged + 1), .last_hash = {}};
  LogWriter small(again);
  const auto settled = settle(*log, small, 1, 16);
  ASSERT_TRUE(settled) << settled.error().message();
  EXPECT_EQ(settled->last, Lsn(acknowledged + 1));
}

TEST_F(LmdbEventLogTest, a_batch_without_room_costs_other_shards_nothing) {
  const auto log = open({.map_bytes = 2 << 20});
  LogWriter large = claimed(*log, ShardId(1));
  LogWriter small = claimed(*log, ShardId(2));
  const auto too_much = log->append(large.claim(), large.batch(10, 500'000));
  const auto behind_it = log->append(large.claim(), large.batch(1));
  const auto fits = log->append(small.claim(), small.batch(1));
  EXPECT_EQ(log->settle(*fits)->outcome, Outcome::appended);
  EXPECT_EQ(log->settle(*too_much).error().code(), ErrorCode::exhausted);
  EXPECT_EQ(log->settle(*behind_it).error().code(), ErrorCode::cancelled);
  EXPECT_EQ(read_all(*log, ShardId(1)), 0);
  EXPECT_EQ(read_all(*log, ShardId(2)), 1);
}

TEST_F(LmdbEventLogTest, of_two_processes_the_older_claim_is_lost) {
  int to_child[2];
  int to_parent[2];
  ASSERT_EQ(::pipe(to_child), 0);
  ASSERT_EQ(::pipe(to_parent), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    const auto log = open();
    LogWriter writer = claimed(*log);
    bool as_promised = settle(*log, writer, 2, 64)->outcome == Outcome::appended;
    as_promised = ::write(to_parent[1], "c", 1) == 1 && ::read(to_child[0], &byte, 1) == 1 && as_promised;
    as_promised = settle(*log, writer, 1, 64)->outcome == Outcome::lost && as_promised;
    as_promised = read_all(*log) == 5 && as_promised;
    ::_exit(as_promised ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(::read(to_parent[0], &byte, 1), 1);
  {
    const auto log = open();
    auto following = log->read(shard, Lsn(3));
    LogWriter writer = claimed(*log);
    EXPECT_EQ(writer.claim().next, Lsn(3));
    EXPECT_EQ(settle(*log, writer, 3, 64)->outcome, Outcome::appended);
    ASSERT_EQ(::write(to_child[1], "g", 1), 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_EQ(read_all(*log), 5);
    EXPECT_EQ((*(*following)->next(std::chrono::seconds(5)))->lsn, Lsn(3));
  }
  for (const int end : {to_child[0], to_child[1], to_parent[0], to_parent[1]}) ::close(end);
}

TEST_F(LmdbEventLogTest, a_follower_sees_what_another_process_appends) {
  const auto log = open();
  auto reader = log->read(shard, Lsn(1));
  const pid_t child = ::fork();
  if (child == 0) {
    // The environment that it inherited is not for this process.
    const auto own = open();
    LogWriter writer = claimed(*own);
    ::_exit(settle(*own, writer, 1, 64)->outcome == Outcome::appended ? 0 : 1);
  }
  const auto stored = (*reader)->next(std::chrono::seconds(20));
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ASSERT_TRUE(stored.has_value() && stored->has_value());
  EXPECT_EQ((*stored)->lsn, Lsn(1));
}

// TRV_WRITE_GOLDEN=1 writes the file where it is missing; what was released is never written again.
TEST_F(LmdbEventLogTest, a_log_of_every_release_before_opens_and_goes_on) {
  const std::filesystem::path golden = std::filesystem::path(TRV_SOURCE_DIR) / "tests/golden/embedded_log/data.mdb";
  if (!std::filesystem::exists(golden) && std::getenv("TRV_WRITE_GOLDEN") != nullptr) {
    {
      const auto log = open();
      LogWriter first = claimed(*log);
      ASSERT_TRUE(settle(*log, first, 2, 24));
      ASSERT_TRUE(log->settle(*log->append(first.claim(), first.batch(2, 24, Ends::none))));
      claimed(*log);
      LogWriter second = claimed(*log);
      ASSERT_TRUE(settle(*log, second, 1, 24));
    }
    std::filesystem::create_directories(golden.parent_path());
    std::filesystem::copy_file(folder_ / "data.mdb", golden);
    std::filesystem::remove_all(folder_);
  }
  ASSERT_TRUE(std::filesystem::exists(golden)) << golden;
  std::filesystem::create_directories(folder_);
  std::filesystem::copy_file(golden, folder_ / "data.mdb");
  const auto log = open();
  EXPECT_EQ(read_all(*log), 3);
  LogWriter writer = claimed(*log);
  EXPECT_EQ(writer.claim().epoch, Epoch(4));
  ASSERT_TRUE(settle(*log, writer, 1, 24));
  auto reader = log->read(shard, Lsn(1));
  record::ChainVerifier chain(shard);
  for (int i = 0; i < 4; ++i) {
    const auto stored = (*reader)->next(base::Duration::zero());
    ASSERT_TRUE(stored.has_value() && stored->has_value());
    EXPECT_TRUE(chain.accept(*record::RecordView::over((*stored)->bytes)));
  }
}

// Void records do not come to exist here, so this plants them: the reader's rule must not depend on that.
TEST_F(LmdbEventLogTest, a_reader_skips_planted_void_records_and_stops_at_damage) {
  base::Digest last{};
  record::RecordEncoder encoder;
  const auto plant = [&](std::uint64_t position, std::uint64_t epoch, std::uint64_t lsn) {
    auto env = lmdb::Env::open(folder_);
    auto txn = env->begin_write();
    const auto entries = txn->open_table(fmt::format("entries.{}", shard.value()), lmdb::Keys::integer);
    const auto record = encoder.encode(record::example_draft(lsn),
                                       {.shard = shard, .lsn = Lsn(lsn), .epoch = Epoch(epoch), .prev_hash = last});
    ASSERT_TRUE(entries->append(*txn, position, record->stored()));
    ASSERT_TRUE(txn->commit());
  };
  {
    const auto log = open();
    LogWriter writer = claimed(*log);
    ASSERT_TRUE(settle(*log, writer, 2, 64));
    claimed(*log);
  }
  // Positions: claim 1, records 2 and 3, claim 4.
  plant(5, 1, 3);
  plant(6, 2, 3);
  {
    const auto log = open();
    EXPECT_EQ(read_all(*log), 3);
    EXPECT_EQ((*(*log->read(shard, Lsn(3)).value()).next(base::Duration::zero()))->lsn, Lsn(3));
  }
  plant(7, 2, 5);
  const auto log = open();
  auto reader = log->read(shard, Lsn(3));
  ASSERT_TRUE((*reader)->next(base::Duration::zero()));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ((*reader)->next(base::Duration::zero()).error().code(), ErrorCode::corrupt) << "and stays there";
  }
}

}  // namespace
}  // namespace trv::log
