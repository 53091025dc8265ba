#pragma once
// What every event log promises, as tests. An implementation provides an EventLogWorld and instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Lmdb, EventLogSuite, testing::Values(EventLogWorldMaker{[] { … }}));

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "events/log/event_log.hpp"
#include "events/log/log_writer.hpp"
#include "events/record/chain.hpp"
#include "events/record/record.hpp"
#include "sdk/base/clock.hpp"

namespace trv::log {

/// One log with two ways in. Each test gets a new one.
class EventLogWorld {
 public:
  virtual ~EventLogWorld() = default;
  virtual EventLog& owner() = 0;
  /// As another node sees the same log; may be the same object.
  virtual EventLog& rival() = 0;
  /// Ends both and opens them again. False where the log lives in memory only.
  virtual bool reopen() = 0;
  /// A shard that nobody has claimed yet; `index` tells several of one test apart.
  virtual ShardId shard(std::uint32_t index) { return ShardId(index); }
};
using EventLogWorldMaker = std::function<std::unique_ptr<EventLogWorld>()>;

class EventLogSuite : public testing::TestWithParam<EventLogWorldMaker> {
 protected:
  EventLogSuite() : world_(GetParam()()) {}

  EventLog& owner() { return world_->owner(); }
  EventLog& rival() { return world_->rival(); }
  ShardId shard(std::uint32_t index = 0) { return world_->shard(index); }

  LogWriter claimed(EventLog& log, ShardId shard) {
    std::array<std::uint8_t, 16> nonce{};
    nonce[0] = ++nonces_;
    auto claim = log.claim(shard, "node-" + std::to_string(nonces_), base::Uuid(nonce));
    EXPECT_TRUE(claim.has_value()) << claim.error().message();
    return LogWriter(*claim);
  }
  static Settled settled(EventLog& log, LogWriter& writer, std::size_t count, std::size_t payload_bytes = 64,
                         Ends ends = Ends::each) {
    const auto ticket = log.append(writer.claim(), writer.batch(count, payload_bytes, ends));
    EXPECT_TRUE(ticket.has_value()) << ticket.error().message();
    const auto settled = log.settle(*ticket);
    EXPECT_TRUE(settled.has_value()) << settled.error().message();
    return settled.value_or(Settled{});
  }
  /// The lsns that a reader gives from `from` on; verifies the chain.
  static std::vector<std::uint64_t> readable(EventLog& log, ShardId shard, std::uint64_t from = 1) {
    auto reader = log.read(shard, Lsn(from));
    EXPECT_TRUE(reader.has_value());
    record::ChainVerifier chain = record::ChainVerifier::from(shard, Lsn(from));
    std::vector<std::uint64_t> lsns;
    while (true) {
      const auto stored = (*reader)->next(std::chrono::milliseconds(lsns.empty() ? 200 : 20));
      EXPECT_TRUE(stored.has_value()) << stored.error().message();
      if (!stored.has_value() || !stored->has_value()) return lsns;
      const auto record = record::RecordView::over((*stored)->bytes);
      EXPECT_TRUE(record.has_value());
      EXPECT_EQ(record->lsn(), (*stored)->lsn);
      const auto status = chain.accept(*record);
      EXPECT_TRUE(status.has_value()) << status.error().message();
      lsns.push_back(record->lsn().value());
    }
  }
  static std::vector<std::uint64_t> run(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> lsns;
    for (; first <= last; ++first) lsns.push_back(first);
    return lsns;
  }

