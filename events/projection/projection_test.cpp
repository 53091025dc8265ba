#include "events/projection/projection.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "events/log/in_memory_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "events/projection/example_projector.hpp"
#include "events/projection/known_events.hpp"
#include "events/projection/snapshots.hpp"
#include "events/projection/stamp.hpp"
#include "sdk/base/random.hpp"

namespace trv::projection {
namespace {

using base::ErrorCode;
using record::Lsn;

const record::ShardId shard(4);

class ProjectionTest : public testing::Test {
 protected:
  ProjectionTest() : root_(std::filesystem::path(testing::TempDir()) / fmt::format("projection_{}", ::getpid())) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~ProjectionTest() override { std::filesystem::remove_all(root_); }

  ProjectionOptions options(const std::string& name, const std::string& boot_id = "boot-1") const {
    ProjectionOptions options;
    options.folder = root_ / name;
    options.boot_id = [boot_id] { return boot_id; };
    return options;
  }
  static std::unique_ptr<Projection> open(ProjectionOptions options, Projector& projector) {
    auto projection = Projection::open(std::move(options), shard, {&projector});
    EXPECT_TRUE(projection.has_value()) << projection.error().message();
    return std::move(*projection);
  }
  ProjectionOptions with_snapshots(const std::string& name, const std::string& boot_id = "boot-1") {
    ProjectionOptions with = options(name, boot_id);
    with.snapshots = &snapshots();
    return with;
  }
  /// Of log_; as a new process finds them.
  Snapshots& reopened_snapshots() {
    snapshots_.reset();
    return snapshots();
  }
  Snapshots& snapshots() {
    if (!snapshots_) {
      auto opened =
          Snapshots::open(root_ / "snapshots", {.log = log_,
                                                .clock = clock_,
                                                .random = random_,
                                                .report = [this](const std::string& line) { lines_ += line + "\n"; },
                                                .has_room = {}});
      EXPECT_TRUE(opened) << opened.error().message();
      snapshots_ = std::move(*opened);
    }
    return *snapshots_;
  }
  log::LogWriter claimed() { return log::LogWriter(*log_.claim(shard, "node", base::Uuid())); }
  void append(log::LogWriter& writer, std::size_t count) {
    ASSERT_EQ(log_.settle(*log_.append(writer.claim(), writer.batch(count)))->outcome, log::Outcome::appended);
  }
  /// The live path: apply, seal, append, settle, commit.
  void live(Projection& projection, log::LogWriter& writer, std::size_t count) {
    log::Batch batch = writer.batch(count, count * 7);
    auto txn = projection.begin();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto record = record::RecordView::over(batch.at(i));
      const base::Status applied = projection.apply(*txn, *record, record::hash_of(record->stored()));
      ASSERT_TRUE(applied) << applied.error().message();
    }
    ASSERT_TRUE(projection.seal(*txn));
    const auto settled = log_.settle(*log_.append(writer.claim(), std::move(batch)));
    ASSERT_EQ(settled->outcome, log::Outcome::appended);
    ASSERT_TRUE(projection.commit(std::move(*txn), settled->position));
  }
  /// What a killed process leaves: the files as they are, without close().
  void copy_files(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(root_ / to);
    std::filesystem::create_directories(root_ / to);
    for (const char* name : {"data.mdb", "stamp"}) {
      std::filesystem::copy_file(root_ / from / name, root_ / to / name);
    }
  }

  std::filesystem::path root_;
  log::InMemoryEventLog log_;
  base::SimulatedClock clock_{base::Timestamp(1'790'000'000'000'000'000)};
  base::SystemRandom random_;
  std::string lines_;  ///< that were reported
  std::unique_ptr<Snapshots> snapshots_;
};

class ReplayTest : public ProjectionTest, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(ReplayTest, replay_equals_live) {
  base::SimulatedRandom random(GetParam());
  ExampleProjector projector;
  auto projection = open(options("live"), projector);
  std::optional<base::Digest> at_snapshot;
  log::LogWriter writer = claimed();
  for (int decision = 0; decision < 60; ++decision) {
    if (random.below(8) == 0) writer = claimed();
    live(*projection, writer, 1 + random.below(20));
    if (decision == 30) {
      ASSERT_TRUE(snapshots().take(*projection));
      at_snapshot = *projection->content_digest();
    }
  }
  const base::Digest wanted = *projection->content_digest();

