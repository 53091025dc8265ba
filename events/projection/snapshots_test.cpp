#include "events/projection/snapshots.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>
#include <utility>

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
    snapshots_ = open_as("");
  }
  /// What a node among others opens in the same folder.
  std::unique_ptr<Snapshots> open_as(const std::string& taker, const ManifestKey& key = {}) {
    auto opened = Snapshots::open(root_ / "snapshots", {.log = counting_,
                                                        .clock = clock_,
                                                        .random = random_,
                                                        .report =
                                                            [this](const std::string& line) {
                                                              lines_.push_back(line);
                                                              if (reported_) reported_();
                                                            },
                                                        .has_room =
                                                            [this](std::uint64_t bytes) {
                                                              asked_room_ = bytes;
                                                              return room_;
                                                            },
                                                        .taker = taker,
                                                        .key = key});
    EXPECT_TRUE(opened) << opened.error().message();
    return std::move(*opened);
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
  static std::filesystem::path content_of(const Snapshot& snapshot) { return snapshot.folder / content_name; }
  static std::filesystem::path manifest_of(const Snapshot& snapshot) { return snapshot.folder / manifest_name; }
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
  std::function<void()> reported_;
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
  EXPECT_EQ(taken.bytes, std::filesystem::file_size(content_of(taken)));
  auto parsed = parse_snapshot(to_text(taken));
  ASSERT_TRUE(parsed);
  parsed->folder = taken.folder;
  EXPECT_EQ(*parsed, taken);
  EXPECT_EQ(*snapshots_->list(shard), std::vector{taken});
  open_snapshots();
  EXPECT_EQ(*snapshots_->list(shard), std::vector{taken}) << "another process finds it";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(taken.folder), {}), 2) << "the manifest and the content";
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
  change_byte(content_of(newer), newer.bytes / 2);
  expect_start_at(10);
  expect_line("at lsn 20");
  std::filesystem::resize_file(content_of(newer), newer.bytes - 4096);
  expect_start_at(10);
  expect_line("is damaged");
  std::filesystem::remove(content_of(newer));
  expect_start_at(10);
  expect_line("/data.mdb': No such file or directory");
  change_byte(manifest_of(newer), 40);
  expect_start_at(10);
  expect_line(manifest_of(newer).string() + ": line");
  change_byte(content_of(older), 0);
  expect_start_at(0);
}

TEST_F(SnapshotsTest, one_of_another_log_or_ahead_of_it_is_refused) {
  take_behind(10);
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
  std::filesystem::copy(root_ / "snapshots/4", root_ / "snapshots/5", std::filesystem::copy_options::recursive);
  const auto found = read_manifests(root_ / "snapshots", record::ShardId(5));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->snapshots.empty());
  ASSERT_EQ(found->unreadable.size(), 1U);
  EXPECT_NE(found->unreadable[0].why.find("it is of shard 4"), std::string::npos);
}