  std::unique_ptr<EventLogWorld> world_;
  std::uint8_t nonces_ = 0;
};

TEST_P(EventLogSuite, a_shard_without_records_reads_as_empty) {
  EXPECT_EQ(owner().bounds(shard())->last, Lsn(0));
  EXPECT_TRUE(readable(owner(), shard()).empty());
  const LogWriter writer = claimed(owner(), shard());
  EXPECT_EQ(writer.claim().next, Lsn(1));
  EXPECT_EQ(writer.claim().last_hash, base::Digest{});
  EXPECT_EQ(owner().bounds(shard())->first, Lsn(0));
  EXPECT_TRUE(readable(owner(), shard()).empty());
}

TEST_P(EventLogSuite, what_is_settled_is_read_back_byte_for_byte) {
  LogWriter writer = claimed(owner(), shard());
  const Batch batch = writer.batch(5, 1000);
  const auto ticket = owner().append(writer.claim(), batch);
  ASSERT_TRUE(ticket);
  const auto settled = owner().settle(*ticket);
  ASSERT_TRUE(settled);
  EXPECT_EQ(settled->outcome, Outcome::appended);
  EXPECT_EQ(settled->last, Lsn(5));
  auto reader = rival().read(shard(), Lsn(1));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto stored = (*reader)->next(std::chrono::seconds(10));
    ASSERT_TRUE(stored.has_value() && stored->has_value());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*stored)->bytes.data()) % 8, 0);
    EXPECT_EQ(base::to_hex((*stored)->bytes), base::to_hex(batch.at(i)));
  }
  EXPECT_EQ(owner().bounds(shard())->first, Lsn(1));
  EXPECT_EQ(owner().bounds(shard())->last, Lsn(5));
}

TEST_P(EventLogSuite, a_new_claim_continues_lsn_and_chain) {
  for (std::uint64_t round = 0; round < 4; ++round) {
    LogWriter writer = claimed(round % 2 == 0 ? owner() : rival(), shard());
    EXPECT_EQ(writer.claim().epoch, Epoch(round + 1));
    EXPECT_EQ(writer.claim().next, Lsn(round * 3 + 1));
    EXPECT_EQ(settled(round % 2 == 0 ? owner() : rival(), writer, 3).outcome, Outcome::appended);
  }
  EXPECT_EQ(readable(owner(), shard()), run(1, 12));
}

TEST_P(EventLogSuite, a_lost_claim_is_never_acknowledged) {
  LogWriter old = claimed(owner(), shard());
  EXPECT_EQ(settled(owner(), old, 2).outcome, Outcome::appended);
  LogWriter young = claimed(rival(), shard());
  EXPECT_EQ(settled(owner(), old, 1).outcome, Outcome::lost);
  EXPECT_EQ(settled(rival(), young, 1).outcome, Outcome::appended);
  EXPECT_EQ(settled(owner(), old, 1).outcome, Outcome::lost) << "a lost claim stays lost";
  EXPECT_EQ(readable(rival(), shard()), run(1, 3));
  EXPECT_EQ(readable(owner(), shard()), run(1, 3));
}

TEST_P(EventLogSuite, readers_never_see_what_a_lost_claim_wrote) {
  LogWriter old = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), old, 2).outcome, Outcome::appended);
  LogWriter young = claimed(rival(), shard());
  ASSERT_EQ(settled(owner(), old, 3, 10).outcome, Outcome::lost);
  ASSERT_EQ(settled(rival(), young, 2, 99).outcome, Outcome::appended);
  auto reader = owner().read(shard(), Lsn(3));
  for (int i = 0; i < 2; ++i) {
    const auto stored = (*reader)->next(std::chrono::seconds(10));
    ASSERT_TRUE(stored.has_value() && stored->has_value());
    EXPECT_EQ(record::RecordView::over((*stored)->bytes)->epoch(), young.claim().epoch);
  }
}

TEST_P(EventLogSuite, an_append_in_flight_is_lost_or_comes_before_the_claim) {
  LogWriter old = claimed(owner(), shard());
  const auto ticket = owner().append(old.claim(), old.batch(2));
  ASSERT_TRUE(ticket);
  const LogWriter young = claimed(rival(), shard());
  const auto fate = owner().settle(*ticket);
  ASSERT_TRUE(fate) << fate.error().message();
  if (fate->outcome == Outcome::lost) {
    EXPECT_EQ(young.claim().next, Lsn(1));
    EXPECT_TRUE(readable(owner(), shard()).empty());
  } else {
    EXPECT_EQ(young.claim().next, Lsn(3));
    EXPECT_EQ(readable(owner(), shard()), run(1, 2));
  }
}

