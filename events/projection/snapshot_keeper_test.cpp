#include "events/projection/snapshot_keeper.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "events/projection/example_projector.hpp"
#include "events/projection/projection.hpp"

namespace trv::projection {
namespace {

using record::Lsn;
using namespace std::chrono_literals;

const record::ShardId shard(0);

class SnapshotKeeperTest : public testing::Test {
 protected:
  SnapshotKeeperTest() : root_(std::filesystem::path(testing::TempDir()) / fmt::format("keeper_{}", ::getpid())) {
    std::filesystem::remove_all(root_);
    auto log = log::LmdbEventLog::open(root_ / "log");
    EXPECT_TRUE(log);
    log_ = std::move(*log);
    auto snapshots = Snapshots::open(root_ / "snapshots", {.log = *log_,
                                                           .clock = clock_,
                                                           .random = random_,
                                                           .report = [](const std::string&) {},
                                                           .has_room = [this](std::uint64_t) { return room_; }});
    EXPECT_TRUE(snapshots);
    snapshots_ = std::move(*snapshots);
    ProjectionOptions options;
    options.folder = root_ / "projection";
    auto projection = Projection::open(options, shard, {&projector_});
    EXPECT_TRUE(projection);
    projection_ = std::move(*projection);
  }
  ~SnapshotKeeperTest() override {
    keeper_.reset();
    projection_.reset();
    std::filesystem::remove_all(root_);
  }

  /// Records of the time that example_draft gives, a nanosecond apart.
  void append(std::size_t count) {
    if (!writer_) writer_.emplace(*log_->claim(shard, "node", base::Uuid()));
    ASSERT_EQ(log_->settle(*log_->append(writer_->claim(), writer_->batch(count)))->outcome, log::Outcome::appended);
    ASSERT_TRUE(projection_->catch_up(*log_));
  }
  SnapshotKeeper& keeper(const SnapshotPolicy& policy) {
    keeper_ = std::make_unique<SnapshotKeeper>(
        policy,
        KeeperPorts{.snapshots = *snapshots_,
                    .log = *log_,
                    .clock = clock_,
                    .keeps_all = [this] { return keeps_all_.load(); },
                    .note = [this](const std::string& line) { notes_.push_back(line); },
                    .failed = [this](const std::string& line) { failures_.push_back(line); }},
        std::vector<KeptShard>{{.projection = projection_.get(),
                                .is_ready = [this] { return is_ready_; },
                                .first_needed = [this](const lmdb::Txn&) { return needed_; }}});
    return *keeper_;
  }
  [[nodiscard]] std::vector<std::uint64_t> lsns() const {
    std::vector<std::uint64_t> found;
    const auto manifests = read_manifests(root_ / "snapshots", shard);
    for (const Snapshot& one : manifests->snapshots) found.push_back(one.applied.lsn.value());
    return found;
  }
  [[nodiscard]] Lsn first() const { return log_->bounds(shard)->first; }
  /// So that the record `lsn` is exactly as old as the log is kept.
  void keep_log_from(SnapshotPolicy& policy, std::uint64_t lsn) const {
    policy.log_kept = clock_.now() - record::example_draft(lsn).time;
  }

