// Packages from their request to their outcome, whatever the process was doing when it ended.

#include "kernel/plugin_host/package_follower.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "events/log/lmdb_event_log.hpp"
#include "kernel/plugin_host/testing/plugin_host_fixture.hpp"
#include "kernel/shard/shard_processor.hpp"
#include "kernel/shard/timers.hpp"

namespace trv::plugin_host {
namespace {

using tenancy::Package;
using tenancy::PackageStatus;
using testing::HasSubstr;
using namespace std::chrono_literals;

class PackageFollowerTest : public PluginHostTest {
 protected:
  void SetUp() override {
    PluginHostTest::SetUp();
    log_ = *log::LmdbEventLog::open(folder_ / "log", {.map_bytes = std::uint64_t{1} << 30});
    projection_ = *projection::Projection::open({.folder = folder_ / "projection", .map_bytes = std::uint64_t{1} << 30},
                                                log::ShardId(0), {&timers_, &tenancy_});
    shard::ShardListeners listeners;
    listeners.effects = [](const shard::EffectChanges&) {};
    listeners.taken_over = [] {};
    listeners.timer = [](const shard::Timer&) { return shard::Command{}; };
    shard_ = std::make_unique<shard::ShardProcessor>(shard::ShardOptions{}, *log_, *projection_, timers_, clock_,
                                                     random_, std::move(listeners));
    ASSERT_TRUE(shard_->start());
    start_host();
  }
  void TearDown() override {
    follower_.reset();
    shard_.reset();
    projection_.reset();
    log_.reset();
    PluginHostTest::TearDown();
  }

  /// A process that has just started: nothing runs, nothing is followed.
  void start_host(const std::filesystem::path& trial = std::filesystem::path(TRV_BINARY_DIR) / "bin/trav-plugin-host") {
    follower_.reset();
    host_.reset();
    host_ = *PluginHost::start({.trial_program = trial}, *store_, *broker_, clock_, [](const LogLine&) {});
    follower_ = std::make_unique<PackageFollower>(
        FollowedPackages{.platform = *projection_,
                         .tenancy = tenancy_,
                         .store = *store_,
                         .host = *host_,
                         .clock = clock_,
                         .submit = [this](shard::Command command) { shard_->submit(std::move(command)); },
                         .is_owner = [] { return true; },
                         .report = [](const std::string&) {}});
  }
  PackageFollower::Started follow() {
    auto started = follower_->start();
    EXPECT_TRUE(started);
    return started ? *std::move(started) : PackageFollower::Started{};
  }
  base::Result<shard::Applied> decide(const auto& command) {
    std::promise<base::Result<shard::Applied>> promise;
    shard::Command wrapped;
    wrapped.tenant = base::system_tenant();
    wrapped.actor = "token:operator";
    wrapped.decide = [this, &command](const lmdb::Txn& state, shard::DecisionContext& context) {
      return tenancy::decide(tenancy_, state, context, command);
    };
    wrapped.done = [&promise](const base::Result<shard::Applied>& outcome) { promise.set_value(outcome); };
    shard_->submit(std::move(wrapped));
    return promise.get_future().get();
  }
  /// What the handler of a request does.
  Package request(const base::Bytes& bytes) {
    const auto held = *store_->put(bytes);
    const Package package{.plugin = held->manifest.id,
                          .version = held->manifest.version,
                          .package_sha256 = held->package_digest,
                          .package_bytes = held->package_bytes,
                          .library_sha256 = held->library_digest,
                          .manifest = held->manifest.text};
    const auto runs = follower_->runs_as_recorded(held->manifest, held->package_digest);
    EXPECT_TRUE(runs);
    EXPECT_TRUE(decide(tenancy::RequestPackage{package, runs.value_or(true)}));
    follower_->wake();
    return package;
  }
  std::future<Package> awaited(const Package& package, base::Duration patience = 60s) {
    auto promise = std::make_shared<std::promise<Package>>();
    auto future = promise->get_future();
    follower_->await(package, patience, [promise](base::Result<Package> found) {
      EXPECT_TRUE(found);
      promise->set_value(found ? *std::move(found) : Package{});
    });
    return future;
  }
  Package settled(const Package& package) { return awaited(package).get(); }
  void expect_refused(const Package& package, std::string_view reason, ErrorCode code = ErrorCode::invalid) {
    const Package outcome = settled(package);
    ASSERT_EQ(outcome.status, PackageStatus::refused);
    EXPECT_EQ(outcome.refusal->code(), code);
    EXPECT_THAT(outcome.refusal->message(), HasSubstr(reason));
    EXPECT_THAT(outcome.refusal->message(), testing::Not(HasSubstr(folder_.string())));
    expect_nothing_stored();
    EXPECT_FALSE(host_->runs(package.package_sha256));
  }
  void expect_nothing_stored() {
    EXPECT_TRUE(archives_.list(std::nullopt, 10)->empty());
    EXPECT_TRUE(std::filesystem::is_empty(folder_ / "store"));
  }
  std::uint64_t records() { return projection_->applied().lsn.value(); }