TEST_P(EventLogSuite, appends_keep_their_order_and_one_settle_covers_those_before) {
  LogWriter writer = claimed(owner(), shard());
  std::vector<Ticket> tickets;
  for (std::size_t i = 1; i <= 4; ++i) {
    const auto ticket = owner().append(writer.claim(), writer.batch(i));
    ASSERT_TRUE(ticket) << ticket.error().message();
    tickets.push_back(*ticket);
  }
  EXPECT_EQ(owner().settle(tickets[3])->last, Lsn(10));
  EXPECT_EQ(readable(owner(), shard()), run(1, 10));
  for (std::size_t i = 0; i < 3; ++i) {
    const auto settled = owner().settle(tickets[i]);
    ASSERT_TRUE(settled);
    EXPECT_EQ(settled->outcome, Outcome::appended);
    EXPECT_EQ(settled->last, Lsn((i + 1) * (i + 2) / 2));
  }
}

TEST_P(EventLogSuite, a_batch_that_does_not_continue_is_refused) {
  LogWriter writer = claimed(owner(), shard());
  [[maybe_unused]] const Batch skipped = writer.batch(1);
  EXPECT_EQ(owner().append(writer.claim(), writer.batch(1)).error().code(), base::ErrorCode::conflict);
  LogWriter other = claimed(owner(), shard(1));
  EXPECT_EQ(owner().append(writer.claim(), other.batch(1)).error().code(), base::ErrorCode::conflict);
  EXPECT_TRUE(readable(owner(), shard()).empty());
}

TEST_P(EventLogSuite, a_reader_starts_at_any_lsn_between_any_claims) {
  std::uint64_t last = 0;
  for (const std::size_t records : {3, 0, 1, 0, 0, 5, 2}) {
    LogWriter writer = claimed(owner(), shard());
    if (records > 0) {
      ASSERT_EQ(settled(owner(), writer, records).outcome, Outcome::appended);
    }
    last += records;
  }
  for (std::uint64_t from = 1; from <= last; ++from) EXPECT_EQ(readable(owner(), shard(), from), run(from, last));
  EXPECT_TRUE(readable(owner(), shard(), last + 1).empty());
}

TEST_P(EventLogSuite, a_reader_at_the_end_follows) {
  LogWriter writer = claimed(owner(), shard());
  auto reader = owner().read(shard(), Lsn(1));
  std::thread late([&] { EXPECT_EQ(settled(owner(), writer, 1).outcome, Outcome::appended); });
  const auto stored = (*reader)->next(std::chrono::seconds(20));
  late.join();
  ASSERT_TRUE(stored.has_value() && stored->has_value());
  EXPECT_EQ((*stored)->lsn, Lsn(1));
  LogWriter next = claimed(rival(), shard());
  ASSERT_EQ(settled(rival(), next, 1).outcome, Outcome::appended);
  EXPECT_EQ((*(*reader)->next(std::chrono::seconds(20)))->lsn, Lsn(2)) << "over a change of owner";
}

TEST_P(EventLogSuite, a_reader_from_beyond_the_end_waits_for_that_lsn) {
  LogWriter writer = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), writer, 2).outcome, Outcome::appended);
  auto reader = owner().read(shard(), Lsn(5));
  EXPECT_FALSE((*reader)->next(base::Duration::zero())->has_value());
  LogWriter next = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), next, 4).outcome, Outcome::appended);
  EXPECT_EQ((*(*reader)->next(std::chrono::seconds(20)))->lsn, Lsn(5));
}

TEST_P(EventLogSuite, a_waiting_reader_can_be_woken) {
  const LogWriter writer = claimed(owner(), shard());
  auto reader = owner().read(shard(), Lsn(1));
  std::thread waker([&] { (*reader)->wake(); });
  const base::SystemClock clock;
  const base::Duration start = clock.monotonic();
  EXPECT_FALSE((*reader)->next(std::chrono::seconds(60))->has_value());
  EXPECT_LT(clock.monotonic() - start, std::chrono::seconds(30));
  waker.join();
}

