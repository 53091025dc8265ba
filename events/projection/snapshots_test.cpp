#include "events/projection/snapshots.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include "events/log/forwarding_log.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "events/projection/example_projector.hpp"
#include "events/projection/projection.hpp"
#include "events/record/chain.hpp"
#include "sdk/base/file.hpp"

namespace trv::projection {
namespace {

using base::ErrorCode;
using record::Lsn;

const record::ShardId shard(4);

/// Counts what restoring reads of the log.
class CountingLog final : public log::ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  [[nodiscard]] base::Result<std::unique_ptr<log::Reader>> read(log::ShardId of, Lsn from,
                                                                const log::EnginePosition& hint) override {
    first_read = std::min(first_read, from);
    return ForwardingLog::read(of, from, hint);
  }
  Lsn first_read{1'000'000};
};

class SnapshotsTest : public testing::Test {
 protected:
  SnapshotsTest() : root_(std::filesystem::path(testing::TempDir()) / fmt::format("snapshots_{}", ::getpid())) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
    open_snapshots();
  }
  ~SnapshotsTest() override { std::filesystem::remove_all(root_); }

  void open_snapshots() {
    snapshots_.reset();
    auto opened =
        Snapshots::open(root_ / "snapshots", {.log = counting_,
                                              .clock = clock_,
                                              .random = random_,
                                              .report = [this](const std::string& line) { lines_.push_back(line); },
                                              .has_room =
                                                  [this](std::uint64_t bytes) {
                                                    asked_room_ = bytes;
                                                    return room_;
                                                  }});
    ASSERT_TRUE(opened) << opened.error().message();
    snapshots_ = std::move(*opened);
  }
  std::unique_ptr<Projection> open(const std::string& name, Projector& projector, bool with_snapshots = true) {
    ProjectionOptions options;
    options.folder = root_ / name;
    if (with_snapshots) options.snapshots = snapshots_.get();
    auto projection = Projection::open(std::move(options), shard, {&projector});
    EXPECT_TRUE(projection.has_value()) << projection.error().message();
    return std::move(*projection);
  }
  void append(std::size_t count) {
    if (!writer_) writer_.emplace(*log_.claim(shard, "node", base::Uuid()));
    ASSERT_EQ(log_.settle(*log_.append(writer_->claim(), writer_->batch(count)))->outcome, log::Outcome::appended);
  }
  /// Appends so many records, applies them and takes a snapshot.
  Snapshot take_behind(std::size_t count) {
    append(count);
    if (!live_) live_ = open("live", projector_, false);
    EXPECT_TRUE(live_->catch_up(log_));
    clock_.advance(std::chrono::minutes(1));
    auto taken = snapshots_->take(*live_);
    EXPECT_TRUE(taken) << taken.error().message();
    return *taken;
  }
  [[nodiscard]] std::filesystem::path blob_of(const Snapshot& snapshot) const {
    const std::string name = base::to_hex(snapshot.blob);
    return root_ / "snapshots/blobs" / name.substr(0, 2) / name.substr(2);
  }
  /// A new projection begins at this lsn, and is as the live one in the end.
  void expect_start_at(std::uint64_t lsn) {
    std::filesystem::remove_all(root_ / "fresh");
    ExampleProjector own;
    const auto fresh = open("fresh", own);
    EXPECT_EQ(fresh->applied().lsn, Lsn(lsn));
    EXPECT_EQ(fresh->open_report().kind, lsn == 0 ? OpenReport::Kind::created : OpenReport::Kind::restored);
    ASSERT_TRUE(fresh->catch_up(log_));
    EXPECT_EQ(*fresh->content_digest(), *live_->content_digest());
    EXPECT_EQ(fresh->applied(), live_->applied());
  }
  void expect_line(std::string_view text) {
    ASSERT_FALSE(lines_.empty());
    EXPECT_NE(lines_.front().find(text), std::string::npos) << lines_.front();
    lines_.clear();
  }
  void change_byte(const std::filesystem::path& file, std::uint64_t at) const {
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const int byte = stream.get();
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(byte ^ 0x20));
  }

  std::filesystem::path root_;
  log::InMemoryEventLog log_;
  CountingLog counting_{log_};
  base::SimulatedClock clock_{base::Timestamp(1'790'000'000'000'000'000)};
  base::SystemRandom random_;
  std::vector<std::string> lines_;
  base::Status room_;
  std::uint64_t asked_room_ = 0;
  std::unique_ptr<Snapshots> snapshots_;
  std::optional<log::LogWriter> writer_;
  ExampleProjector projector_;
  std::unique_ptr<Projection> live_;
};