  std::filesystem::path root_;
  base::SimulatedClock clock_{record::example_draft(1'000'000).time};
  base::SystemRandom random_;
  std::unique_ptr<log::LmdbEventLog> log_;
  std::unique_ptr<Snapshots> snapshots_;
  ExampleProjector projector_;
  std::unique_ptr<Projection> projection_;
  std::optional<log::LogWriter> writer_;
  std::atomic<bool> keeps_all_ = false;
  bool is_ready_ = true;
  base::Status room_;
  base::Result<std::optional<Lsn>> needed_ = std::nullopt;
  std::vector<std::string> notes_;
  std::vector<std::string> failures_;
  std::unique_ptr<SnapshotKeeper> keeper_;
};

TEST_F(SnapshotKeeperTest, a_snapshot_is_taken_when_the_newest_is_old_and_records_came) {
  SnapshotKeeper& kept = keeper({.interval = 1h, .records = 1000});
  kept.look();
  EXPECT_TRUE(lsns().empty()) << "there are no records";
  append(5);
  clock_.advance(59min);
  kept.look();
  EXPECT_TRUE(lsns().empty());
  clock_.advance(1min);
  kept.look();
  EXPECT_EQ(lsns(), std::vector<std::uint64_t>{5});
  clock_.advance(3h);
  kept.look();
  EXPECT_EQ(snapshots_->list(shard)->front().taken + 3h, clock_.now()) << "nothing came since";
  append(1);
  clock_.step(-std::chrono::hours(100));
  kept.look();
  EXPECT_EQ(lsns(), (std::vector<std::uint64_t>{6, 5})) << "the wall clock does not matter";
}

TEST_F(SnapshotKeeperTest, a_snapshot_is_taken_at_once_after_many_records) {
  SnapshotKeeper& kept = keeper({.interval = 1h, .records = 100});
  append(99);
  kept.look();
  EXPECT_TRUE(lsns().empty());
  append(1);
  is_ready_ = false;
  kept.look();
  EXPECT_TRUE(lsns().empty()) << "the projection is not open to others yet";
  is_ready_ = true;
  kept.look();
  EXPECT_EQ(lsns(), std::vector<std::uint64_t>{100});
}

TEST_F(SnapshotKeeperTest, a_process_that_starts_again_goes_by_the_age_of_what_it_finds) {
  append(5);
  ASSERT_TRUE(snapshots_->take(*projection_));
  append(1);
  clock_.advance(50min);
  SnapshotKeeper& kept = keeper({.interval = 1h, .records = 1000});
  kept.look();
  EXPECT_EQ(lsns(), std::vector<std::uint64_t>{5});
  clock_.advance(10min);
  kept.look();
  EXPECT_EQ(lsns(), (std::vector<std::uint64_t>{6, 5}));
}

TEST_F(SnapshotKeeperTest, a_process_that_takes_them_again_goes_by_what_others_took_meanwhile) {
  append(5);
  SnapshotKeeper& kept = keeper({.interval = 1h, .records = 1000});
  kept.look();
  is_ready_ = false;
  clock_.advance(2h);
  kept.look();
  EXPECT_TRUE(lsns().empty()) << "it is for another one to take them";
  ASSERT_TRUE(snapshots_->take(*projection_));
  append(1);
  clock_.advance(50min);
  is_ready_ = true;
  kept.look();
  EXPECT_EQ(lsns(), std::vector<std::uint64_t>{5});
  clock_.advance(10min);
  kept.look();
  EXPECT_EQ(lsns(), (std::vector<std::uint64_t>{6, 5}));
}

TEST_F(SnapshotKeeperTest, one_that_is_asked_for_is_taken_at_once_whatever_the_policy_says) {
  append(5);
  SnapshotKeeper& kept = keeper({.interval = 0h});
  kept.start();
  const auto taken = kept.take_now(shard, Lsn(4), 60s);
  ASSERT_TRUE(taken && *taken) << taken.error().message();
  EXPECT_EQ((*taken)->applied.lsn, Lsn(5));
  EXPECT_EQ(*kept.take_now(shard, Lsn(5), 60s), *taken) << "it is there";
  EXPECT_EQ(lsns(), std::vector<std::uint64_t>{5});
  kept.stop();
}

TEST_F(SnapshotKeeperTest, one_that_is_asked_for_and_cannot_be_taken_is_answered_with_the_reason) {
  append(5);
  room_ = base::fail(base::ErrorCode::unavailable, "the disk is full");
  SnapshotKeeper& kept = keeper({.interval = 0h});
  EXPECT_EQ(*kept.take_now(shard, Lsn(5), 10ms), std::nullopt) << "the thread does not run yet";
  kept.start();
  for (int i = 0; i < 2; ++i) {
    const auto refused = kept.take_now(shard, Lsn(5), 60s);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "the disk is full");
  }
  kept.stop();
  is_ready_ = false;
  SnapshotKeeper& elsewhere = keeper({.interval = 0h});
  elsewhere.start();
  const auto refused = elsewhere.take_now(shard, Lsn(5), 60s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable);
  EXPECT_EQ(refused.error().message(), "shard 0 is not ready, or another node takes its snapshots");
}

TEST_F(SnapshotKeeperTest, one_of_another_layout_is_none) {
  append(5);
  ExampleProjector young(2);
  ProjectionOptions options;
  options.folder = root_ / "young";
  const auto other = Projection::open(options, shard, {&young});
  ASSERT_TRUE(other && (*other)->catch_up(*log_) && snapshots_->take(**other));
  append(1);
  SnapshotKeeper& kept = keeper({.interval = 1h, .records = 6});
  kept.look();
  EXPECT_EQ(lsns(), (std::vector<std::uint64_t>{6, 5}));
}

TEST_F(SnapshotKeeperTest, its_policy_can_be_replaced) {
  SnapshotKeeper& kept = keeper({.interval = 0h, .records = 1});
  append(5);
  kept.look();
  EXPECT_TRUE(lsns().empty());
  kept.replace_policy({.interval = 1h, .records = 5});
  kept.look();
  EXPECT_EQ(lsns(), std::vector<std::uint64_t>{5});
}

TEST_F(SnapshotKeeperTest, none_is_taken_where_the_interval_is_0) {
  SnapshotKeeper& kept = keeper({.interval = 0h, .records = 1});
  append(5);
  clock_.advance(1000h);
  kept.look();
  EXPECT_TRUE(lsns().empty());
}

TEST_F(SnapshotKeeperTest, older_ones_go_but_not_while_a_backup_runs) {
  SnapshotKeeper& kept = keeper({.interval = 1h, .records = 1, .keep = 2});
  keeps_all_ = true;
  for (int i = 0; i < 4; ++i) {
    append(1);
    clock_.advance(1s);
    kept.look();
  }
  EXPECT_EQ(lsns(), (std::vector<std::uint64_t>{4, 3, 2, 1}));
  keeps_all_ = false;
  append(1);
  clock_.advance(1s);
  kept.look();
  EXPECT_EQ(lsns(), (std::vector<std::uint64_t>{5, 4}));
}

TEST_F(SnapshotKeeperTest, what_fails_is_said_and_tried_again_a_minute_later) {
  SnapshotKeeper& kept = keeper({.interval = 1h, .records = 1});
  append(5);
  room_ = base::fail(base::ErrorCode::unavailable, "the disk is full");
  kept.look();
  kept.look();
  ASSERT_EQ(failures_.size(), 1U);
  EXPECT_EQ(failures_[0], "shard 0: the disk is full; tried again in 60 s");
  room_ = {};
  clock_.advance(1min);
  kept.look();
  EXPECT_EQ(lsns(), std::vector<std::uint64_t>{5});
}

TEST_F(SnapshotKeeperTest, nothing_is_trimmed_unless_it_is_asked_for) {
  SnapshotKeeper& kept = keeper({.interval = 1h, .records = 1});
  for (int i = 0; i < 5; ++i) {
    append(1000);
    clock_.advance(24h);
    kept.look();
  }
  EXPECT_EQ(first(), Lsn(1));
}

TEST_F(SnapshotKeeperTest, the_log_is_trimmed_below_snapshots_age_and_what_the_state_needs) {
  SnapshotPolicy policy{.interval = 1h, .records = 1, .keep = 2};
  append(6000);
  keep_log_from(policy, 5000);
  keeper(policy).look();
  EXPECT_EQ(first(), Lsn(1)) << "there is one snapshot, and two are to be kept";
  append(1000);
  needed_ = Lsn(300);
  keeper(policy).look();
  EXPECT_EQ(lsns(), (std::vector<std::uint64_t>{7000, 6000}));
  EXPECT_EQ(first(), Lsn(300)) << "what the state leads to";
  needed_ = std::nullopt;
  keeper(policy).look();
  EXPECT_EQ(first(), Lsn(5000)) << "what is old enough";
  keep_log_from(policy, 6900);
  keeper(policy).look();
  EXPECT_EQ(first(), Lsn(6001)) << "what the oldest snapshot does not lead to";
  EXPECT_EQ(notes_.back(), "shard 0: the log begins at lsn 6001; 1001 records were trimmed");
  EXPECT_TRUE(failures_.empty());
  EXPECT_EQ(log_->read(shard, Lsn(6000)).error().message(),
            "the log of shard 0 begins at lsn 6001; lsn 6000 was trimmed");
}

TEST_F(SnapshotKeeperTest, a_damaged_snapshot_stops_the_trimming) {
  SnapshotPolicy policy{.interval = 1h, .records = 1, .keep = 2};
  keep_log_from(policy, 5000);
  append(6000);
  keeper(policy).look();
  std::filesystem::remove(snapshots_->list(shard)->front().folder / content_name);
  append(1);
  clock_.advance(1s);
  keeper(policy).look();
  EXPECT_EQ(first(), Lsn(1));
  append(1);
  clock_.advance(1s);
  keeper(policy).look();
  EXPECT_GT(first(), Lsn(4000));
}

TEST_F(SnapshotKeeperTest, trimming_waits_for_a_backup_and_is_done_then) {
  SnapshotPolicy policy{.interval = 1h, .records = 1, .keep = 1};
  keep_log_from(policy, 2000);
  append(3000);
  keeps_all_ = true;
  SnapshotKeeper& kept = keeper(policy);
  kept.look();
  EXPECT_EQ(first(), Lsn(1));
  keeps_all_ = false;
  kept.look();
  EXPECT_EQ(first(), Lsn(2000));
}

// A writer beside the thread: each append is timed while 60,000 records are trimmed and snapshots are taken.
TEST_F(SnapshotKeeperTest, appends_go_on_while_the_log_is_trimmed) {
  SnapshotPolicy policy{.interval = 1h, .records = 20'000, .keep = 1};
  for (int i = 0; i < 30; ++i) append(2000);
  keep_log_from(policy, 60'000);
  keeper(policy).start();
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  std::size_t between = 0;
  Lsn seen = first();
  while (first() < Lsn(60'000) && std::chrono::steady_clock::now() < deadline) {
    append(1);
    if (const Lsn now = first(); now != seen) {
      ++between;
      seen = now;
    }
  }
  keeper_->stop();
  EXPECT_EQ(first(), Lsn(60'000));
  EXPECT_GE(between, 5U) << "appends came between the pieces";
}

}  // namespace
}  // namespace trv::projection
