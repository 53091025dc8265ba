// The end of a partition is found from its tail: nothing of what lies far before it is read.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/producer.hpp"
#include "events/kafka/shard_start.hpp"
#include "events/kafka/topic.hpp"
#include "events/log/log_writer.hpp"
#include "tests/kafka/broker.hpp"

namespace trv::kafka {
namespace {

using log::LogWriter;
using log::Lsn;
using log::ShardId;

constexpr std::size_t many = 6'000;
constexpr ShardId shard{0};

class KafkaTail : public testing::Test {
 protected:
  void SetUp() override {
    static int topics = 0;
    settings_.brokers = brokers();
    settings_.topic = fmt::format("tail-{}", ++topics);
    const auto created = create_topic(settings_, {.partitions = 1, .replication = 1, .in_sync_min = 1});
    ASSERT_TRUE(created.has_value()) << created.error().message();
    log_ = std::make_unique<KafkaEventLog>(settings_);
    ASSERT_TRUE(log_->bounds(shard).has_value());
  }
  static LogWriter claimed(log::EventLog& log) {
    const auto claim = log.claim(shard, "node", base::Uuid());
    EXPECT_TRUE(claim.has_value()) << claim.error().message();
    return LogWriter(*claim);
  }
  static void append(log::EventLog& log, LogWriter& writer, std::size_t count) {
    const auto ticket = log.append(writer.claim(), writer.batch(count));
    ASSERT_TRUE(ticket.has_value()) << ticket.error().message();
    const auto settled = log.settle(*ticket);
    ASSERT_TRUE(settled.has_value()) << settled.error().message();
    ASSERT_EQ(settled->outcome, log::Outcome::appended);
  }
  /// By another program than ours.
  void send(base::BytesView value) {
    if (producer_ == nullptr) {
      auto opened = Producer::open(settings_, 0);
      ASSERT_TRUE(opened.has_value());
      producer_ = *std::move(opened);
    }
    const auto kept = std::make_shared<const base::Bytes>(value.begin(), value.end());
    producer_->keep(kept, 1);
    Headers headers(headers_.size());
    for (const auto& [name, text] : headers_) headers.add(name, text);
    ASSERT_TRUE(producer_->send({.key = "", .value = *kept}, std::move(headers)));
    ++sent_;
    while (producer_->acknowledged() < sent_) ASSERT_TRUE(producer_->poll(std::chrono::milliseconds(100)));
  }
  void expect_end(std::uint64_t last) {
    KafkaEventLog fresh(settings_);
    const auto bounds = fresh.bounds(shard);
    ASSERT_TRUE(bounds.has_value()) << bounds.error().message();
    EXPECT_EQ(bounds->first, Lsn(1));
    EXPECT_EQ(bounds->last, Lsn(last));
    const auto claim = fresh.claim(shard, "node", base::Uuid());
    ASSERT_TRUE(claim.has_value()) << claim.error().message();
    EXPECT_EQ(claim->next, Lsn(last + 1));
  }