TEST_F(SnapshotsTest, the_newest_are_kept_and_the_others_removed_as_a_whole) {
  const Snapshot first = take_behind(5);
  const Snapshot second = take_behind(5);
  const Snapshot third = take_behind(5);
  ASSERT_TRUE(snapshots_->keep_newest(shard, 2));
  const auto kept = read_manifests(root_ / "snapshots", shard)->snapshots;
  EXPECT_EQ(kept, (std::vector{third, second}));
  EXPECT_FALSE(std::filesystem::exists(first.folder));
  EXPECT_TRUE(std::filesystem::exists(content_of(second)));
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

TEST_F(SnapshotsTest, one_with_a_manifest_that_cannot_be_read_stays_until_it_is_older_than_all_that_are_kept) {
  const Snapshot taken = take_behind(5);
  const auto whole = base::read_file(manifest_of(taken), 10'000);
  std::ofstream(manifest_of(taken)) << "travertine snapshot 7\nof a later version\n";
  open_snapshots();
  ASSERT_TRUE(snapshots_->keep_newest(shard, 1));
  expect_start_at(0);
  expect_line("line 1 is not 'travertine snapshot 1'");
  std::ofstream(manifest_of(taken)) << base::as_text(*whole);
  expect_start_at(5);
  std::ofstream(manifest_of(taken)) << "travertine snapshot 7\nof a later version\n";
  take_behind(5);
  ASSERT_TRUE(snapshots_->keep_newest(shard, 1));
  EXPECT_FALSE(std::filesystem::exists(taken.folder));
  expect_start_at(10);
}

// What a crash between any two steps leaves: a copy without its manifest, or a part of a copy, in a folder of its own.
TEST_F(SnapshotsTest, a_half_written_one_is_never_used_and_goes_when_its_taker_comes_back) {
  const Snapshot taken = take_behind(10);
  const std::filesystem::path half = root_ / "snapshots/.taking-node-1/0011223344556677";
  std::filesystem::create_directories(half);
  std::filesystem::copy(content_of(taken), half / content_name);
  std::filesystem::resize_file(half / content_name, taken.bytes / 2);
  append(5);
  ASSERT_TRUE(live_->catch_up(log_));
  expect_start_at(10);
  EXPECT_TRUE(lines_.empty()) << lines_.front();
  const auto other = open_as("node-2");
  EXPECT_TRUE(other->take(*live_));
  EXPECT_TRUE(std::filesystem::exists(half)) << "another taker may be at it";
  const auto same = open_as("node-1");
  EXPECT_FALSE(std::filesystem::exists(half));
  expect_start_at(15);
}

TEST_F(SnapshotsTest, what_a_taker_left_that_does_not_come_back_goes_a_day_later) {
  const Snapshot taken = take_behind(10);
  const std::filesystem::path taking = root_ / "snapshots/.taking-node-1";
  std::filesystem::create_directories(taking / "0011223344556677");
  const timespec begun{.tv_sec = static_cast<time_t>(clock_.now().ns() / 1'000'000'000), .tv_nsec = 0};
  ASSERT_EQ(::utimensat(AT_FDCWD, taking.c_str(), std::array{begun, begun}.data(), 0), 0);
  const auto other = open_as("node-2");
  clock_.advance(std::chrono::hours(23));
  ASSERT_TRUE(other->remove_left_over());
  EXPECT_TRUE(std::filesystem::exists(taking)) << "its taker may be at it";
  clock_.advance(std::chrono::hours(2));
  ASSERT_TRUE(open_as("node-1x")->remove_left_over());
  EXPECT_FALSE(std::filesystem::exists(taking));
  EXPECT_TRUE(std::filesystem::exists(taken.folder));
  expect_start_at(10);
}

TEST_F(SnapshotsTest, a_new_node_begins_with_what_another_one_took_and_reads_the_tail_alone) {
  const base::Digest key = base::sha256(base::as_bytes("of the cluster"));
  snapshots_ = open_as("node-1", key);
  take_behind(20);
  append(10);
  ASSERT_TRUE(live_->catch_up(log_));
  snapshots_ = open_as("node-2", key);
  counting_.first_read = Lsn(1'000'000);
  expect_start_at(20);
  EXPECT_EQ(counting_.first_read, Lsn(20)) << "nothing before the snapshot's record is read";
  EXPECT_TRUE(lines_.empty()) << lines_.front();
}

TEST_F(SnapshotsTest, one_that_is_not_sealed_by_the_nodes_is_refused_and_no_seal_is_shown) {
  const base::Digest key = base::sha256(base::as_bytes("of the cluster"));
  const Snapshot planted = take_behind(10);
  snapshots_ = open_as("node-1", key);
  expect_start_at(0);
  expect_line("is not 'seal …'");
  const Snapshot sealed = take_behind(10);
  expect_start_at(20);
  snapshots_ = open_as("node-1", base::sha256(base::as_bytes("of another one")));
  expect_start_at(0);
  const std::string text(base::as_text(*base::read_file(manifest_of(sealed), 10'000)));
  const std::string seal = text.substr(text.rfind("seal ") + 5, 64);
  for (const std::string& line : lines_) EXPECT_EQ(line.find(seal), std::string::npos) << line;
}

// The one that was seen first is damaged; when that is reported, the owner has gone on and removed it and the other.
TEST_F(SnapshotsTest, one_that_is_removed_while_another_node_reads_makes_way_for_what_came_since) {
  const Snapshot first = take_behind(10);
  const Snapshot second = take_behind(10);
  change_byte(content_of(second), second.bytes / 2);
  const auto owner = open_as("node-1");
  bool is_first = true;
  reported_ = [&] {
    if (!std::exchange(is_first, false)) return;
    append(10);
    ASSERT_TRUE(live_->catch_up(log_));
    ASSERT_TRUE(owner->take(*live_));
    ASSERT_TRUE(owner->keep_newest(shard, 1));
    EXPECT_FALSE(std::filesystem::exists(first.folder) || std::filesystem::exists(second.folder));
  };
  expect_start_at(30);
}

TEST_F(SnapshotsTest, two_that_take_and_remove_at_once_leave_whole_ones_and_the_newest) {
  take_behind(50);
  std::vector<std::thread> takers;
  for (const char* name : {"node-1", "node-2"}) {
    takers.emplace_back([&, name] {
      const auto own = open_as(name);
      for (int i = 0; i < 20; ++i) {
        const auto one = own->take(*live_);
        EXPECT_TRUE(one) << one.error().message();
        const auto kept = own->keep_newest(shard, 2);
        EXPECT_TRUE(kept) << kept.error().message();
        const auto left = own->list(shard);
        EXPECT_TRUE(left && !left->empty());
      }
    });
  }
  for (std::thread& one : takers) one.join();
  EXPECT_EQ(*snapshots_->oldest_good(shard, live_->layout(), 2), Lsn(50));
  EXPECT_EQ(snapshots_->list(shard)->size(), 2U);
  EXPECT_TRUE(lines_.empty()) << lines_.front();
  expect_start_at(50);
}

// It lost the shard while it was taking, and comes late.
TEST_F(SnapshotsTest, one_that_comes_late_removes_none_of_the_new_owner_whatever_the_clocks_say) {
  const Snapshot early = take_behind(10);
  clock_.step(-std::chrono::hours(5));
  const Snapshot second = take_behind(10);
  const Snapshot third = take_behind(10);
  ASSERT_LT(third.taken, early.taken);
  const auto late = open_as("node-1");
  ASSERT_TRUE(late->keep_newest(shard, 2));
  EXPECT_EQ(*snapshots_->list(shard), (std::vector{third, second}));
}

TEST_F(SnapshotsTest, the_oldest_good_one_counts_only_those_that_can_be_restored) {
  EXPECT_EQ(*snapshots_->oldest_good(shard, "none", 1), std::nullopt);
  const Snapshot first = take_behind(5);
  const Snapshot second = take_behind(5);
  EXPECT_EQ(*snapshots_->oldest_good(shard, live_->layout(), 2), Lsn(5));
  EXPECT_EQ(*snapshots_->oldest_good(shard, live_->layout(), 3), std::nullopt);
  EXPECT_EQ(*snapshots_->oldest_good(shard, "another layout", 1), std::nullopt);
  lines_.clear();
  change_byte(content_of(first), 9);
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
    std::filesystem::remove_all(one.folder);
  }
}

}  // namespace
}  // namespace trv::projection
