// Copies between two engines: what they keep, what they refuse, and how they go on after a break.

#include "events/copy/log_copy.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "events/log/forwarding_log.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"

namespace trv::copy {
namespace {

using base::ErrorCode;
using log::Ends;
using log::LogWriter;
using log::Lsn;

constexpr log::ShardId shard{2};

LogWriter claimed(log::EventLog& log) {
  const auto claim = log.claim(shard, "node", base::Uuid());
  EXPECT_TRUE(claim.has_value());
  return LogWriter(*claim);
}

void append(log::EventLog& log, LogWriter& writer, std::size_t count, Ends ends = Ends::last) {
  const auto ticket = log.append(writer.claim(), writer.batch(count, 300, ends));
  ASSERT_TRUE(ticket.has_value()) << ticket.error().message();
  ASSERT_TRUE(log.settle(*ticket).has_value());
}

std::vector<base::Bytes> records_of(log::EventLog& log) {
  std::vector<base::Bytes> records;
  const auto reader = log.read(shard, Lsn(1));
  EXPECT_TRUE(reader.has_value());
  for (auto stored = (*reader)->next(base::Duration::zero()); stored && *stored;
       stored = (*reader)->next(base::Duration::zero())) {
    records.emplace_back((*stored)->bytes.begin(), (*stored)->bytes.end());
  }
  return records;
}

class LogCopyTest : public testing::Test {
 protected:
  LogCopyTest() : folder_(std::filesystem::path(testing::TempDir()) / fmt::format("log_copy_{}", ::getpid())) {
    std::filesystem::remove_all(folder_);
    auto opened = log::LmdbEventLog::open(folder_ / "log");
    EXPECT_TRUE(opened.has_value());
    embedded_ = *std::move(opened);
  }
  ~LogCopyTest() override {
    embedded_.reset();
    std::filesystem::remove_all(folder_);
  }
  /// Several owners, torn decisions between them, and claims under which nothing was written.
  static void fill(log::EventLog& log) {
    for (int round = 0; round < 4; ++round) {
      LogWriter writer = claimed(log);
      for (const std::size_t count : {1, 5'000, 3}) append(log, writer, count);
      append(log, writer, 2, Ends::none);
      (void)claimed(log);
    }
  }
  base::Result<Copied> copy(log::EventLog& from, log::EventLog& to) { return copy_shard(from, to, shard, random_); }

  std::filesystem::path folder_;
  base::SimulatedRandom random_{7};
  log::InMemoryEventLog memory_;
  std::unique_ptr<log::LmdbEventLog> embedded_;
};

TEST_F(LogCopyTest, has_the_same_records_in_both_directions) {
  fill(memory_);
  const auto there = copy(memory_, *embedded_);
  ASSERT_TRUE(there.has_value()) << there.error().message();
  EXPECT_EQ(there->records, 4U * 5'004);
  EXPECT_EQ(there->found, 0U);
  EXPECT_EQ(records_of(*embedded_), records_of(memory_));
  LogWriter goes_on = claimed(*embedded_);
  EXPECT_EQ(goes_on.next(), Lsn(4 * 5'004 + 1));
  append(*embedded_, goes_on, 7);
  log::InMemoryEventLog again;
  const auto back = copy(*embedded_, again);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(back->last_hash, record::hash_of(records_of(*embedded_).back()));
  EXPECT_EQ(records_of(again), records_of(*embedded_));
}

TEST_F(LogCopyTest, of_a_shard_without_records_is_empty) {
  const auto done = copy(memory_, *embedded_);
  ASSERT_TRUE(done.has_value()) << done.error().message();
  EXPECT_EQ(done->records, 0U);
  EXPECT_EQ(embedded_->bounds(shard)->last, Lsn(0));
}

TEST_F(LogCopyTest, goes_on_where_a_break_left_it) {
  fill(memory_);
  const std::vector<base::Bytes> all = records_of(memory_);
  // The break comes behind so many records, within decisions, at their ends and where the epoch changes.
  for (const std::size_t stored : {1, 2, 4'000, 5'001, 5'003, 5'004, 5'005, 9'000, 20'016}) {
    SCOPED_TRACE(stored);
    log::InMemoryEventLog half;
    std::optional<log::Claim> claim;
    for (std::size_t i = 0; i < stored; ++i) {
      const auto record = record::Record::decode(all[i]);
      if (!claim || claim->epoch != (*record)->epoch()) {
        claim = *half.claim_as(shard, (*record)->epoch(), "node", base::Uuid());
      }
      log::Batch batch;
      batch.add(record->view());
      ASSERT_TRUE(half.settle(*half.append(*claim, std::move(batch))).has_value());
    }
    const auto done = copy(memory_, half);
    ASSERT_TRUE(done.has_value()) << done.error().message();
    EXPECT_EQ(done->found, stored);
    EXPECT_EQ(records_of(half), all);
  }
}

TEST_F(LogCopyTest, a_destination_with_other_records_is_refused) {
  fill(memory_);
  LogWriter writer = claimed(*embedded_);
  append(*embedded_, writer, 3);
  const auto done = copy(memory_, *embedded_);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), ErrorCode::conflict);
  EXPECT_NE(done.error().message().find("shard 2 of the destination is not empty"), std::string::npos)
      << done.error().message();
  EXPECT_EQ(records_of(*embedded_).size(), 3U);
  for (int i = 0; i < 5; ++i) append(*embedded_, writer, 5'000);
  EXPECT_NE(copy(memory_, *embedded_).error().message().find("it has 25003 records, the source has 20016"),
            std::string::npos);
}

TEST_F(LogCopyTest, a_destination_whose_claims_are_later_is_refused) {
  fill(memory_);
  for (int i = 0; i < 3; ++i) (void)claimed(*embedded_);
  const auto done = copy(memory_, *embedded_);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), ErrorCode::conflict);
  EXPECT_NE(done.error().message().find("is at epoch 3: a record of epoch 1 cannot follow"), std::string::npos);
}

TEST_F(LogCopyTest, a_source_that_was_trimmed_is_refused) {
  fill(memory_);
  ASSERT_TRUE(memory_.trim(shard, Lsn(5'000)));
  const auto done = copy(memory_, *embedded_);
  ASSERT_FALSE(done.has_value());
  EXPECT_NE(done.error().message().find("begins with record 2"), std::string::npos) << done.error().message();
}

/// Gives the records of another log with one byte of one of them changed.
class DamagedLog final : public log::ForwardingLog {
 public:
  DamagedLog(log::EventLog& real, Lsn damaged) : ForwardingLog(real), damaged_(damaged) {}
  base::Result<log::Claim> claim(log::ShardId id, std::string_view node, const base::Uuid& nonce,
                                 const log::EnginePosition& hint = {}) override {
    if (on_claim) on_claim();
    return ForwardingLog::claim(id, node, nonce, hint);
  }
  base::Result<std::unique_ptr<log::Reader>> read(log::ShardId id, Lsn from,
                                                  const log::EnginePosition& hint = {}) override {
    TRV_TRY_ASSIGN(auto reader, ForwardingLog::read(id, from, hint));
    return std::make_unique<Damages>(std::move(reader), damaged_);
  }

  std::function<void()> on_claim;

 private:
  class Damages final : public log::Reader {
   public:
    Damages(std::unique_ptr<log::Reader> real, Lsn damaged) : real_(std::move(real)), damaged_(damaged) {}
    base::Result<std::optional<log::StoredRecord>> next(base::Duration timeout) override {
      auto stored = real_->next(timeout);
      if (!stored || !*stored || (*stored)->lsn != damaged_) return stored;
      base::Bytes bytes((*stored)->bytes.begin(), (*stored)->bytes.end());
      bytes[bytes.size() - 100] ^= 1;  // of the payload
      copy_ = record::AlignedBytes(bytes);
      (*stored)->bytes = copy_.view(0, bytes.size());
      return stored;
    }
    void wake() noexcept override { real_->wake(); }

   private:
    std::unique_ptr<log::Reader> real_;
    Lsn damaged_;
    record::AlignedBytes copy_;
  };

  Lsn damaged_;
};

TEST_F(LogCopyTest, a_changed_byte_of_the_source_ends_it) {
  fill(memory_);
  for (const std::uint64_t lsn : {1, 4'242, 20'016}) {
    SCOPED_TRACE(lsn);
    DamagedLog damaged(memory_, Lsn(lsn));
    log::InMemoryEventLog to;
    const auto done = copy(damaged, to);
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code(), ErrorCode::corrupt);
    const std::string where = lsn == 20'016 ? "the last record of shard 2, 20016,"
                                            : fmt::format("the chain of shard 2 breaks after lsn {}", lsn);
    EXPECT_NE(done.error().message().find(where), std::string::npos) << done.error().message();
  }
}

TEST_F(LogCopyTest, a_changed_byte_of_the_copy_is_found) {
  fill(memory_);
  for (const std::uint64_t lsn : {1, 4'242, 20'016}) {
    SCOPED_TRACE(lsn);
    log::InMemoryEventLog real;
    DamagedLog to(real, Lsn(lsn));
    const auto done = copy(memory_, to);
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code(), ErrorCode::corrupt);
  }
}

TEST_F(LogCopyTest, an_owner_that_comes_back_meanwhile_is_noticed) {
  fill(memory_);
  DamagedLog source(memory_, Lsn(0));
  int claims = 0;
  source.on_claim = [&] {
    if (++claims != 2) return;
    LogWriter owner = claimed(memory_);
    append(memory_, owner, 1);
  };
  const auto done = copy(source, *embedded_);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), ErrorCode::conflict);
  EXPECT_NE(done.error().message().find("took shard 2 of the source"), std::string::npos);
}

TEST_F(LogCopyTest, a_copy_that_is_not_finished_is_known_by_its_destination) {
  EXPECT_EQ(*unfinished_copy(folder_), "");
  ASSERT_TRUE(begin_copy(folder_, "Kafka at h:1, topic t"));
  EXPECT_EQ(*unfinished_copy(folder_), "Kafka at h:1, topic t");
  ASSERT_TRUE(end_copy(folder_));
  EXPECT_EQ(*unfinished_copy(folder_), "");
  EXPECT_EQ(end_copy(folder_).error().code(), ErrorCode::unavailable) << "there is none";
}

}  // namespace
}  // namespace trv::copy