TEST_F(SnapshotsTest, a_manifest_says_what_was_taken_and_is_read_back) {
  const Snapshot taken = take_behind(9);
  EXPECT_EQ(taken.shard, shard);
  EXPECT_EQ(taken.applied, live_->applied());
  EXPECT_EQ(taken.layout, live_->layout());
  EXPECT_EQ(taken.taken, clock_.now());
  EXPECT_EQ(taken.bytes, std::filesystem::file_size(blob_of(taken)));
  EXPECT_EQ(parse_snapshot(to_text(taken)), taken);
  EXPECT_EQ(snapshots_->newest(shard), taken);
  open_snapshots();
  EXPECT_EQ(snapshots_->newest(shard), taken) << "another process finds it";
  EXPECT_EQ(read_manifests(root_ / "snapshots", shard)->snapshots, std::vector{taken});
  EXPECT_EQ(*shards_in(root_ / "snapshots"), std::vector{shard});
  EXPECT_FALSE(std::filesystem::exists(root_ / "snapshots/.taking"));
}

TEST_F(SnapshotsTest, a_manifest_with_any_byte_changed_or_cut_off_is_refused) {
  const std::string text = to_text(take_behind(3));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 1;
    EXPECT_FALSE(parse_snapshot(changed)) << i;
    EXPECT_FALSE(parse_snapshot(text.substr(0, i))) << i;
  }
  EXPECT_FALSE(parse_snapshot(text + "more"));
  EXPECT_NE(parse_snapshot("travertine snapshot 2\n").error().message().find("line 1 is not 'travertine snapshot 1'"),
            std::string::npos);
}

TEST_F(SnapshotsTest, a_state_from_snapshot_and_tail_is_byte_identical_to_a_whole_replay) {
  take_behind(20);
  append(30);
  ASSERT_TRUE(live_->catch_up(log_));
  counting_.first_read = Lsn(1'000'000);
  expect_start_at(20);
  EXPECT_EQ(counting_.first_read, Lsn(20)) << "nothing before the snapshot's record is read";
  ExampleProjector replayed;
  const auto whole = open("whole", replayed, false);
  ASSERT_TRUE(whole->catch_up(log_));
  EXPECT_EQ(*whole->content_digest(), *live_->content_digest());
}

TEST_F(SnapshotsTest, a_changed_byte_makes_the_next_older_one_be_used) {
  const Snapshot older = take_behind(10);
  const Snapshot newer = take_behind(10);
  change_byte(blob_of(newer), newer.bytes / 2);
  expect_start_at(10);
  expect_line("at lsn 20");
  std::filesystem::resize_file(blob_of(newer), newer.bytes - 4096);
  expect_start_at(10);
  expect_line("is damaged");
  std::filesystem::remove(blob_of(newer));
  expect_start_at(10);
  expect_line("is not stored");
  change_byte(manifest_path(root_ / "snapshots", shard, Lsn(20)), 40);
  expect_start_at(10);
  expect_line("00000000000000000020: line");
  change_byte(blob_of(older), 0);
  expect_start_at(0);
}

TEST_F(SnapshotsTest, one_of_another_log_or_ahead_of_it_is_refused) {
  take_behind(10);
  const std::string manifest_of_10 = "00000000000000000010";
  append(20);
  ASSERT_TRUE(live_->catch_up(log_));
  {  // another history with the same lsns
    log::InMemoryEventLog foreign;
    log::LogWriter other(*foreign.claim(shard, "node", base::Uuid()));
    ASSERT_TRUE(foreign.settle(*foreign.append(other.claim(), other.batch(15, 3))));
    ExampleProjector own;
    const auto projection = open("foreign", own, false);
    ASSERT_TRUE(projection->catch_up(foreign));
    ASSERT_TRUE(snapshots_->take(*projection));
  }
  {  // the same history, further than the log goes
    log::InMemoryEventLog longer;
    log::LogWriter other(*longer.claim(shard, "node", base::Uuid()));
    ASSERT_TRUE(longer.settle(*longer.append(other.claim(), other.batch(40))));
    ExampleProjector own;
    const auto projection = open("longer", own, false);
    ASSERT_TRUE(projection->catch_up(longer));
    ASSERT_TRUE(snapshots_->take(*projection));
  }
  expect_start_at(10);
  ASSERT_EQ(lines_.size(), 2U);
  EXPECT_NE(lines_[0].find("it is at lsn 40, the log ends at 30"), std::string::npos) << lines_[0];
  EXPECT_NE(lines_[1].find("another record with lsn 15 than the log holds"), std::string::npos) << lines_[1];
}

