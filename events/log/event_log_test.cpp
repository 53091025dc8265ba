// Both logs of this folder under the suite that every log passes.

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "events/log/event_log_suite.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "events/log/lmdb_event_log.hpp"

namespace trv::log {
namespace {

class InMemoryWorld final : public EventLogWorld {
 public:
  EventLog& owner() override { return log_; }
  EventLog& rival() override { return log_; }
  bool reopen() override { return false; }

 private:
  InMemoryEventLog log_;
};

class LmdbWorld final : public EventLogWorld {
 public:
  LmdbWorld() {
    static std::atomic<int> worlds = 0;
    folder_ = std::filesystem::path(testing::TempDir()) / fmt::format("event_log_test_{}_{}", ::getpid(), ++worlds);
    std::filesystem::remove_all(folder_);
    reopen();
  }
  ~LmdbWorld() override {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }
  EventLog& owner() override { return *log_; }
  EventLog& rival() override { return *log_; }
  bool reopen() override {
    log_.reset();
    auto log = LmdbEventLog::open(folder_);
    EXPECT_TRUE(log.has_value()) << log.error().message();
    log_ = std::move(*log);
    return true;
  }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<LmdbEventLog> log_;
};

INSTANTIATE_TEST_SUITE_P(InMemory, EventLogSuite,
                         testing::Values(EventLogWorldMaker([] { return std::make_unique<InMemoryWorld>(); })));
INSTANTIATE_TEST_SUITE_P(Lmdb, EventLogSuite,
                         testing::Values(EventLogWorldMaker([] { return std::make_unique<LmdbWorld>(); })));

}  // namespace
}  // namespace trv::log