  ExampleProjector replayed;
  auto rebuilt = open(options("rebuilt"), replayed);
  ASSERT_TRUE(rebuilt->catch_up(log_));
  EXPECT_EQ(*rebuilt->content_digest(), wanted);
  EXPECT_EQ(rebuilt->applied(), projection->applied());

  ExampleProjector restored;
  auto from_snapshot = open(with_snapshots("restored"), restored);
  EXPECT_EQ(from_snapshot->open_report().kind, OpenReport::Kind::restored);
  EXPECT_EQ(*from_snapshot->content_digest(), *at_snapshot);
  ASSERT_TRUE(from_snapshot->catch_up(log_));
  EXPECT_EQ(*from_snapshot->content_digest(), wanted);

  ASSERT_TRUE(projection->rebuild(log_));
  EXPECT_EQ(*projection->content_digest(), wanted);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReplayTest, testing::Values(1, 2, 3));

TEST_F(ProjectionTest, the_digest_catches_a_projector_that_replay_does_not_reproduce) {
  ExampleProjector projector;
  auto projection = open(options("live"), projector);
  log::LogWriter writer = claimed();
  live(*projection, writer, 3);
  const base::Digest right = *projection->content_digest();
  projector.salt = 1;
  ASSERT_TRUE(projection->rebuild(log_));
  EXPECT_NE(*projection->content_digest(), right);
}

TEST_F(ProjectionTest, what_is_not_committed_is_not_there) {
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  log::LogWriter writer = claimed();
  live(*projection, writer, 2);
  const log::Batch batch = writer.batch(1);
  {
    auto txn = projection->begin();
    const auto record = record::RecordView::over(batch.at(0));
    ASSERT_TRUE(projection->apply(*txn, *record, record::hash_of(record->stored())));
    EXPECT_EQ(*projector.stream_count(txn->txn()), 3);
    EXPECT_EQ(txn->applied().lsn, Lsn(3));
    auto reader = projection->begin_read();
    EXPECT_EQ(*projector.stream_count(*reader), 2);
  }
  EXPECT_EQ(projection->applied().lsn, Lsn(2));
  auto reader = projection->begin_read();
  EXPECT_EQ(*projector.stream_count(*reader), 2);
}

TEST_F(ProjectionTest, a_record_that_does_not_follow_is_refused) {
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  log::LogWriter writer = claimed();
  live(*projection, writer, 2);
  record::RecordEncoder encoder;
  std::string type = "example.happened";
  std::uint16_t version = 9;
  const auto refused = [&](record::ShardId of, std::uint64_t lsn, std::uint64_t epoch, const base::Digest& prev) {
    auto txn = projection->begin();
    record::Draft draft = record::example_draft(lsn);
    draft.type = type;
    draft.schema_version = version;
    const auto record =
        encoder.encode(draft, {.shard = of, .lsn = Lsn(lsn), .epoch = record::Epoch(epoch), .prev_hash = prev});
    const auto status = projection->apply(*txn, *record, record::hash_of(record->stored()));
    return status ? std::string("taken") : status.error().message();
  };
  const base::Digest last = projection->applied().last_hash;
  EXPECT_NE(refused(record::ShardId(9), 3, 1, last).find("another shard"), std::string::npos);
  EXPECT_NE(refused(shard, 4, 1, last).find("not the next lsn"), std::string::npos);
  EXPECT_NE(refused(shard, 2, 1, last).find("not the next lsn"), std::string::npos);
  EXPECT_NE(refused(shard, 3, 1, {}).find("prev_hash"), std::string::npos);
  EXPECT_EQ(refused(shard, 3, 1, last), "taken");
  // What a later version of the kernel wrote.
  type = "trv.example.happened";
  EXPECT_NE(refused(shard, 3, 1, last).find("lsn 3 of shard 4 has the event type trv.example.happened, which"),
            std::string::npos);
  type = "trv.tenant.created";
  EXPECT_NE(refused(shard, 3, 1, last).find("has version 9 of the event type trv.tenant.created, which"),
            std::string::npos);
  version = schema_version_known;
  EXPECT_EQ(refused(shard, 3, 1, last), "taken");
}

TEST_F(ProjectionTest, what_a_later_version_wrote_ends_the_replay_and_leaves_what_came_before) {
  ExampleProjector projector;
  const auto projection = open(options("live"), projector);
  log::LogWriter writer = claimed();
  live(*projection, writer, 2);
  EXPECT_FALSE(projection->is_outdated());
  append(writer, 3);
  ASSERT_TRUE(projection->catch_up(log_));
  record::Draft draft = record::example_draft(6);
  draft.type = "trv.example.happened";
  record::RecordEncoder encoder;
  const log::Claim claim = *log_.claim(shard, "later", base::Uuid());
  log::Batch batch;
  batch.add(
      *encoder.encode(draft, {.shard = shard, .lsn = claim.next, .epoch = claim.epoch, .prev_hash = claim.last_hash}));
  ASSERT_TRUE(log_.settle(*log_.append(claim, std::move(batch))));
  const auto refused = projection->catch_up(log_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::invalid) << refused.error().message();
  EXPECT_TRUE(projection->is_outdated());
  EXPECT_EQ(projection->applied().lsn, Lsn(5));
}

TEST_F(ProjectionTest, a_failing_projector_is_named_and_changes_nothing) {
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  log::LogWriter writer = claimed();
  append(writer, 5);
  projector.before_apply = [](const record::RecordView& record) -> base::Status {
    if (record.lsn() == Lsn(4)) return base::fail(ErrorCode::internal, "cannot");
    return {};
  };
  const auto failed = projection->catch_up(log_);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "projector example, shard 4, lsn 4: cannot");
  EXPECT_EQ(projection->applied().lsn, Lsn(0));
  projector.before_apply = nullptr;
  EXPECT_EQ(projection->catch_up(log_)->to, Lsn(5));
}