TEST_F(SnapshotsTest, one_of_another_layout_or_shard_is_refused) {
  take_behind(10);
  ExampleProjector young(2);
  const auto projection = open("young", young);
  EXPECT_EQ(projection->applied().lsn, Lsn(0));
  expect_line("'shard=4 example=1', now 'shard=4 example=2'");
  std::filesystem::create_directories(root_ / "snapshots/5");
  std::filesystem::copy(manifest_path(root_ / "snapshots", shard, Lsn(10)), root_ / "snapshots/5/00000000000000000010");
  const auto found = read_manifests(root_ / "snapshots", record::ShardId(5));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->snapshots.empty());
  ASSERT_EQ(found->unreadable.size(), 1U);
  EXPECT_NE(found->unreadable[0].find("it is of shard 4"), std::string::npos);
}

TEST_F(SnapshotsTest, the_newest_by_time_are_kept_and_the_blobs_of_others_removed) {
  const Snapshot first = take_behind(5);
  const Snapshot second = take_behind(5);
  const Snapshot third = take_behind(5);
  ASSERT_TRUE(snapshots_->keep_newest(shard, 2));
  const auto kept = read_manifests(root_ / "snapshots", shard)->snapshots;
  EXPECT_EQ(kept, (std::vector{third, second}));
  EXPECT_FALSE(std::filesystem::exists(blob_of(first)));
  EXPECT_TRUE(std::filesystem::exists(blob_of(second)));
  ASSERT_TRUE(snapshots_->keep_newest(record::ShardId(9), 2)) << "a shard without any";
  ASSERT_TRUE(snapshots_->take(*live_)) << "of the same record again";
  ASSERT_TRUE(snapshots_->keep_newest(shard, 2));
  EXPECT_EQ(read_manifests(root_ / "snapshots", shard)->snapshots.size(), 2U);
  expect_start_at(15);
}

TEST_F(SnapshotsTest, a_trimmed_log_is_begun_from_a_snapshot_and_refused_without_one) {
  take_behind(20);
  append(10);
  ASSERT_TRUE(live_->catch_up(log_));
  ASSERT_TRUE(log_.trim(shard, Lsn(21)));
  ASSERT_EQ(log_.bounds(shard)->first, Lsn(21));
  expect_start_at(20);
  ASSERT_TRUE(log_.trim(shard, Lsn(22)));
  std::filesystem::remove_all(root_ / "fresh");
  ExampleProjector own;
  const auto fresh = open("fresh", own);
  EXPECT_EQ(fresh->applied().lsn, Lsn(0));
  expect_line("it is at lsn 20, the log begins at 22: what is between was trimmed");
  const auto refused = fresh->catch_up(log_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::not_found);
  EXPECT_NE(refused.error().message().find("its log begins at lsn 22, and no snapshot"), std::string::npos)
      << refused.error().message();
}

TEST_F(SnapshotsTest, a_state_that_contradicts_its_log_begins_with_a_snapshot) {
  take_behind(20);
  append(5);
  ASSERT_TRUE(live_->catch_up(log_));
  log::InMemoryEventLog foreign;
  log::LogWriter other(*foreign.claim(shard, "node", base::Uuid()));
  ASSERT_TRUE(foreign.settle(*foreign.append(other.claim(), other.batch(15, 3))));
  ExampleProjector own;
  const auto astray = open("astray", own);
  ASSERT_TRUE(astray->rebuild(foreign));
  const auto caught_up = astray->catch_up(log_);
  ASSERT_TRUE(caught_up) << caught_up.error().message();
  EXPECT_TRUE(caught_up->rebuilt);
  EXPECT_EQ(caught_up->from, Lsn(20));
  EXPECT_EQ(caught_up->to, Lsn(25));
  EXPECT_EQ(*astray->content_digest(), *live_->content_digest());
}

TEST_F(SnapshotsTest, a_restore_stops_at_the_record_that_a_new_owner_goes_up_to) {
  take_behind(10);
  take_behind(10);
  ExampleProjector own;
  const auto behind = open("behind", own, false);
  log::InMemoryEventLog foreign;
  log::LogWriter other(*foreign.claim(shard, "node", base::Uuid()));
  ASSERT_TRUE(foreign.settle(*foreign.append(other.claim(), other.batch(5, 3))));
  std::filesystem::remove_all(root_ / "own");
  ExampleProjector second;
  const auto astray = open("own", second);
  ASSERT_TRUE(astray->rebuild(foreign));
  const auto caught_up = astray->catch_up_to(log_, Lsn(15));
  ASSERT_TRUE(caught_up) << caught_up.error().message();
  EXPECT_EQ(caught_up->from, Lsn(10));
  EXPECT_EQ(caught_up->to, Lsn(15));
}

