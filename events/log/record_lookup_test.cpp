#include "events/log/record_lookup.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "events/log/forwarding_log.hpp"
#include "events/log/in_memory_event_log.hpp"

namespace trv::log {
namespace {

using base::ErrorCode;

/// Gives nothing but the error.
class RefusingReader final : public Reader {
 public:
  explicit RefusingReader(base::Error error) : error_(std::move(error)) {}
  base::Result<std::optional<StoredRecord>> next(base::Duration) override { return base::fail(error_); }
  void wake() noexcept override {}

 private:
  base::Error error_;
};

/// A log that refuses reads: at once, or where they go on.
class RefusingLog final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  base::Result<std::unique_ptr<Reader>> read(ShardId shard, Lsn from, const EnginePosition& hint) override {
    if (!refusal) return ForwardingLog::read(shard, from, hint);
    if (is_at_once) return base::fail(*refusal);
    return std::make_unique<RefusingReader>(*refusal);
  }

  std::optional<base::Error> refusal;
  bool is_at_once = true;
};

TEST(RecordLookup, what_the_log_refuses_is_unavailable_without_the_logs_reason_and_asked_for_again) {
  InMemoryEventLog real;
  RefusingLog log(real);
  RecordLookup records(log, ShardId(3));
  for (const bool is_at_once : {true, false}) {
    log.is_at_once = is_at_once;
    for (const ErrorCode code : {ErrorCode::denied, ErrorCode::invalid, ErrorCode::unavailable}) {
      log.refusal = base::Error(code, "reading at 10.0.0.1:9092: Kafka answered TOPIC_AUTHORIZATION_FAILED");
      const auto found = records.at(Lsn(7));
      ASSERT_FALSE(found);
      EXPECT_EQ(found.error().code(), ErrorCode::unavailable);
      EXPECT_EQ(found.error().message(), "record 7 of shard 3 cannot be read now; try again later");
    }
    for (const ErrorCode code : {ErrorCode::corrupt, ErrorCode::not_found}) {
      log.refusal = base::Error(code, "the log says so");
      const auto found = records.at(Lsn(7));
      ASSERT_FALSE(found);
      EXPECT_EQ(found.error().code(), code);
      EXPECT_EQ(found.error().message(), "the log says so");
    }
  }
  log.refusal.reset();
  const auto found = records.at(Lsn(7));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message(), "the log of shard 3 has no record 7");
}

}  // namespace
}  // namespace trv::log