  shard::Timers timers_;
  tenancy::TenancyStore tenancy_;
  std::unique_ptr<log::LmdbEventLog> log_;
  std::unique_ptr<projection::Projection> projection_;
  std::unique_ptr<shard::ShardProcessor> shard_;
  std::unique_ptr<PackageFollower> follower_;
};

TEST_F(PackageFollowerTest, a_requested_package_is_loaded_and_its_outcome_recorded) {
  follow();
  const Package package = request(package_of("good"));
  const Package outcome = settled(package);
  EXPECT_EQ(outcome.status, PackageStatus::loaded);
  EXPECT_TRUE(host_->runs(package.package_sha256));
  EXPECT_TRUE(run(call("echo")));
  EXPECT_EQ(records(), 2U);
  // The same again changes nothing.
  EXPECT_EQ(settled(request(package_of("good"))).status, PackageStatus::loaded);
  EXPECT_EQ(records(), 2U);
  EXPECT_FALSE(store_->ended_in_first_load(package.package_sha256));
}

TEST_F(PackageFollowerTest, what_does_not_load_is_refused_with_the_reason_and_leaves_nothing) {
  follow();
  expect_refused(request(package_of("crashes")), "crashes while it is loaded");
  expect_refused(request(package_of("no_entry")), "does not export trv_entry_v1");
  expect_refused(request(package_of("other_id")), "the manifest says");
  expect_refused(request(package_of("no_entry")), "does not export trv_entry_v1");
  // The version is free: it never became anything.
  EXPECT_EQ(settled(request(package_of("good"))).status, PackageStatus::loaded);
}

TEST_F(PackageFollowerTest, other_content_is_a_conflict_while_a_version_is_pending_or_loaded) {
  const Package pending = request(package_of("good"));
  Package other = pending;
  other.package_sha256 = {1};
  const auto expect_conflict = [&] {
    const auto refused = decide(tenancy::RequestPackage{other, false});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  };
  expect_conflict();
  follow();
  EXPECT_EQ(settled(pending).status, PackageStatus::loaded);
  expect_conflict();
  // An outcome of other content, or of a package that has one, is nothing.
  EXPECT_TRUE(decide(tenancy::SettlePackage{"tracker", "1.2.3", {1}, std::nullopt}));
  EXPECT_TRUE(decide(
      tenancy::SettlePackage{"tracker", "1.2.3", pending.package_sha256, base::Error(ErrorCode::invalid, "late")}));
  EXPECT_EQ(records(), 2U);
}

TEST_F(PackageFollowerTest, a_process_that_ends_before_the_record_leaves_nothing) {
  ASSERT_TRUE(store_->open(install(package_of("good")).package_digest));
  follow();
  expect_nothing_stored();
}

TEST_F(PackageFollowerTest, a_process_that_ends_between_record_and_outcome_leaves_a_package_that_the_next_one_settles) {
  const Package package = request(package_of("good"));
  follow();
  EXPECT_EQ(settled(package).status, PackageStatus::loaded);
  // The outcome was not recorded although the library was unpacked and loaded.
  start_host();
  ASSERT_TRUE(decide(tenancy::RequestPackage{package, false}));
  ASSERT_TRUE(store_->open(package.package_sha256));
  EXPECT_EQ(follow().loaded, 0U);
  EXPECT_EQ(settled(package).status, PackageStatus::loaded);
  EXPECT_TRUE(run(call("echo")));
}

TEST_F(PackageFollowerTest, a_library_that_ended_the_process_is_refused_and_can_be_sent_again) {
  const Package package = request(package_of("good"));
  ASSERT_TRUE(store_->open(package.package_sha256));
  ASSERT_TRUE(store_->begin_first_load(package.package_sha256));
  follow();
  expect_refused(package, "the process ended while it loaded the library");
  EXPECT_EQ(settled(request(package_of("good"))).status, PackageStatus::loaded);
}

TEST_F(PackageFollowerTest, a_pending_package_whose_archive_is_gone_is_refused) {
  const Package package = request(package_of("good"));
  ASSERT_TRUE(archives_.remove(package.package_sha256));
  follow();
  expect_refused(package, "is missing; install it again");
}

TEST_F(PackageFollowerTest, a_start_loads_what_is_loaded_and_notes_what_does_not_load) {
  follow();
  const Package package = request(package_of("good"));
  ASSERT_EQ(settled(package).status, PackageStatus::loaded);
  start_host();
  const PackageFollower::Started good = follow();
  EXPECT_EQ(good.loaded, 1U);
  EXPECT_TRUE(good.problems.empty());
  EXPECT_TRUE(run(call("echo")));

  start_host();
  ASSERT_TRUE(archives_.remove(package.package_sha256));
  const PackageFollower::Started bad = follow();
  EXPECT_EQ(bad.loaded, 0U);
  ASSERT_EQ(bad.problems.size(), 1U);
  EXPECT_THAT(bad.problems.front(), HasSubstr("is missing; install it again"));
  EXPECT_THAT(run(call("echo")).error().message, HasSubstr("is missing; install it again"));
  EXPECT_EQ(settled(package).status, PackageStatus::loaded) << "the log is not changed by one node's loss";
  // Sent again, it is requested and loaded again.
  EXPECT_EQ(settled(request(package_of("good"))).status, PackageStatus::loaded);
  EXPECT_TRUE(run(call("echo")));
  EXPECT_EQ(records(), 4U);
}

TEST_F(PackageFollowerTest, a_node_that_cannot_try_a_package_says_so_after_three_tries) {
  start_host(folder_ / "no-such-program");
  follow();
  expect_refused(request(package_of("good")), "the node could not", ErrorCode::unavailable);
}

TEST_F(PackageFollowerTest, a_stop_ends_the_trial_and_answers_who_waits_and_the_next_process_tries_again) {
  follow();
  const Package package = request(package_of("hangs"));
  EXPECT_EQ(awaited(package, 10ms).get().status, PackageStatus::pending);
  std::future<Package> waiting = awaited(package);
  const auto before = clock_.monotonic();
  follower_->stop();
  EXPECT_LT(clock_.monotonic() - before, 10s) << "the trial has 20 seconds";
  EXPECT_EQ(waiting.get().status, PackageStatus::pending);
  EXPECT_EQ(awaited(package).get().status, PackageStatus::pending) << "nobody follows any more";
  EXPECT_EQ(records(), 1U);
  start_host();
  ASSERT_TRUE(decide(
      tenancy::SettlePackage{"tracker", "1.2.3", package.package_sha256, base::Error(ErrorCode::invalid, "enough")}));
  follow();
  expect_refused(package, "enough");
}

TEST_F(PackageFollowerTest, everyone_who_sends_the_same_package_gets_its_one_outcome) {
  follow();
  std::vector<std::future<Package>> answers;
  for (int i = 0; i < 8; ++i) answers.push_back(awaited(request(package_of("good"))));
  for (auto& answer : answers) EXPECT_EQ(answer.get().status, PackageStatus::loaded);
  EXPECT_EQ(records(), 2U);
}

TEST_F(PackageFollowerTest, a_backup_that_runs_keeps_what_would_be_removed) {
  const int lock = ::open((folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(lock, 0);
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(lock, F_OFD_SETLK, &whole), 0);
  follow();
  const Package package = request(package_of("no_entry"));
  EXPECT_EQ(settled(package).status, PackageStatus::refused);
  EXPECT_TRUE(archives_.get(package.package_sha256));
  ::close(lock);
  bool is_gone = false;
  for (int i = 0; i < 600 && !is_gone; ++i) {
    std::this_thread::sleep_for(50ms);
    is_gone = !archives_.get(package.package_sha256);
  }
  EXPECT_TRUE(is_gone);
}

}  // namespace
}  // namespace trv::plugin_host
