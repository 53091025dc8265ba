// What the packages of clients/ make of a topic on which owners tore decisions and wrote after they had lost.

#include <gtest/gtest.h>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/topic.hpp"
#include "events/log/log_writer.hpp"
#include "tests/kafka/broker.hpp"
#include "tests/kafka/printed_by.hpp"

namespace trv::kafka {
namespace {

using log::Ends;
using log::LogWriter;
using log::Lsn;

constexpr log::ShardId shard{0};

log::Outcome append(log::EventLog& log, LogWriter& writer, std::size_t count, Ends ends) {
  const auto ticket = log.append(writer.claim(), writer.batch(count, 64, ends));
  EXPECT_TRUE(ticket.has_value()) << ticket.error().message();
  const auto settled = log.settle(*ticket);
  EXPECT_TRUE(settled.has_value()) << settled.error().message();
  return settled->outcome;
}

TEST(PackagesOnKafka, take_the_records_that_count_and_no_other) {
  Settings settings;
  settings.brokers = brokers();
  settings.topic = "torn";
  ASSERT_TRUE(create_topic(settings, {.partitions = 1, .replication = 1, .in_sync_min = 1}));
  std::vector<std::unique_ptr<KafkaEventLog>> owners;
  std::vector<LogWriter> writers;
  for (std::size_t i = 0; i < 4; ++i) {
    owners.push_back(std::make_unique<KafkaEventLog>(settings));
    const auto claim = owners[i]->claim(shard, "node", base::Uuid());
    ASSERT_TRUE(claim.has_value()) << claim.error().message();
    writers.emplace_back(*claim);
    if (i > 0) {
      EXPECT_EQ(append(*owners[i - 1], writers[i - 1], 30, Ends::each), log::Outcome::lost);
    }
    EXPECT_EQ(append(*owners[i], writers[i], 7, Ends::each), log::Outcome::appended);
    EXPECT_EQ(append(*owners[i], writers[i], 5, Ends::last), log::Outcome::appended);
    EXPECT_EQ(append(*owners[i], writers[i], 3, Ends::none), log::Outcome::appended);
  }
  for (const std::string& language : languages()) {
    SCOPED_TRACE(language);
    const std::vector<boost::json::value> printed = printed_by(language, settings.topic);
    ASSERT_EQ(printed.size(), 4U * 12U);
    const auto reader = owners[3]->read(shard, Lsn(1));
    ASSERT_TRUE(reader.has_value()) << reader.error().message();
    for (const auto& event : printed) {
      const auto stored = (*reader)->next(std::chrono::seconds(10));
      ASSERT_TRUE(stored.has_value() && stored->has_value()) << (stored ? "nothing" : stored.error().message());
      const auto record = record::Record::decode((*stored)->bytes);
      ASSERT_TRUE(record.has_value()) << record.error().message();
      EXPECT_EQ(std::string(event.at("id").as_string()), record->view().event_id().to_string());
      EXPECT_EQ(std::string(event.at("subject").as_string()), record->view().stream_id());
    }
  }
}

}  // namespace
}  // namespace trv::kafka
