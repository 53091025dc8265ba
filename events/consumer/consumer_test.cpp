#include <gtest/gtest.h>

#include "events/consumer/cloud_event.hpp"
#include "events/consumer/event_consumer.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "events/log/log_writer.hpp"

namespace trv::consumer {
namespace {

using record::Lsn;

const record::ShardId shard(2);

class ConsumerTest : public testing::Test {
 protected:
  void append(log::LogWriter& writer, std::size_t count) {
    ASSERT_EQ(log_.settle(*log_.append(writer.claim(), writer.batch(count)))->outcome, log::Outcome::appended);
  }
  static std::uint64_t drain(EventConsumer& consumer) {
    std::uint64_t count = 0;
    while (true) {
      const auto record = consumer.next(base::Duration::zero());
      EXPECT_TRUE(record.has_value()) << record.error().message();
      if (!record.has_value() || !record->has_value()) return count;
      ++count;
    }
  }

  log::InMemoryEventLog log_;
};

TEST_F(ConsumerTest, every_record_comes_once_and_goes_on_from_the_checkpoint) {
  log::LogWriter writer(*log_.claim(shard, "node", base::Uuid()));
  append(writer, 3);
  auto consumer = EventConsumer::open(log_, shard);
  EXPECT_EQ(drain(*consumer), 3);
  const Checkpoint checkpoint = consumer->checkpoint();
  EXPECT_EQ(checkpoint.lsn, Lsn(3));
  EXPECT_EQ(checkpoint.time, record::example_draft(3).time);
  log::LogWriter next(*log_.claim(shard, "other", base::Uuid()));
  append(next, 2);
  EXPECT_EQ(drain(*consumer), 2);
  auto resumed = EventConsumer::open(log_, shard, checkpoint);
  EXPECT_EQ(drain(*resumed), 2);
  EXPECT_EQ(resumed->checkpoint(), consumer->checkpoint());
  EXPECT_FALSE(checkpoint.position.empty());
  const std::uint64_t read_before = log_.entries_read();
  auto hinted = EventConsumer::open(log_, shard, checkpoint);
  EXPECT_EQ(drain(*hinted), 2);
  EXPECT_EQ(log_.entries_read() - read_before, 4) << "the known record, a claim and what follows";
  auto late = EventConsumer::open_at(log_, shard, Lsn(4));
  EXPECT_EQ(drain(*late), 2);
}

TEST_F(ConsumerTest, a_log_that_does_not_continue_the_checkpoint_stops_the_consumer) {
  log::LogWriter writer(*log_.claim(shard, "node", base::Uuid()));
  append(writer, 3);
  auto consumer = EventConsumer::open(
      log_, shard, {.lsn = Lsn(1), .epoch = record::Epoch(1), .time = {}, .last_hash = {}, .position = {}});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(consumer->next(base::Duration::zero()).error().code(), base::ErrorCode::corrupt) << "and stays stopped";
  }
  EXPECT_EQ(consumer->checkpoint().lsn, Lsn(1));
}

TEST_F(ConsumerTest, a_record_of_an_earlier_time_than_the_checkpoint_stops_the_consumer) {
  log::LogWriter writer(*log_.claim(shard, "node", base::Uuid()));
  append(writer, 1);
  auto consumer = EventConsumer::open(log_, shard);
  EXPECT_EQ(drain(*consumer), 1);
  Checkpoint checkpoint = consumer->checkpoint();
  append(writer, 1);
  checkpoint.time = record::example_draft(3).time;
  auto resumed = EventConsumer::open(log_, shard, checkpoint);
  EXPECT_EQ(resumed->next(base::Duration::zero()).error().code(), base::ErrorCode::corrupt);
}

TEST_F(ConsumerTest, a_record_is_a_cloud_event) {
  record::Draft draft = record::example_draft(1);
  draft.causation_id = base::Uuid::parse("018f0000-0000-7000-8000-000000000001");
  record::RecordEncoder encoder;
  const auto record =
      encoder.encode(draft, {.shard = shard, .lsn = Lsn(17), .epoch = record::Epoch(3), .prev_hash = {}});
  const CloudEvent event = to_cloud_event(*record);
  EXPECT_EQ(event.id, draft.event_id.to_string());
  EXPECT_EQ(event.source, "/tenants/acme/instance");
  EXPECT_EQ(event.type, "trv.example.happened");
  EXPECT_EQ(event.subject, "i1");
  EXPECT_EQ(event.time, "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(event.sequence, "17");
  EXPECT_EQ(event.epoch, "3");
  EXPECT_EQ(event.tenant, "acme");
  EXPECT_EQ(event.causation_id, "018f0000-0000-7000-8000-000000000001");
  EXPECT_EQ(event.correlation_id, "");
}

}  // namespace
}  // namespace trv::consumer