TEST_P(EventLogSuite, a_waiting_reader_gives_up_in_time) {
  auto reader = owner().read(shard(), Lsn(1));
  const base::SystemClock clock;
  const base::Duration start = clock.monotonic();
  EXPECT_FALSE((*reader)->next(std::chrono::milliseconds(30))->has_value());
  EXPECT_GE(clock.monotonic() - start, std::chrono::milliseconds(30));
}

TEST_P(EventLogSuite, shards_are_apart) {
  LogWriter first = claimed(owner(), shard(0));
  LogWriter second = claimed(owner(), shard(1));
  ASSERT_EQ(settled(owner(), first, 3).outcome, Outcome::appended);
  ASSERT_EQ(settled(owner(), second, 1).outcome, Outcome::appended);
  const LogWriter taken = claimed(rival(), shard(1));
  EXPECT_EQ(settled(owner(), first, 1).outcome, Outcome::appended) << "another shard's claim is not ours";
  EXPECT_EQ(readable(owner(), shard(0)), run(1, 4));
  EXPECT_EQ(readable(owner(), shard(1)), run(1, 1));
}

TEST_P(EventLogSuite, shards_settle_side_by_side) {
  constexpr std::uint32_t shards = 4;
  constexpr int rounds = 20;
  std::vector<LogWriter> writers;
  for (std::uint32_t i = 0; i < shards; ++i) writers.push_back(claimed(owner(), shard(i)));
  std::vector<std::thread> threads;
  for (LogWriter& writer : writers) {
    threads.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) EXPECT_EQ(settled(owner(), writer, 3).outcome, Outcome::appended);
    });
  }
  auto reader = owner().read(shard(0), Lsn(1));
  for (std::uint64_t lsn = 1; lsn <= 3 * rounds; ++lsn) {
    const auto stored = (*reader)->next(std::chrono::seconds(30));
    ASSERT_TRUE(stored.has_value() && stored->has_value());
    EXPECT_EQ((*stored)->lsn, Lsn(lsn));
  }
  for (std::thread& thread : threads) thread.join();
  for (std::uint32_t i = 0; i < shards; ++i) EXPECT_EQ(readable(owner(), shard(i)), run(1, 3 * rounds));
}

TEST_P(EventLogSuite, the_largest_record_fits) {
  LogWriter writer = claimed(owner(), shard());
  EXPECT_EQ(settled(owner(), writer, 2, record::record_bytes_max - 400).outcome, Outcome::appended);
  EXPECT_EQ(readable(owner(), shard()), run(1, 2));
}

TEST_P(EventLogSuite, what_was_acknowledged_survives_reopening) {
  {
    LogWriter writer = claimed(owner(), shard());
    ASSERT_EQ(settled(owner(), writer, 7).outcome, Outcome::appended);
  }
  if (!world_->reopen()) GTEST_SKIP() << "this log lives in memory";
  EXPECT_EQ(readable(owner(), shard()), run(1, 7));
  LogWriter writer = claimed(owner(), shard());
  EXPECT_EQ(writer.claim().epoch, Epoch(2));
  EXPECT_EQ(settled(owner(), writer, 1).outcome, Outcome::appended);
  EXPECT_EQ(readable(owner(), shard()), run(1, 8));
}

TEST_P(EventLogSuite, a_decision_is_held_back_until_its_end_has_come) {
  LogWriter writer = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), writer, 2).outcome, Outcome::appended);
  auto reader = owner().read(shard(), Lsn(2));
  ASSERT_EQ((*(*reader)->next(std::chrono::seconds(10)))->lsn, Lsn(2));
  ASSERT_EQ(settled(owner(), writer, 3, 64, Ends::none).last, Lsn(5));
  EXPECT_FALSE((*reader)->next(std::chrono::milliseconds(20))->has_value());
  EXPECT_EQ(readable(owner(), shard()), run(1, 2));
  EXPECT_TRUE(readable(owner(), shard(), 4).empty());
  EXPECT_EQ(owner().bounds(shard())->last, Lsn(2));
  ASSERT_EQ(settled(owner(), writer, 2, 64, Ends::last).last, Lsn(7));
  for (std::uint64_t lsn = 3; lsn <= 7; ++lsn) {
    const auto stored = (*reader)->next(std::chrono::seconds(10));
    ASSERT_TRUE(stored.has_value() && stored->has_value());
    EXPECT_EQ((*stored)->lsn, Lsn(lsn));
  }
  for (std::uint64_t from = 1; from <= 7; ++from) EXPECT_EQ(readable(rival(), shard(), from), run(from, 7));
  EXPECT_EQ(owner().bounds(shard())->last, Lsn(7));
}

