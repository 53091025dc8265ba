// Two processes that follow one shard, of which one at a time is to own it.

#include <array>

#include "events/log/forwarding_log.hpp"
#include "events/record/record_fixture.hpp"
#include "kernel/shard/testing/shard_fixture.hpp"

namespace trv::shard::testing {
namespace {

using namespace std::chrono_literals;

template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 6000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
  return condition();
}

class StandbyTest : public ShardTest {
 protected:
  /// Its own projection and thread, on the log of both.
  struct Peer {
    Timers timers;
    Outbox outbox;
    CountingProjector counts{timers};
    std::unique_ptr<projection::Projection> projection;
    std::atomic<int> claimed = 0;
    std::atomic<int> ceded = 0;
    std::atomic<int> timers_asked = 0;
    std::atomic<int> failed = 0;
    std::atomic<std::uint64_t> committed = 0;
    std::unique_ptr<ShardProcessor> shard;

    ~Peer() { shard.reset(); }

    void start(const std::filesystem::path& folder, log::EventLog& log, const base::Clock& clock,
               base::Random& random) {
      projection = *projection::Projection::open({.folder = folder, .map_bytes = std::uint64_t{1} << 30},
                                                 log::ShardId(0), {&timers, &outbox, &counts});
      ShardListeners listeners;
      listeners.timer = [this](const Timer& timer) {
        ++timers_asked;
        return event_command(timer.tenant.value(), "test.woken", "woken");
      };
      listeners.failed = [this](const base::Error& error) {
        failed += error.code() == base::ErrorCode::invalid ? 1 : 0;
      };
      listeners.claimed = [this](const log::Claim&) { ++claimed; };
      listeners.ceded = [this] { ++ceded; };
      listeners.committed = [this](log::Lsn last) { committed = last.value(); };
      shard = std::make_unique<ShardProcessor>(
          ShardOptions{.shard = log::ShardId(0), .claim_wait = 20ms, .ownership = Ownership::assigned}, log,
          *projection, timers, clock, random, std::move(listeners));
      ASSERT_TRUE(shard->start());
    }
    base::Result<Applied> submit(const std::string& type) {
      std::promise<base::Result<Applied>> promise;
      Command command = event_command("acme", type, "a");
      command.done = [&promise](const base::Result<Applied>& outcome) { promise.set_value(outcome); };
      shard->submit(std::move(command));
      return promise.get_future().get();
    }
    std::uint64_t count(const std::string& stream = "a") const {
      const auto txn = projection->begin_read();
      return *counts.count(*txn, stream);
    }
    bool owns() {
      return eventually([&] { return shard->ready(); });
    }
  };

  void SetUp() override {
    log_ = *log::LmdbEventLog::open(folder_ / "log", {.map_bytes = std::uint64_t{1} << 30});
    peers_[0].start(folder_ / "0", *log_, clock_, random_);
    peers_[1].start(folder_ / "1", *log_, clock_, random_);
  }
  void TearDown() override {
    for (Peer& peer : peers_) {
      peer.shard.reset();
      EXPECT_TRUE(!peer.projection || peer.projection->close());
      peer.projection.reset();
    }
  }
  std::array<Peer, 2> peers_;
};

TEST_F(StandbyTest, claims_nothing_and_refuses_commands_until_it_is_to_own) {
  EXPECT_TRUE(eventually([&] { return peers_[0].shard->follows() && peers_[1].shard->follows(); }));
  const auto refused = peers_[0].submit("test.event");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable);
  EXPECT_EQ(peers_[0].claimed, 0);
  EXPECT_EQ(peers_[0].shard->why_not_ready(), "");
  EXPECT_FALSE(peers_[0].shard->ready());
}

TEST_F(StandbyTest, a_standby_applies_what_the_owner_appends_and_goes_on_where_that_ended) {
  ASSERT_TRUE(eventually([&] { return peers_[0].shard->follows(); }));
  peers_[0].shard->own();
  ASSERT_TRUE(peers_[0].owns());
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(peers_[0].submit("test.event"));
  EXPECT_TRUE(eventually([&] { return peers_[1].count() == 200; }));
  EXPECT_TRUE(eventually([&] { return peers_[1].committed == 200; })) << "followers of the standby were not woken";
  EXPECT_EQ(peers_[1].claimed, 0);

  peers_[0].shard->cede();
  ASSERT_TRUE(eventually([&] { return peers_[0].shard->follows(); }));
  EXPECT_EQ(peers_[0].ceded, 2) << "at the start, and now";
  EXPECT_FALSE(peers_[0].submit("test.event"));
  peers_[1].shard->own();
  ASSERT_TRUE(peers_[1].owns());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(peers_[1].submit("test.event"));
  EXPECT_EQ(peers_[1].count(), 250U);
  EXPECT_TRUE(eventually([&] { return peers_[0].count() == 250; }));
  for (Peer& peer : peers_) peer.shard->stop();
  EXPECT_EQ(*peers_[0].projection->content_digest(), *peers_[1].projection->content_digest());
}

TEST_F(StandbyTest, an_owner_that_lost_the_shard_follows_the_new_one_and_does_not_take_it_back) {
  peers_[0].shard->own();
  ASSERT_TRUE(peers_[0].owns());
  ASSERT_TRUE(peers_[0].submit("test.event"));
  peers_[1].shard->own();
  ASSERT_TRUE(peers_[1].owns());
  ASSERT_TRUE(peers_[1].submit("test.event"));
  const auto lost = peers_[0].submit("test.event");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), base::ErrorCode::lost) << lost.error().message();
  EXPECT_TRUE(eventually([&] { return peers_[0].shard->follows() && peers_[0].count() == 2; }));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(peers_[0].claimed, 1);
  EXPECT_TRUE(peers_[1].submit("test.event"));
  EXPECT_TRUE(eventually([&] { return peers_[0].count() == 3; }));
}

