// The fake's fault model: each fault does what it says and no more.

#include "events/log/in_memory_event_log.hpp"

#include <gtest/gtest.h>

#include "events/log/log_writer.hpp"

namespace trv::log {
namespace {

using base::ErrorCode;

const ShardId shard(0);

std::uint64_t read_all(EventLog& log) {
  auto reader = log.read(shard, Lsn(1));
  std::uint64_t count = 0;
  while ((*reader)->next(base::Duration::zero())->has_value()) ++count;
  return count;
}

TEST(InMemoryEventLogTest, lost_ownership_makes_what_is_in_flight_void) {
  InMemoryEventLog log;
  LogWriter writer(*log.claim(shard, "node", base::Uuid()));
  const auto ticket = log.append(writer.claim(), writer.batch(2));
  log.lose_ownership(shard);
  EXPECT_EQ(log.settle(*ticket)->outcome, Outcome::lost);
  EXPECT_EQ(read_all(log), 0);
  EXPECT_EQ(log.claim(shard, "node", base::Uuid())->epoch, Epoch(3));
}

TEST(InMemoryEventLogTest, a_failed_settle_leaves_nothing_and_the_claim_goes_on) {
  InMemoryEventLog log;
  LogWriter writer(*log.claim(shard, "node", base::Uuid()));
  log.fail_next_settle(shard, base::Error(ErrorCode::exhausted, "no room"));
  const auto first = log.append(writer.claim(), writer.batch(2));
  const auto second = log.append(writer.claim(), writer.batch(1));
  EXPECT_EQ(log.settle(*first).error().code(), ErrorCode::exhausted);
  EXPECT_EQ(log.settle(*second).error().code(), ErrorCode::cancelled);
  EXPECT_EQ(read_all(log), 0);
  LogWriter again(writer.claim());
  EXPECT_EQ(log.settle(*log.append(again.claim(), again.batch(1)))->outcome, Outcome::appended);
}

TEST(InMemoryEventLogTest, a_torn_batch_leaves_its_beginning) {
  InMemoryEventLog log;
  LogWriter writer(*log.claim(shard, "node", base::Uuid()));
  log.tear_next_settle(shard, 2);
  EXPECT_EQ(log.settle(*log.append(writer.claim(), writer.batch(5))).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(read_all(log), 2);
  EXPECT_EQ(log.claim(shard, "node", base::Uuid())->next, Lsn(3));
}

TEST(InMemoryEventLogTest, a_batch_that_is_stored_twice_counts_once) {
  InMemoryEventLog log;
  LogWriter writer(*log.claim(shard, "node", base::Uuid()));
  log.repeat_next_settle(shard);
  EXPECT_EQ(log.settle(*log.append(writer.claim(), writer.batch(2)))->last, Lsn(2));
  EXPECT_EQ(log.settle(*log.append(writer.claim(), writer.batch(1)))->last, Lsn(3));
  EXPECT_EQ(log.entries(shard).size(), 6) << "a claim, two records twice, and one";
  EXPECT_EQ(read_all(log), 3);
}

TEST(InMemoryEventLogTest, a_batch_that_is_torn_anywhere_leaves_whole_decisions) {
  for (std::size_t lands = 0; lands <= 6; ++lands) {
    InMemoryEventLog log;
    LogWriter writer(*log.claim(shard, "node", base::Uuid()));
    // Decisions of 2 and 4 records.
    Batch batch = writer.batch(2, 64, Ends::last);
    const Batch four = writer.batch(4, 64, Ends::last);
    for (std::size_t i = 0; i < four.size(); ++i) batch.add(*record::RecordView::over(four.at(i)));
    EXPECT_EQ(batch.decided(), 6);
    log.tear_next_settle(shard, lands);
    EXPECT_EQ(log.settle(*log.append(writer.claim(), std::move(batch))).error().code(), ErrorCode::unavailable);
    const std::uint64_t whole = lands < 2 ? 0 : lands < 6 ? 2 : 6;
    EXPECT_EQ(read_all(log), whole) << lands;
    EXPECT_EQ(log.bounds(shard)->last, Lsn(whole)) << lands;
    EXPECT_EQ(log.entries(shard).size(), lands + 1);
    EXPECT_EQ(log.claim(shard, "node", base::Uuid())->next, Lsn(whole + 1)) << lands;
  }
}

TEST(InMemoryEventLogTest, a_right_hint_saves_the_way_from_the_beginning) {
  InMemoryEventLog log;
  LogWriter writer(*log.claim(shard, "node", base::Uuid()));
  const auto settled = log.settle(*log.append(writer.claim(), writer.batch(1000)));
  ASSERT_TRUE(log.settle(*log.append(writer.claim(), writer.batch(1))));
  const auto read_with = [&](const EnginePosition& hint) {
    const std::uint64_t before = log.entries_read();
    EXPECT_EQ((*(*log.read(shard, Lsn(1001), hint))->next(base::Duration::zero()))->lsn, Lsn(1001));
    return log.entries_read() - before;
  };
  EXPECT_EQ(read_with(settled->position), 2U);
  EXPECT_EQ(read_with({}), 1002U);
}

TEST(InMemoryEventLogTest, a_delayed_settle_takes_at_least_that_long) {
  InMemoryEventLog log;
  LogWriter writer(*log.claim(shard, "node", base::Uuid()));
  log.delay_settle(std::chrono::milliseconds(20));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(log.settle(*log.append(writer.claim(), writer.batch(1))));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
  EXPECT_EQ(log.settle_count(), 1);
}

}  // namespace
}  // namespace trv::log