TEST_P(EventLogSuite, a_torn_decision_never_happened) {
  constexpr std::size_t torn_max = 4;
  std::uint64_t last = 0;
  auto following = owner().read(shard(), Lsn(1));
  for (std::size_t torn = 0; torn <= torn_max; ++torn) {
    LogWriter writer = claimed(owner(), shard());
    EXPECT_EQ(writer.claim().next, Lsn(last + 1));
    ASSERT_EQ(settled(owner(), writer, 2, 64, Ends::last).last, Lsn(last + 2));
    last += 2;
    for (std::size_t i = 0; i < torn; ++i) {
      // One by one, as an engine without transactions stores them.
      ASSERT_EQ(settled(owner(), writer, 1, 64, Ends::none).outcome, Outcome::appended);
    }
    EXPECT_EQ(owner().bounds(shard())->last, Lsn(last));
  }
  // Twice in a row with nothing whole between them, then with nothing torn.
  for (const std::size_t torn : {3, 1, 0}) {
    LogWriter writer = claimed(rival(), shard());
    EXPECT_EQ(writer.claim().next, Lsn(last + 1));
    if (torn > 0) {
      ASSERT_EQ(settled(rival(), writer, torn, 99, Ends::none).outcome, Outcome::appended);
    }
  }
  const bool lives_on = world_->reopen();
  LogWriter writer = claimed(rival(), shard());
  ASSERT_EQ(settled(rival(), writer, 3, 10, Ends::last).last, Lsn(last + 3));
  last += 3;
  for (std::uint64_t from = 1; from <= last; ++from) EXPECT_EQ(readable(owner(), shard(), from), run(from, last));
  EXPECT_TRUE(readable(owner(), shard(), last + 1).empty());
  EXPECT_EQ(owner().bounds(shard())->last, Lsn(last));
  for (std::uint64_t lsn = 1; !lives_on && lsn <= last; ++lsn) {
    EXPECT_EQ((*(*following)->next(std::chrono::seconds(10)))->lsn, Lsn(lsn)) << "a reader from before";
  }
}

TEST_P(EventLogSuite, a_reader_that_waits_within_a_torn_decision_goes_on_behind_the_claim) {
  LogWriter old = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), old, 1).outcome, Outcome::appended);
  ASSERT_EQ(settled(owner(), old, 3, 10, Ends::none).outcome, Outcome::appended);
  auto from_start = owner().read(shard(), Lsn(1));
  auto from_within = owner().read(shard(), Lsn(3));
  ASSERT_EQ((*(*from_start)->next(std::chrono::seconds(10)))->lsn, Lsn(1));
  EXPECT_FALSE((*from_start)->next(base::Duration::zero())->has_value());
  EXPECT_FALSE((*from_within)->next(base::Duration::zero())->has_value());
  LogWriter young = claimed(rival(), shard());
  EXPECT_EQ(young.claim().next, Lsn(2));
  ASSERT_EQ(settled(rival(), young, 2, 20, Ends::last).last, Lsn(3));
  for (const std::uint64_t lsn : {2, 3}) {
    const auto stored = (*from_start)->next(std::chrono::seconds(10));
    ASSERT_TRUE(stored.has_value() && stored->has_value());
    EXPECT_EQ((*stored)->lsn, Lsn(lsn));
    EXPECT_EQ(record::RecordView::over((*stored)->bytes)->epoch(), young.claim().epoch);
  }
  const auto third = (*from_within)->next(std::chrono::seconds(10));
  ASSERT_TRUE(third.has_value() && third->has_value());
  EXPECT_EQ((*third)->lsn, Lsn(3));
  EXPECT_EQ(record::RecordView::over((*third)->bytes)->epoch(), young.claim().epoch);
}

