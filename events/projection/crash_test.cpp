// kill -9 against the embedded log and its projection: what was acknowledged is there, and replay equals live.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "events/projection/example_projector.hpp"
#include "events/projection/projection.hpp"
#include "events/projection/snapshots.hpp"
#include "events/record/chain.hpp"
#include "sdk/base/random.hpp"

namespace trv::projection {
namespace {

using record::Lsn;

const record::ShardId shard(0);

ProjectionOptions options_in(const std::filesystem::path& folder) {
  ProjectionOptions options;
  options.folder = folder;
  return options;
}

/// Appends, applies and reports every acknowledged lsn until it is killed. Leaves only on a failure.
[[noreturn]] void work_until_killed(const std::filesystem::path& root, int report, std::uint64_t seed) {
  base::SimulatedRandom random(seed);
  ExampleProjector projector;
  auto log = log::LmdbEventLog::open(root / "log");
  if (!log) ::_exit(10);
  auto projection = Projection::open(options_in(root / "projection"), shard, {&projector});
  if (!projection) ::_exit(11);
  const auto claim = (*log)->claim(shard, "node", base::Uuid());
  if (!claim || !(*projection)->catch_up(**log)) ::_exit(12);
  if ((*projection)->applied().lsn.next() != claim->next) ::_exit(13);
  log::LogWriter writer(*claim);
  while (true) {
    log::Batch batch = writer.batch(1 + random.below(20), random.below(600));
    auto txn = (*projection)->begin();
    if (!txn) ::_exit(14);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto record = record::RecordView::over(batch.at(i));
      if (!(*projection)->apply(*txn, *record, record::hash_of(batch.at(i)))) ::_exit(15);
    }
    if (!(*projection)->seal(*txn)) ::_exit(19);
    const auto ticket = (*log)->append(*claim, std::move(batch));
    const auto settled = (*log)->settle(*ticket);
    if (!settled || settled->outcome != log::Outcome::appended) ::_exit(16);
    if (!(*projection)->commit(std::move(*txn), settled->position)) ::_exit(17);
    const std::uint64_t last = settled->last.value();
    if (::write(report, &last, sizeof last) != sizeof last) ::_exit(18);
  }
}

TEST(CrashTest, what_was_acknowledged_survives_kill_9_and_replay_equals_live) {
  constexpr int rounds = 20;
  const std::filesystem::path root = std::filesystem::path(testing::TempDir()) / fmt::format("crash_{}", ::getpid());
  std::filesystem::remove_all(root);
  base::SimulatedRandom random(99);
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(report[0]);
      work_until_killed(root, report[1], static_cast<std::uint64_t>(round));
    }
    ::close(report[1]);
    // The first report means that it is at work; a pipe full of reports would hold it up, so they are drained
    // meanwhile.
    std::thread killer;
    std::uint64_t last = 0;
    while (::read(report[0], &last, sizeof last) == sizeof last) {
      ASSERT_GT(last, acknowledged);
      acknowledged = last;
      if (!killer.joinable()) {
        killer = std::thread([child, wait = std::chrono::microseconds(random.below(40'000))] {
          std::this_thread::sleep_for(wait);
          ::kill(child, SIGKILL);
        });
      }
    }
    if (killer.joinable()) killer.join();
    ::close(report[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "exit code " << WEXITSTATUS(status);

    auto log = log::LmdbEventLog::open(root / "log");
    ASSERT_TRUE(log) << log.error().message();
    const Lsn end = (*log)->bounds(shard)->last;
    ASSERT_GE(end, Lsn(acknowledged));
    record::ChainVerifier chain(shard);
    auto reader = (*log)->read(shard, Lsn(1));
    while (chain.last() < end) {
      const auto stored = (*reader)->next(base::Duration::zero());
      ASSERT_TRUE(stored.has_value() && stored->has_value());
      const base::Status status_of_chain = chain.accept(*record::RecordView::over((*stored)->bytes));
      ASSERT_TRUE(status_of_chain) << status_of_chain.error().message();
    }

    ExampleProjector live;
    auto projection = Projection::open(options_in(root / "projection"), shard, {&live});
    ASSERT_TRUE(projection) << projection.error().message();
    EXPECT_EQ((*projection)->open_report().kind, OpenReport::Kind::reused) << (*projection)->open_report().reason;
    EXPECT_LE((*projection)->applied().lsn, end) << "the log leads";
    const auto caught_up = (*projection)->catch_up(**log);
    ASSERT_TRUE(caught_up) << caught_up.error().message();
    EXPECT_FALSE(caught_up->rebuilt) << caught_up->reason;
    ExampleProjector replayed;
    std::filesystem::remove_all(root / "replayed");
    auto rebuilt = Projection::open(options_in(root / "replayed"), shard, {&replayed});
    ASSERT_TRUE(rebuilt && (*rebuilt)->catch_up(**log));
    EXPECT_EQ(*(*projection)->content_digest(), *(*rebuilt)->content_digest());
  }
  std::filesystem::remove_all(root);
}

/// What a process needs to take snapshots of a log's projections, and to begin with one.
struct World {
  explicit World(const std::filesystem::path& root) {
    auto opened = log::LmdbEventLog::open(root / "log");
    if (!opened) return;
    log = std::move(*opened);
    auto found = Snapshots::open(root / "snapshots",
                                 {.log = *log, .clock = clock, .random = random, .report = [](const std::string&) {}});
    if (found) snapshots = std::move(*found);
  }
  [[nodiscard]] base::Result<std::unique_ptr<Projection>> open(const std::filesystem::path& folder) {
    ProjectionOptions options = options_in(folder);
    options.snapshots = snapshots.get();
    return Projection::open(options, shard, {&projector});
  }

  base::SystemClock clock;
  base::SystemRandom random;
  std::unique_ptr<log::LmdbEventLog> log;
  std::unique_ptr<Snapshots> snapshots;
  ExampleProjector projector;
};

/// Forks, lets the child work until it has written a byte and some time longer, and kills it.
template <typename Work>
void kill_in(const Work& work, std::chrono::microseconds wait) {
  int report[2];
  ASSERT_EQ(::pipe(report), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(report[0]);
    work(report[1]);
    ::_exit(9);
  }
  ::close(report[1]);
  char byte = 0;
  EXPECT_EQ(::read(report[0], &byte, 1), 1);
  std::this_thread::sleep_for(wait);
  ::kill(child, SIGKILL);
  ::close(report[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
}

class SnapshotCrashTest : public testing::Test {
 protected:
  SnapshotCrashTest() : root_(std::filesystem::path(testing::TempDir()) / fmt::format("snaps_{}", ::getpid())) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~SnapshotCrashTest() override { std::filesystem::remove_all(root_); }

  /// Some thousand records in the log, and a projection at its end.
  base::Digest fill(std::size_t batches) {
    World world(root_);
    const auto claim = world.log->claim(shard, "node", base::Uuid());
    log::LogWriter writer(*claim);
    for (std::size_t i = 0; i < batches; ++i) {
      EXPECT_TRUE(world.log->settle(*world.log->append(*claim, writer.batch(500, 100))));
    }
    auto projection = world.open(root_ / "whole");
    EXPECT_TRUE(projection && (*projection)->catch_up(*world.log));
    return *(*projection)->content_digest();
  }

  std::filesystem::path root_;
  base::SimulatedRandom random_{7};
};

TEST_F(SnapshotCrashTest, a_kill_at_any_moment_of_taking_leaves_whole_snapshots_only) {
  constexpr int rounds = 20;
  const base::Digest wanted = fill(8);
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    kill_in(
        [&](int report) {
          World world(root_);
          if (!world.snapshots) ::_exit(10);
          auto projection = world.open(root_ / "whole");
          if (!projection) ::_exit(11);
          for (int turn = 0;; ++turn) {
            if (!world.snapshots->take(**projection)) ::_exit(12);
            if (!world.snapshots->keep_newest(shard, 1)) ::_exit(13);
            if (turn == 0 && ::write(report, "s", 1) != 1) ::_exit(14);
          }
        },
        std::chrono::microseconds(random_.below(20'000)));
    World world(root_);
    ASSERT_TRUE(world.snapshots);
    const auto manifests = read_manifests(root_ / "snapshots", shard);
    ASSERT_TRUE(manifests);
    EXPECT_GE(manifests->snapshots.size(), 1U);
    EXPECT_LE(manifests->snapshots.size(), 2U) << "it was killed before it removed the older one";
    EXPECT_TRUE(manifests->unreadable.empty());
    auto restored = world.open(root_ / "restored");
    ASSERT_TRUE(restored) << restored.error().message();
    EXPECT_EQ((*restored)->open_report().kind, OpenReport::Kind::restored);
    EXPECT_EQ(*(*restored)->content_digest(), wanted);
    restored->reset();
    std::filesystem::remove_all(root_ / "restored");
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / "snapshots"))
      files += entry.is_regular_file() ? 1 : 0;
    EXPECT_EQ(files, 2 * manifests->snapshots.size()) << "a manifest and a content for each; the rest was removed";
  }
}

TEST_F(SnapshotCrashTest, a_kill_at_any_moment_of_restoring_costs_nothing_but_time) {
  constexpr int rounds = 20;
  const base::Digest wanted = fill(8);
  {
    World world(root_);
    auto projection = world.open(root_ / "whole");
    ASSERT_TRUE(projection && world.snapshots->take(**projection));
  }
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    kill_in(
        [&](int report) {
          World world(root_);
          if (!world.snapshots) ::_exit(10);
          for (int turn = 0;; ++turn) {
            if (turn == 0 && ::write(report, "s", 1) != 1) ::_exit(14);
            auto projection = world.open(root_ / "restored");
            if (!projection || !(*projection)->catch_up(*world.log)) ::_exit(11);
            projection->reset();
            std::filesystem::remove(root_ / "restored" / "stamp");
          }
        },
        std::chrono::microseconds(random_.below(20'000)));
    World world(root_);
    auto restored = world.open(root_ / "restored");
    ASSERT_TRUE(restored) << restored.error().message();
    const auto caught_up = (*restored)->catch_up(*world.log);
    ASSERT_TRUE(caught_up) << caught_up.error().message();
    EXPECT_EQ(*(*restored)->content_digest(), wanted);
    EXPECT_FALSE(std::filesystem::exists(root_ / "restored" / "data.mdb.restored"));
    restored->reset();
    if (round % 3 == 0) std::filesystem::remove_all(root_ / "restored");
  }
}

}  // namespace
}  // namespace trv::projection