  Settings settings_;
  std::unique_ptr<KafkaEventLog> log_;
  std::unique_ptr<Producer> producer_;
  std::vector<std::pair<std::string_view, std::string>> headers_;
  std::uint64_t sent_ = 0;
};

TEST_F(KafkaTail, what_lies_far_before_the_end_is_not_read) {
  // The entry at offset 1 cannot be read; those behind it are as an owner writes them.
  send(record::encode_claim({.shard = shard, .epoch = log::Epoch(1), .node = "node", .nonce = base::Uuid()}));
  send(base::as_bytes("not an entry of a log at all, but bytes that somebody sent"));
  LogWriter writer({.shard = shard, .epoch = log::Epoch(1), .nonce = base::Uuid(), .next = Lsn(1), .last_hash = {}});
  const log::Batch batch = writer.batch(many);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    headers_.clear();
    if (i > 0 && i % counted_every == 0) {
      const record::RecordView before = batch.view(i - 1);
      const Position counted{.offset = i + 1, .lsn = before.lsn(), .event_id = before.event_id()};
      headers_.emplace_back(counted_header, std::string(base::as_text(counted.encoded().bytes())));
    }
    send(batch.at(i));
  }
  expect_end(many);
  const auto reader = log_->read(shard, Lsn(many - 3));
  ASSERT_TRUE(reader.has_value()) << reader.error().message();
  for (std::uint64_t lsn = many - 3; lsn <= many; ++lsn) {
    const auto stored = (*reader)->next(std::chrono::seconds(10));
    ASSERT_TRUE(stored.has_value() && stored->has_value()) << (stored ? "nothing" : stored.error().message());
    EXPECT_EQ((*stored)->lsn, Lsn(lsn));
  }
  const auto from_start = log_->read(shard, Lsn(1));
  ASSERT_TRUE(from_start.has_value());
  EXPECT_EQ((*from_start)->next(std::chrono::seconds(10)).error().code(), base::ErrorCode::corrupt);
}

TEST_F(KafkaTail, a_tail_of_void_records_is_not_the_end) {
  LogWriter old = claimed(*log_);
  for (std::size_t i = 0; i < many; i += 1'000) append(*log_, old, 1'000);
  append(*log_, old, 3);
  KafkaEventLog rival(settings_);
  LogWriter young = claimed(rival);
  append(rival, young, 5);
  // More than is looked at first, and all of it from a writer that does not know yet that it has lost.
  const auto lost = log_->append(old.claim(), old.batch(many));
  ASSERT_TRUE(lost.has_value());
  const auto settled = log_->settle(*lost);
  ASSERT_TRUE(settled.has_value()) << settled.error().message();
  EXPECT_EQ(settled->outcome, log::Outcome::lost);
  expect_end(many + 8);
}

TEST_F(KafkaTail, what_a_header_names_is_held_against_the_record) {
  LogWriter writer = claimed(*log_);
  for (std::size_t i = 0; i < many; i += 1'000) append(*log_, writer, 1'000);
  // Of a record that is not there, of one with another id, and of bytes that do not name one.
  for (const Position& wrong : {Position{.offset = many - 2, .lsn = Lsn(many - 5), .event_id = base::Uuid()},
                                Position{.offset = many - 2, .lsn = Lsn(many - 2), .event_id = base::Uuid()}}) {
    headers_ = {{counted_header, std::string(base::as_text(wrong.encoded().bytes()))}};
    send(record::encode_claim({.shard = shard, .epoch = log::Epoch(1), .node = "node", .nonce = base::Uuid()}));
    expect_end(many);
  }
  headers_ = {{counted_header, "x"}};
  send(record::encode_claim({.shard = shard, .epoch = log::Epoch(1), .node = "node", .nonce = base::Uuid()}));
  expect_end(many);
}

TEST_F(KafkaTail, every_record_is_found_without_a_hint) {
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    KafkaEventLog next_owner(settings_);
    LogWriter writer = claimed(next_owner);
    EXPECT_EQ(writer.next(), Lsn(last + 1));
    for (int i = 0; i < 4; ++i, last += 700) append(next_owner, writer, 700);
    const auto torn = next_owner.append(writer.claim(), writer.batch(900, 64, log::Ends::none));
    ASSERT_TRUE(torn.has_value() && next_owner.settle(*torn).has_value());
  }
  for (std::uint64_t from = 1; from <= last; from += 611) {
    const auto reader = log_->read(shard, Lsn(from));
    ASSERT_TRUE(reader.has_value()) << reader.error().message();
    for (std::uint64_t lsn = from; lsn <= std::min(last, from + 2); ++lsn) {
      const auto stored = (*reader)->next(std::chrono::seconds(10));
      ASSERT_TRUE(stored.has_value() && stored->has_value()) << (stored ? "nothing" : stored.error().message());
      EXPECT_EQ((*stored)->lsn, Lsn(lsn));
    }
  }
}

}  // namespace
}  // namespace trv::kafka