TEST_P(EventLogSuite, the_end_of_a_torn_decision_does_not_count_behind_a_claim) {
  LogWriter old = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), old, 2, 64, Ends::none).outcome, Outcome::appended);
  LogWriter young = claimed(rival(), shard());
  ASSERT_EQ(settled(owner(), old, 1, 64, Ends::last).outcome, Outcome::lost);
  EXPECT_TRUE(readable(owner(), shard()).empty());
  ASSERT_EQ(settled(rival(), young, 1).last, Lsn(1));
  EXPECT_EQ(readable(owner(), shard()), run(1, 1));
}

TEST_P(EventLogSuite, a_large_decision_is_read_whole) {
  LogWriter writer = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), writer, 3).outcome, Outcome::appended);
  ASSERT_EQ(settled(owner(), writer, 3'000, 2'000, Ends::last).outcome, Outcome::appended);
  ASSERT_EQ(settled(owner(), writer, 3).outcome, Outcome::appended);
  EXPECT_EQ(readable(owner(), shard()), run(1, 3'006));
}

TEST_P(EventLogSuite, a_decision_over_the_limit_is_damage) {
  LogWriter writer = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), writer, 1).outcome, Outcome::appended);
  const std::size_t records = record::decision_bytes_max / 900'000 + 1;
  ASSERT_EQ(settled(owner(), writer, records, 900'000, Ends::last).outcome, Outcome::appended);
  auto reader = owner().read(shard(), Lsn(1));
  EXPECT_EQ((*(*reader)->next(base::Duration::zero()))->lsn, Lsn(1));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ((*reader)->next(base::Duration::zero()).error().code(), base::ErrorCode::corrupt) << "and stays there";
  }
}

TEST_P(EventLogSuite, readers_and_settle_give_the_same_positions) {
  std::vector<EnginePosition> settled_at;
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    LogWriter writer = claimed(owner(), shard());
    for (const std::size_t records : {1, 3, 2}) {
      settled_at.resize(last);
      last += records;
      settled_at.push_back(settled(owner(), writer, records, 64, Ends::last).position);
      settled_at.resize(last, settled_at.back());
      std::fill(settled_at.end() - static_cast<std::ptrdiff_t>(records), settled_at.end() - 1, EnginePosition());
    }
    ASSERT_EQ(settled(owner(), writer, 2, 64, Ends::none).outcome, Outcome::appended);
  }
  auto reader = owner().read(shard(), Lsn(1));
  std::vector<EnginePosition> read_at;
  for (std::uint64_t lsn = 1; lsn <= last; ++lsn) {
    const auto stored = (*reader)->next(std::chrono::seconds(10));
    ASSERT_TRUE(stored.has_value() && stored->has_value());
    EXPECT_FALSE((*stored)->position.empty());
    EXPECT_EQ(std::ranges::count(read_at, (*stored)->position), 0) << "two records at one position";
    read_at.push_back((*stored)->position);
    if (!settled_at[lsn - 1].empty()) {
      EXPECT_EQ(read_at.back(), settled_at[lsn - 1]) << lsn;
    }
  }
}