TEST_F(StandbyTest, a_node_does_not_claim_what_a_later_version_wrote) {
  peers_[0].shard->own();
  ASSERT_TRUE(peers_[0].owns());
  ASSERT_TRUE(peers_[0].submit("test.event"));
  ASSERT_TRUE(eventually([&] { return peers_[1].count() == 1; }));
  const log::Claim claim = *log_->claim(log::ShardId(0), "later", base::Uuid());
  record::Draft event = record::example_draft(2);
  event.type = "trv.not.known";
  record::RecordEncoder encoder;
  log::Batch batch;
  batch.add(*encoder.encode(
      event, {.shard = claim.shard, .lsn = claim.next, .epoch = claim.epoch, .prev_hash = claim.last_hash}));
  ASSERT_TRUE(log_->settle(*log_->append(claim, std::move(batch))));

  ASSERT_TRUE(eventually([&] { return peers_[1].shard->is_outdated(); })) << "it follows and cannot apply it";
  EXPECT_NE(peers_[1].shard->why_not_ready().find("the event type trv.not.known, which"), std::string::npos)
      << peers_[1].shard->why_not_ready();
  peers_[1].shard->own();
  const auto refused = peers_[1].submit("test.event");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable) << refused.error().message();
  EXPECT_FALSE(peers_[1].shard->ready());
  EXPECT_FALSE(peers_[1].shard->follows());
  EXPECT_EQ(peers_[1].count(), 1U);
  EXPECT_EQ(log_->claim(log::ShardId(0), "later", base::Uuid())->epoch, log::Epoch(3)) << "nobody has claimed it since";
  // The last owner finds out when it has lost the shard.
  EXPECT_FALSE(peers_[0].submit("test.event"));
  ASSERT_TRUE(eventually([&] { return peers_[0].shard->is_outdated(); }));
  EXPECT_FALSE(peers_[0].shard->ready());
  EXPECT_EQ(peers_[1].failed, 1) << "it is tried once, and reported once";
}

/// Nothing new can be read while it is cut off.
class CutLog final : public log::ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  [[nodiscard]] base::Result<std::unique_ptr<log::Reader>> read(log::ShardId shard, log::Lsn from,
                                                                const log::EnginePosition& hint) override {
    if (is_cut_off) return base::fail(base::ErrorCode::unavailable, "cut off");
    return ForwardingLog::read(shard, from, hint);
  }
  std::atomic<bool> is_cut_off = false;
};

TEST_F(StandbyTest, a_node_that_was_cut_off_until_the_log_was_trimmed_says_so_and_claims_nothing) {
  CutLog cut(*log_);
  Peer late;
  late.start(folder_ / "late", cut, clock_, random_);
  late.shard->own();
  ASSERT_TRUE(late.owns());
  ASSERT_TRUE(late.submit("test.event"));
  cut.is_cut_off = true;
  late.shard->cede();
  ASSERT_TRUE(eventually([&] { return !late.shard->ready(); }));
  peers_[0].shard->own();
  ASSERT_TRUE(peers_[0].owns());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(peers_[0].submit("test.event"));
  ASSERT_TRUE(log_->trim(log::ShardId(0), log::Lsn(4)));
  EXPECT_FALSE(late.shard->is_outdated());
  cut.is_cut_off = false;
  ASSERT_TRUE(eventually([&] { return late.shard->is_outdated(); }));
  const std::string why = late.shard->why_not_ready();
  EXPECT_NE(why.find("lsn 2 was trimmed; restart travd: it begins with a snapshot then"), std::string::npos) << why;
  late.shard->own();
  EXPECT_FALSE(late.submit("test.event"));
  EXPECT_EQ(late.claimed, 1);
  EXPECT_TRUE(peers_[0].submit("test.event")) << "the owner goes on";
}

TEST_F(StandbyTest, a_timer_fires_on_the_node_that_owns_the_shard_by_then) {
  peers_[0].shard->own();
  ASSERT_TRUE(peers_[0].owns());
  ASSERT_TRUE(peers_[0].submit("test.alarm"));
  peers_[0].shard->cede();
  ASSERT_TRUE(eventually([&] { return peers_[0].shard->follows(); }));
  clock_.advance(2s);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(peers_[0].timers_asked + peers_[1].timers_asked, 0);
  peers_[1].shard->own();
  EXPECT_TRUE(eventually([&] { return peers_[1].count("woken") == 1 && peers_[0].count("woken") == 1; }));
  EXPECT_EQ(peers_[0].timers_asked, 0);
}

TEST_F(StandbyTest, ownership_that_goes_to_and_fro_under_load_loses_and_doubles_nothing) {
  std::uint64_t acknowledged = 0;
  peers_[0].shard->own();
  for (int round = 0; round < 40; ++round) {
    Peer& owner = peers_[static_cast<std::size_t>(round % 2)];
    Peer& next = peers_[static_cast<std::size_t>((round + 1) % 2)];
    ASSERT_TRUE(owner.owns());
    for (int i = 0; i < 10; ++i) acknowledged += owner.submit("test.event") ? 1 : 0;
    // Every third time the next one does not wait until the shard was ceded.
    owner.shard->cede();
    const bool waits = round % 3 != 0;
    ASSERT_TRUE(!waits || eventually([&] { return owner.shard->follows(); }));
    next.shard->own();
  }
  EXPECT_EQ(acknowledged, 400U);
  for (Peer& peer : peers_) EXPECT_TRUE(eventually([&] { return peer.count() == acknowledged; }));
}

}  // namespace
}  // namespace trv::shard::testing