TEST_F(ProjectionTest, a_killed_process_loses_nothing_but_a_machine_that_went_down_costs_a_rebuild) {
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  EXPECT_EQ(projection->open_report().kind, OpenReport::Kind::created);
  log::LogWriter writer = claimed();
  live(*projection, writer, 3);
  copy_files("p", "same-boot");
  copy_files("p", "other-boot");
  {
    ExampleProjector own;
    const auto reopened = open(options("same-boot", "boot-1"), own);
    EXPECT_EQ(reopened->open_report().kind, OpenReport::Kind::reused);
    EXPECT_EQ(reopened->applied(), projection->applied());
  }
  {
    ExampleProjector own;
    const auto reopened = open(options("other-boot", "boot-2"), own);
    EXPECT_EQ(reopened->open_report().kind, OpenReport::Kind::discarded);
    EXPECT_NE(reopened->open_report().reason.find("machine went down"), std::string::npos);
    EXPECT_EQ(reopened->applied(), Applied{});
    EXPECT_EQ(reopened->catch_up(log_)->to, Lsn(3));
    EXPECT_EQ(*reopened->content_digest(), *projection->content_digest());
  }
  ASSERT_TRUE(projection->close());
  projection.reset();
  const auto reopened = open(options("p", "boot-2"), projector);
  EXPECT_EQ(reopened->open_report().kind, OpenReport::Kind::reused) << "a clean end survives a restart of the machine";
  EXPECT_EQ(reopened->applied().lsn, Lsn(3));
}

TEST_F(ProjectionTest, a_snapshot_saves_the_rebuild_from_the_beginning) {
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  log::LogWriter writer = claimed();
  live(*projection, writer, 3);
  ASSERT_TRUE(snapshots().take(*projection));
  live(*projection, writer, 2);
  copy_files("p", "crashed");

  ExampleProjector own;
  auto restored = open(with_snapshots("crashed", "boot-2"), own);
  EXPECT_EQ(restored->open_report().kind, OpenReport::Kind::restored);
  EXPECT_NE(restored->open_report().reason.find("machine went down"), std::string::npos);
  EXPECT_EQ(restored->applied().lsn, Lsn(3));
  const auto caught_up = restored->catch_up(log_);
  EXPECT_EQ(caught_up->from, Lsn(3));
  EXPECT_EQ(caught_up->to, Lsn(5));
  EXPECT_EQ(*restored->content_digest(), *projection->content_digest());
}