TEST_P(EventLogSuite, a_hint_never_changes_what_is_read) {
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    LogWriter writer = claimed(owner(), shard());
    for (const std::size_t records : {2, 3}) last = settled(owner(), writer, records, 64, Ends::last).last.value();
    ASSERT_EQ(settled(owner(), writer, 3, 64, Ends::none).outcome, Outcome::appended);
  }
  std::vector<EnginePosition> hints = {EnginePosition(), EnginePosition(base::Bytes(1, 7)),
                                       EnginePosition(base::Bytes(EnginePosition::bytes_max, 0xff))};
  for (std::uint8_t number = 0; number < 40; ++number) {
    base::Bytes place(8, 0);
    place[0] = number;
    hints.emplace_back(place);
  }
  auto reader = owner().read(shard(), Lsn(1));
  for (std::uint64_t lsn = 1; lsn <= last; ++lsn) {
    hints.push_back((*(*reader)->next(std::chrono::seconds(10)))->position);
  }
  for (const EnginePosition& hint : hints) {
    for (std::uint64_t from = 1; from <= last; ++from) {
      auto hinted = owner().read(shard(), Lsn(from), hint);
      ASSERT_TRUE(hinted.has_value());
      for (std::uint64_t lsn = from; lsn <= last; ++lsn) {
        const auto stored = (*hinted)->next(base::Duration::zero());
        ASSERT_TRUE(stored.has_value() && stored->has_value());
        ASSERT_EQ((*stored)->lsn, Lsn(lsn));
      }
      EXPECT_FALSE((*hinted)->next(base::Duration::zero())->has_value());
    }
    const auto claim = owner().claim(shard(), "node", base::Uuid(), hint);
    ASSERT_TRUE(claim.has_value());
    EXPECT_EQ(claim->next, Lsn(last + 1));
    LogWriter writer(*claim);
    last = settled(owner(), writer, 1).last.value();
  }
  EXPECT_EQ(readable(owner(), shard()), run(1, last));
}

TEST_P(EventLogSuite, trim_forgets_whole_decisions_and_never_the_last) {
  // Decisions of 2, 3, 1 and 4 records with claims, torn decisions and records of a lost claim between them.
  const std::vector<std::uint64_t> begins = {1, 3, 6, 7};
  const auto filled = [&](ShardId of) {
    std::optional<LogWriter> old;
    for (const std::size_t records : {2, 3, 1, 4}) {
      LogWriter writer = claimed(owner(), of);
      if (old) (void)settled(owner(), *old, 2);
      ASSERT_EQ(settled(owner(), writer, records, 64, Ends::last).outcome, Outcome::appended);
      ASSERT_EQ(settled(owner(), writer, 2, 10, Ends::none).outcome, Outcome::appended);
      (void)claimed(rival(), of);
      old = std::move(writer);
    }
  };
  for (std::uint32_t below = 0; below <= 13; ++below) {
    SCOPED_TRACE(below);
    const ShardId of = shard(below);
    filled(of);
    ASSERT_TRUE(owner().trim(of, Lsn(below)));
    std::uint64_t first = 1;
    for (const std::uint64_t begin : begins) first = begin <= below ? begin : first;
    EXPECT_EQ(owner().bounds(of)->first, Lsn(first));
    EXPECT_EQ(owner().bounds(of)->last, Lsn(10));
    for (std::uint64_t from = 1; from <= 10; ++from) {
      if (from < first) {
        EXPECT_EQ(owner().read(of, Lsn(from)).error().code(), base::ErrorCode::not_found);
      } else {
        EXPECT_EQ(readable(owner(), of, from), run(from, 10));
      }
    }
    ASSERT_TRUE(owner().trim(of, Lsn(1))) << "what is gone is gone";
    EXPECT_EQ(owner().bounds(of)->first, Lsn(first));
    LogWriter writer = claimed(rival(), of);
    EXPECT_EQ(writer.claim().next, Lsn(11));
    ASSERT_EQ(settled(rival(), writer, 2, 64, Ends::last).outcome, Outcome::appended);
    EXPECT_EQ(readable(owner(), of, first), run(first, 12));
    ASSERT_TRUE(owner().trim(of, Lsn(100)));
    EXPECT_EQ(readable(owner(), of, 11), run(11, 12));
    EXPECT_EQ(owner().bounds(of)->first, Lsn(11));
  }
  if (!world_->reopen()) return;
  EXPECT_EQ(readable(owner(), shard(5), 11), run(11, 12));
  EXPECT_EQ(owner().read(shard(5), Lsn(10)).error().code(), base::ErrorCode::not_found);
}

TEST_P(EventLogSuite, trim_of_a_shard_without_records_changes_nothing) {
  EXPECT_TRUE(owner().trim(shard(), Lsn(5)));
  LogWriter writer = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), writer, 2, 64, Ends::none).outcome, Outcome::appended);
  EXPECT_TRUE(owner().trim(shard(), Lsn(5)));
  EXPECT_EQ(owner().bounds(shard())->first, Lsn(0));
  ASSERT_EQ(settled(owner(), writer, 1, 64, Ends::last).outcome, Outcome::appended);
  EXPECT_EQ(readable(owner(), shard()), run(1, 3));
}