TEST_F(SnapshotsTest, nothing_is_taken_without_room_or_records_and_nothing_is_left_then) {
  ExampleProjector own;
  const auto empty = open("empty", own, false);
  EXPECT_EQ(snapshots_->take(*empty).error().code(), ErrorCode::conflict);
  const Snapshot first = take_behind(5);
  room_ = base::fail(ErrorCode::unavailable, "the disk is full");
  EXPECT_EQ(snapshots_->take(*live_).error().message(), "the disk is full");
  EXPECT_EQ(asked_room_, live_->stats()->used_bytes);
  EXPECT_EQ(read_manifests(root_ / "snapshots", shard)->snapshots, std::vector{first});
  EXPECT_FALSE(std::filesystem::exists(root_ / "snapshots/.taking"));
}

TEST_F(SnapshotsTest, the_blobs_of_a_manifest_that_cannot_be_read_stay) {
  const Snapshot taken = take_behind(5);
  const std::filesystem::path manifest = manifest_path(root_ / "snapshots", shard, Lsn(5));
  const auto whole = base::read_file(manifest, 10'000);
  std::ofstream(manifest) << "travertine snapshot 7\nof a later version\n";
  open_snapshots();
  EXPECT_TRUE(std::filesystem::exists(blob_of(taken)));
  expect_start_at(0);
  expect_line("line 1 is not 'travertine snapshot 1'");
  std::ofstream(manifest) << base::as_text(*whole);
  expect_start_at(5);
  std::filesystem::remove(manifest);
  open_snapshots();
  EXPECT_FALSE(std::filesystem::exists(blob_of(taken))) << "no manifest names it";
}

TEST_F(SnapshotsTest, the_oldest_good_one_counts_only_those_that_can_be_restored) {
  EXPECT_EQ(*snapshots_->oldest_good(shard, "none", 1), std::nullopt);
  const Snapshot first = take_behind(5);
  const Snapshot second = take_behind(5);
  EXPECT_EQ(*snapshots_->oldest_good(shard, live_->layout(), 2), Lsn(5));
  EXPECT_EQ(*snapshots_->oldest_good(shard, live_->layout(), 3), std::nullopt);
  EXPECT_EQ(*snapshots_->oldest_good(shard, "another layout", 1), std::nullopt);
  lines_.clear();
  change_byte(blob_of(first), 9);
  EXPECT_EQ(*snapshots_->oldest_good(shard, live_->layout(), 2), std::nullopt);
  expect_line("at lsn 5");
  EXPECT_EQ(*snapshots_->oldest_good(shard, live_->layout(), 1), Lsn(10));
}

// A write transaction is open over the whole of taking: a copy that waited for it would never end.
TEST_F(SnapshotsTest, taking_waits_for_no_writer_and_no_writer_for_it) {
  take_behind(5);
  auto txn = live_->begin();
  ASSERT_TRUE(txn);
  const auto taken = std::async(std::launch::async, [&] { return snapshots_->take(*live_); }).get();
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(taken->applied.lsn, Lsn(5));
}

TEST_F(SnapshotsTest, every_snapshot_taken_while_records_are_applied_leads_to_the_same_state) {
  append(1);
  live_ = open("live", projector_, false);
  ASSERT_TRUE(live_->catch_up(log_));
  std::atomic<bool> ended = false;
  std::vector<Lsn> taken;
  std::thread taker([&] {
    while (!ended || taken.size() < 3) {
      const auto one = snapshots_->take(*live_);
      ASSERT_TRUE(one) << one.error().message();
      taken.push_back(one->applied.lsn);
    }
  });
  for (int i = 0; i < 60; ++i) {
    append(100);
    ASSERT_TRUE(live_->catch_up(log_));
  }
  ended = true;
  taker.join();
  const auto all = read_manifests(root_ / "snapshots", shard)->snapshots;
  ASSERT_GE(all.size(), 2U);
  for (const Snapshot& one : all) {
    expect_start_at(one.applied.lsn.value());
    std::filesystem::remove(manifest_path(root_ / "snapshots", shard, one.applied.lsn));
  }
}

}  // namespace
}  // namespace trv::projection