TEST_F(ProjectionTest, what_other_projectors_made_is_discarded) {
  ExampleProjector old(1);
  {
    auto projection = open(options("p"), old);
    log::LogWriter writer = claimed();
    live(*projection, writer, 3);
    ASSERT_TRUE(snapshots().take(*projection));
  }
  ExampleProjector young(2);
  const auto projection = open(with_snapshots("p"), young);
  EXPECT_EQ(projection->open_report().kind, OpenReport::Kind::discarded) << "the snapshot is of the old layout too";
  EXPECT_NE(projection->open_report().reason.find("'shard=4 example=1', now 'shard=4 example=2'"), std::string::npos);
  EXPECT_EQ(projection->catch_up(log_)->to, Lsn(3));
}

TEST_F(ProjectionTest, damaged_files_are_discarded) {
  {
    ExampleProjector projector;
    auto projection = open(options("p"), projector);
    log::LogWriter writer = claimed();
    live(*projection, writer, 1);
  }
  std::ofstream(root_ / "p" / "data.mdb") << std::string(20'000, 'z');
  {
    ExampleProjector projector;
    const auto projection = open(options("p"), projector);
    EXPECT_EQ(projection->open_report().kind, OpenReport::Kind::discarded);
    EXPECT_EQ(projection->catch_up(log_)->to, Lsn(1));
  }
  std::ofstream(root_ / "p" / "stamp") << "nonsense";
  ExampleProjector projector;
  EXPECT_NE(open(options("p"), projector)->open_report().reason.find("stamp"), std::string::npos);
}

TEST_F(ProjectionTest, a_projection_that_contradicts_its_log_is_rebuilt) {
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  log::LogWriter writer = claimed();
  live(*projection, writer, 3);

  log::InMemoryEventLog shorter;
  log::LogWriter other(*shorter.claim(shard, "node", base::Uuid()));
  ASSERT_TRUE(shorter.settle(*shorter.append(other.claim(), other.batch(2, 5))));
  auto caught_up = projection->catch_up(shorter);
  ASSERT_TRUE(caught_up);
  EXPECT_TRUE(caught_up->rebuilt);
  EXPECT_NE(caught_up->reason.find("is at lsn 3, the log ends at 2"), std::string::npos);
  EXPECT_EQ(projection->applied().lsn, Lsn(2));

  caught_up = projection->catch_up(log_);
  ASSERT_TRUE(caught_up);
  EXPECT_TRUE(caught_up->rebuilt);
  EXPECT_NE(caught_up->reason.find("another record with lsn 2"), std::string::npos);
  EXPECT_EQ(projection->applied().lsn, Lsn(3));
}

TEST_F(ProjectionTest, a_new_owner_stops_before_its_claim) {
  log::LogWriter first = claimed();
  append(first, 3);
  const log::LogWriter second = claimed();
  log::LogWriter third = claimed();
  append(third, 2);
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  const Lsn before(second.claim().next.value() - 1);
  EXPECT_EQ(projection->catch_up_to(log_, before)->to, Lsn(3));
  EXPECT_EQ(projection->applied().last_hash, second.claim().last_hash);
  EXPECT_EQ(projection->catch_up(log_)->to, Lsn(5));
}

TEST_F(ProjectionTest, a_torn_decision_is_never_projected) {
  log::LogWriter writer = claimed();
  append(writer, 1);
  log_.tear_next_settle(shard, 2);
  ASSERT_FALSE(log_.settle(*log_.append(writer.claim(), writer.batch(3, 64, log::Ends::last))));
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  ASSERT_TRUE(projection->catch_up(log_));
  EXPECT_EQ(projection->applied().lsn, Lsn(1));
  log::LogWriter after = claimed();
  append(after, 1);
  ASSERT_TRUE(projection->catch_up(log_));
  EXPECT_EQ(projection->applied().lsn, Lsn(2));
  EXPECT_EQ(projection->applied().epoch, after.claim().epoch);
}

TEST_F(ProjectionTest, the_applied_row_keeps_time_and_position_of_the_last_record) {
  log::LogWriter writer = claimed();
  append(writer, 9);
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  ASSERT_TRUE(projection->catch_up(log_));
  const Applied applied = projection->applied();
  EXPECT_EQ(applied.time, record::example_draft(9).time);
  const std::uint64_t before = log_.entries_read();
  EXPECT_EQ((*(*log_.read(shard, Lsn(9), applied.position))->next(base::Duration::zero()))->lsn, Lsn(9));
  EXPECT_EQ(log_.entries_read() - before, 1U);
  projection.reset();
  projection = open(options("p"), projector);
  EXPECT_EQ(projection->applied(), applied);
}

TEST_F(ProjectionTest, a_trimmed_log_is_followed_from_where_it_begins_and_never_rebuilt_from) {
  log::LogWriter writer = claimed();
  append(writer, 20);
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  ASSERT_TRUE(projection->catch_up(log_));
  append(writer, 10);
  ASSERT_TRUE(log_.trim(shard, Lsn(21)));
  ASSERT_TRUE(projection->catch_up(log_));
  EXPECT_EQ(projection->applied().lsn, Lsn(30));
  append(writer, 5);
  ASSERT_TRUE(log_.trim(shard, Lsn(33)));
  EXPECT_EQ(projection->catch_up(log_).error().code(), base::ErrorCode::not_found) << "it lacks lsn 31";
  EXPECT_EQ(projection->rebuild(log_).error().code(), base::ErrorCode::not_found);
  EXPECT_EQ(projection->applied().lsn, Lsn(30)) << "what cannot be rebuilt is kept";
}

TEST_F(ProjectionTest, catching_up_reports_its_progress) {
  log::LogWriter writer = claimed();
  append(writer, 10'000);
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  std::vector<std::uint64_t> seen;
  ASSERT_TRUE(projection->catch_up(log_, [&](Lsn applied, Lsn last) {
    EXPECT_EQ(last, Lsn(10'000));
    seen.push_back(applied.value());
    return base::Status();
  }));
  EXPECT_GE(seen.size(), 2);
  EXPECT_EQ(seen.back(), 10'000);
}

TEST_F(ProjectionTest, a_catch_up_that_is_ended_keeps_what_it_has_applied) {
  log::LogWriter writer = claimed();
  append(writer, 10'000);
  ExampleProjector projector;
  auto projection = open(options("p"), projector);
  const auto ended = projection->catch_up(
      log_, [](Lsn, Lsn) { return base::Status(base::fail(base::ErrorCode::cancelled, "it was enough")); });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), base::ErrorCode::cancelled);
  const Lsn applied = projection->applied().lsn;
  EXPECT_GT(applied, Lsn(0));
  EXPECT_LT(applied, Lsn(10'000));
  const auto rest = projection->catch_up(log_);
  ASSERT_TRUE(rest) << rest.error().message();
  EXPECT_EQ(rest->from, applied);
  EXPECT_EQ(rest->to, Lsn(10'000));
}

TEST_F(ProjectionTest, a_long_catch_up_that_reads_ahead_gives_the_same_bytes) {
  ExampleProjector projector;
  auto projection = open(options("live"), projector);
  log::LogWriter writer = claimed();
  for (int batch = 0; batch < 12; ++batch) live(*projection, writer, 600);
  ExampleProjector replayed;
  auto rebuilt = open(options("rebuilt"), replayed);
  const auto caught_up = rebuilt->catch_up(log_);
  ASSERT_TRUE(caught_up) << caught_up.error().message();
  EXPECT_EQ(caught_up->to, Lsn(7200));
  EXPECT_EQ(*rebuilt->content_digest(), *projection->content_digest());
}

TEST_F(ProjectionTest, what_a_projector_prepared_reaches_it_with_its_record) {
  class Preparing final : public Projector {
   public:
    explicit Preparing(std::string name) : name_(std::move(name)) {}
    std::string_view name() const override { return name_; }
    std::uint32_t layout_version() const override { return 1; }
    base::Status open(lmdb::WriteTxn&) override { return {}; }
    base::Status apply(lmdb::WriteTxn&, const record::RecordView&) override { return {}; }
    void prepare(const record::RecordView& record, std::string& out) const override { out += expected(record); }
    base::Status apply_prepared(lmdb::WriteTxn&, const record::RecordView& record, std::string_view prepared) override {
      EXPECT_EQ(prepared, expected(record));
      ++prepared_count;
      return {};
    }
    std::uint64_t prepared_count = 0;

   private:
    std::string expected(const record::RecordView& record) const {
      return fmt::format("{} {} {}", name_, record.lsn().value(), base::to_hex(record.hash()));
    }
    std::string name_;
  };
  log::LogWriter writer = claimed();
  for (const std::uint64_t count : {5U, 20'000U}) {
    append(writer, count);
    ExampleProjector first;
    Preparing second("second");
    Preparing third("third");
    auto projection = Projection::open(options(fmt::format("p{}", count)), shard, {&first, &second, &third});
    ASSERT_TRUE(projection);
    const auto caught_up = (*projection)->catch_up(log_);
    ASSERT_TRUE(caught_up) << caught_up.error().message();
    EXPECT_EQ(second.prepared_count, caught_up->to.value());
    EXPECT_EQ(third.prepared_count, caught_up->to.value());
  }
}

TEST_F(ProjectionTest, a_long_catch_up_ends_when_a_projector_fails) {
  log::LogWriter writer = claimed();
  for (int batch = 0; batch < 20; ++batch) append(writer, 1000);
  struct Failing final : ExampleProjector {
    base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& record) override {
      if (record.lsn() == Lsn(9000)) return base::fail(ErrorCode::internal, "as asked");
      return ExampleProjector::apply(txn, record);
    }
  } failing;
  auto projection = open(options("failing"), failing);
  const auto caught_up = projection->catch_up(log_);
  ASSERT_FALSE(caught_up);
  EXPECT_EQ(caught_up.error().code(), ErrorCode::internal);
  EXPECT_LT(projection->applied().lsn, Lsn(9000));
}

TEST_F(ProjectionTest, damage_that_is_found_while_it_is_open_costs_a_rebuild) {
  ExampleProjector projector;
  auto projection = open(with_snapshots("p"), projector);
  log::LogWriter writer = claimed();
  for (int i = 0; i < 20; ++i) live(*projection, writer, 100);
  const base::Digest whole = *projection->content_digest();
  ASSERT_TRUE(snapshots().take(*projection));
  {
    // Everything but the two pages that say where the rest is.
    const std::filesystem::path file = root_ / "p" / "data.mdb";
    const std::string zeros(std::filesystem::file_size(file) - 8192, '\0');
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(8192);
    stream << zeros;
  }
  EXPECT_FALSE(projection->is_damaged());
  EXPECT_FALSE(projection->content_digest());
  EXPECT_TRUE(projection->is_damaged());
  projection.reset();
  for (const bool is_marked_from_outside : {false, true}) {
    ExampleProjector own;
    const auto reopened = open(with_snapshots("p"), own);
    EXPECT_EQ(reopened->open_report().kind, OpenReport::Kind::restored);
    EXPECT_EQ(reopened->open_report().reason, "it was found damaged") << is_marked_from_outside;
    EXPECT_EQ(*reopened->content_digest(), whole);
    ASSERT_TRUE(reopened->close());
    ASSERT_TRUE(Projection::distrust(root_ / "p"));
  }
}

TEST_F(ProjectionTest, a_stamp_is_replaced_where_the_disk_has_no_room_for_a_second_file) {
  const std::filesystem::path folder = options("stamped").folder;
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(write_stamp(folder, {.layout = "one", .boot_id = "b", .clean = false}));
  // Nothing can be written under the temporary name.
  std::filesystem::create_directories(folder / "stamp.new" / "occupied");
  ASSERT_TRUE(write_stamp(folder, {.layout = "one", .boot_id = "b", .clean = true}));
  EXPECT_EQ(read_stamp(folder), (Stamp{.layout = "one", .boot_id = "b", .clean = true}));
  std::filesystem::remove(folder / "stamp");
  EXPECT_FALSE(write_stamp(folder, {.layout = "one", .boot_id = "b", .clean = true}));
}

TEST_F(ProjectionTest, the_kernels_boot_id_is_stable) {
  EXPECT_TRUE(kernel_boot_id());
  EXPECT_EQ(*kernel_boot_id(), *kernel_boot_id());
}

}  // namespace
}  // namespace trv::projection