TEST_P(EventLogSuite, a_reader_that_trim_overtakes_learns_it) {
  LogWriter writer = claimed(owner(), shard());
  ASSERT_EQ(settled(owner(), writer, 9'000, 10).outcome, Outcome::appended);
  auto behind = owner().read(shard(), Lsn(1));
  auto before_the_first = owner().read(shard(), Lsn(1));
  auto ahead = owner().read(shard(), Lsn(8'001));
  EXPECT_EQ((*(*behind)->next(base::Duration::zero()))->lsn, Lsn(1));
  ASSERT_TRUE(owner().trim(shard(), Lsn(8'001)));
  EXPECT_EQ(owner().bounds(shard())->first, Lsn(8'001));
  EXPECT_EQ((*before_the_first)->next(base::Duration::zero()).error().code(), base::ErrorCode::not_found);
  // What it holds already it gives.
  std::uint64_t last = 1;
  base::ErrorCode code = base::ErrorCode::internal;
  while (code == base::ErrorCode::internal && last < 9'000) {
    const auto stored = (*behind)->next(base::Duration::zero());
    if (!stored.has_value()) {
      code = stored.error().code();
    } else {
      ASSERT_TRUE(stored->has_value());
      EXPECT_EQ((*stored)->lsn, Lsn(++last));
    }
  }
  EXPECT_EQ(code, base::ErrorCode::not_found);
  EXPECT_LT(last, 8'001U);
  EXPECT_EQ((*(*ahead)->next(base::Duration::zero()))->lsn, Lsn(8'001));
}

TEST_P(EventLogSuite, a_claim_of_a_certain_epoch_is_for_copies) {
  const auto claim_as = [&](std::uint64_t epoch) {
    return owner().claim_as(shard(), Epoch(epoch), "copy", base::Uuid());
  };
  const auto first = claim_as(3);
  ASSERT_TRUE(first.has_value()) << first.error().message();
  EXPECT_EQ(first->epoch, Epoch(3));
  EXPECT_EQ(first->next, Lsn(1));
  LogWriter writer(*first);
  ASSERT_EQ(settled(owner(), writer, 4, 64, Ends::last).outcome, Outcome::appended);
  ASSERT_EQ(settled(owner(), writer, 2, 64, Ends::none).outcome, Outcome::appended);
  // Behind the decision that has not ended, in a process that knows nothing of the one before.
  world_->reopen();
  const auto again = claim_as(3);
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(again->next, Lsn(7));
  LogWriter goes_on(*again);
  ASSERT_EQ(settled(owner(), goes_on, 1, 64, Ends::last).last, Lsn(7));
  EXPECT_EQ(readable(owner(), shard()), run(1, 7));
  // A later epoch makes void what has no end, as any claim does.
  LogWriter torn(*claim_as(3));
  ASSERT_EQ(settled(owner(), torn, 2, 64, Ends::none).outcome, Outcome::appended);
  const auto later = claim_as(8);
  ASSERT_TRUE(later.has_value()) << later.error().message();
  EXPECT_EQ(later->next, Lsn(8));
  const auto last = owner().read(shard(), Lsn(7));
  EXPECT_EQ(later->last_hash, record::hash_of((*(*last)->next(std::chrono::seconds(10)))->bytes));
  EXPECT_EQ(settled(owner(), torn, 1).outcome, Outcome::lost);
  EXPECT_EQ(claim_as(7).error().code(), base::ErrorCode::conflict);
  EXPECT_EQ(claimed(rival(), shard()).claim().epoch, Epoch(9));
}

TEST_P(EventLogSuite, a_ticket_is_settled_once) {
  LogWriter writer = claimed(owner(), shard());
  const auto ticket = owner().append(writer.claim(), writer.batch(1));
  ASSERT_TRUE(owner().settle(*ticket));
  EXPECT_EQ(owner().settle(*ticket).error().code(), base::ErrorCode::invalid);
}

}  // namespace trv::log
