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
